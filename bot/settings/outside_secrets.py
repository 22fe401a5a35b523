"""Secrets that libraries take from the environment by themselves, past the settings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from providers.secret_forms import url_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROXIES: Final = frozenset(("http_proxy", "https_proxy", "all_proxy"))
_FIELD: Final = re.compile(r"(?:[^:\\]|\\.)*")
_PASSWORD: Final = 4
"""The place of the password in a line of a password file, from 0."""


def outside_secrets(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """PostgreSQL's password, from PGPASSWORD or its password file, and those of proxies."""
    found = {environ.get("PGPASSWORD", ""), *_of_password_file(environ)}
    for name, value in environ.items():
        if name.lower() in _PROXIES:
            found.update(url_secrets(value))
    return frozenset(found - {""})


def _of_password_file(environ: Mapping[str, str]) -> Iterator[str]:
    """Source: https://www.postgresql.org/docs/current/libpq-pgpass.html."""
    home = environ.get("HOME", "")
    name = environ.get("PGPASSFILE") or (f"{home}/.pgpass" if home else "")
    try:
        lines = Path(name).read_text("utf-8", errors="replace").splitlines() if name else []
    except OSError:
        return
    for line in lines:
        fields = [field for field in _FIELD.findall(line) if field]
        if not line.startswith("#") and len(fields) == _PASSWORD + 1:
            yield re.sub(r"\\(.)", r"\1", fields[_PASSWORD])
