"""Takes secrets out of text that may reach a log or a reader."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"

_SHORTEST_SECRET = 3
"""Anything shorter would mask ordinary letters, and protects nothing."""

_URL_USERINFO = re.compile(r"(?<=://)[^\s/@]*@")
_URL_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)\?[^\s\"'<>]*")
_LOOKS_SECRET = re.compile(
    r"""(?xi)
    (?<=bearer\s) [^\s"',;]+
    | \b(?:sk|pk|rk|gsk|xai|key|token)[-_][\w*.-]{6,}
    | \bAIza[\w-]{20,}
    | \beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?
    """
)
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` with `secrets`, passwords and queries of URLs, and all that looks a key masked.

    A secret is found in its plain and its percent-encoded form.
    """
    for secret in sorted(_forms(secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _URL_USERINFO.sub(f"{MASK}@", text)
    text = _URL_QUERY.sub(r"\1", text)
    return _LOOKS_SECRET.sub(MASK, text)


def one_line(text: str) -> str:
    """Return `text` with every run of white space and control characters as one space."""
    return _NOT_PRINTED.sub(" ", text).strip()


def shorten(text: str, limit: int = 400) -> str:
    """Return at most `limit` characters of `text`; for after `redact`, which needs it whole."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def url_secrets(url: str | None) -> tuple[str, ...]:
    """Return what must not be shown of `url`: its password and query values.

    A user name without a password is taken for a token.
    """
    if not url:
        return ()
    parts = urlsplit(url)
    queries = [pair.partition("=")[2] for pair in parts.query.split("&")]
    found = (parts.password or parts.username, *queries)
    return tuple(value for value in found if value)


def _forms(secrets: Iterable[str]) -> set[str]:
    forms = {
        form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret))
    }
    return {form for form in forms if len(form) >= _SHORTEST_SECRET}
