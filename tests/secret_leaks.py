"""Writes secrets as programs write them, and finds them again; shares no code with what masks."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = 12
"""Characters in a row of a secret that say too much of it."""


def forms(secret: str) -> dict[str, str]:
    """What a library may make of `secret` in one of its messages, by what that is."""
    encoded, data = quote(secret, safe=""), secret.encode()
    both = base64.b64encode(b"user:" + data).decode()
    conninfo = secret.replace("\\", "\\\\").replace("'", "\\'")
    found = {
        "plain": secret,
        "percent": encoded,
        "percent, small letters": re.sub("%..", lambda m: m[0].lower(), encoded),
        "percent, some of it": quote(secret, safe="/:@!$&'()*+,;="),
        "percent, twice": quote(encoded, safe=""),
        "a form's": quote_plus(secret),
        "decoded": unquote(secret),
        "quoted": json.dumps(secret),
        "quoted, as it is": json.dumps(secret, ensure_ascii=False),
        "quoted twice": json.dumps(json.dumps(secret)),
        "repr": repr(secret),
        "repr of bytes": repr(data),
        "repr of a list": repr([("key", secret)]),
        "shell": shlex.quote(secret),
        "html": html.escape(secret),
        "conninfo": f"password='{conninfo}' host=h",
        "url": f"postgresql://me:{encoded}@host:5432/name",
        "url, as it is": f"postgresql://me:{secret}@host:5432/name",
        "query": f"https://host/v1?key={encoded}&x=1",
        "telegram": f"https://api.telegram.org/bot{secret}/getMe",
        "bearer": f"Authorization: Bearer {secret}",
        "discord": repr({"Authorization": f"Bot {secret}"}),
        "basic": f"Authorization: Basic {both}",
        "base64": f"said {both} to it",
        "base64 for URLs": base64.urlsafe_b64encode(b"u:" + data).decode().rstrip("="),
        "base64, alone": base64.b64encode(data).decode(),
        "lines": f"first\n{secret}\nlast",
        "in a line": f"a={secret};b",
    }
    if len(secret) >= 2 * PART:
        found["cut"] = secret[: len(secret) * 3 // 4] + "…"
        found["the end"] = "…" + secret[len(secret) // 4 :]
        found["broken"] = f"{secret[: len(secret) // 2]}\n{secret[len(secret) // 2 :]}"
        found["in the middle"] = f"{secret[:PART]}...{secret[-PART:]}"
    return found


def leaks(text: str, *secrets: str) -> list[str]:
    """What of `secrets` can be read out of `text`: them, or a long part of them."""
    parts = {part for secret in secrets for part in _parts(secret)}
    readings = list(_readings(text))
    return [part for part in parts if any(part in shown for shown in readings)]


def _parts(secret: str) -> Iterator[str]:
    yield from (secret, unquote(secret))
    if len(secret) >= 2 * PART:
        yield from (secret[at : at + PART] for at in range(len(secret) - PART + 1))


def _readings(text: str) -> Iterator[str]:
    yield from (text, unquote(text), unquote(unquote(text)), html.unescape(text))
    for escape in ('\\"', "\\'", "\\\\"):
        yield text.replace(escape, escape[1:])
    yield re.sub(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})", lambda m: chr(int(m[1] or m[2], 16)), text)
    yield "\n".join(_decoded(text))


def _decoded(text: str) -> Iterator[str]:
    for run in set(re.findall(r"[A-Za-z0-9+/_-]{8,}", text)):
        for start in range(4):
            cut = run[start : start + (len(run) - start) // 4 * 4].translate({45: 43, 95: 47})
            try:
                yield base64.b64decode(cut).decode("utf-8", errors="replace")
            except binascii.Error:
                continue
