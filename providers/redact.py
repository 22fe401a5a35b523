"""Takes secrets out of text that may reach a log or a reader.

Two nets. The secrets that the process was told of (`learn`) are found in whatever form they stand:
percent-encoded, escaped, within base64, cut short. What nobody told of is found by its place: the
password of a URL, a header, what looks like a key.

A secret of fewer than 4 characters, or one that is a word of the log itself ("postgres"), can't be
told from other text: it is masked in its place alone. One of 4 to 7 is masked where it stands as a
word, so that a password "test" does not eat into "latest".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from providers.secret_forms import is_maskable, pieces, written

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"

PIECE: Final = 12
"""Characters in a row of a long secret that are masked if they stand alone."""

_URL_USERINFO = re.compile(r"(?<=://)[^\s\"'<>]*@")
_URL_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)\?[^\s\"'<>]*")
_ASSIGNED = re.compile(
    r"(?i)\b((?:pg|ssl)?(?:password|passwd|pwd)|api[-_]?key|secret)=('(?:[^'\\]|\\.)*'|[^\s&\"',;\\]+)"
)
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization\\?[\"']?\s*[:=,]\s*\\?[\"']?(?:basic|bearer|bot)\s+)[^\s\"',;\\]+"
)
_LOOKS_SECRET = re.compile(
    r"""(?xi)
    (?<=bearer\s) [^\s"',;]+
    | \b(?:sk|pk|rk|gsk|xai|key|token)[-_][\w*.-]{6,}
    | \bAIza[\w-]{20,}
    | \beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?
    """
)
# A bot token: the bot's id and 35 characters (https://core.telegram.org/bots/api#authorizing-your-bot).
# Turn keys, which are meant to be read, have shorter parts.
_BOT_TOKEN: Final = re.compile(r"\d{3,}(?::|%3A)[A-Za-z0-9_-]{30,}", re.IGNORECASE)
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


class Redactor:
    """Masks the secrets it has learned."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these, too, from now on; those that can't be told from other text are left out."""
        self._secrets = self._secrets.union(filter(is_maskable, secrets))
        self._forms = written(self._secrets)
        self._pieces = pieces(self._secrets, PIECE)

    def __call__(self, text: str) -> str:
        for needle, pattern in self._forms:
            if needle in text:
                text = pattern.sub(MASK, text)
        return self._without_pieces(text) if self._pieces else text

    def _without_pieces(self, text: str) -> str:
        """Mask what is left of a secret that was cut short or written over a line's end."""
        kept: list[str] = []
        shown = end = 0
        for start in range(len(text) - PIECE + 1):
            if text[start : start + PIECE] in self._pieces:
                if start >= end:
                    kept += (text[shown:start], MASK)
                shown = end = start + PIECE
        return "".join((*kept, text[shown:]))


_KNOWN: Final = Redactor()
"""What this process must not show."""


def learn(secrets: Iterable[str]) -> None:
    """Tell of secrets that this process must not show: `redact` and `mask_known` mask them."""
    _KNOWN.learn(secrets)


def mask_known(text: str) -> str:
    """Return `text` without the secrets that the process was told of, and else as it is."""
    return _KNOWN(text)


def mask_exactly(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without `secrets` and tokens of bots; URLs in it are examples, and stay."""
    return _BOT_TOKEN.sub(MASK, Redactor(secrets)(text))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without secrets: those the process knows, `secrets`, and what looks like one.

    Of a URL the password and the query are left out.
    """
    text = _KNOWN(_redactor(frozenset(secrets))(text))
    if "://" in text:
        text = _URL_USERINFO.sub(f"{MASK}@", text)
        text = _URL_QUERY.sub(r"\1", text)
    if "=" in text:
        text = _ASSIGNED.sub(rf"\1={MASK}", text)
    if "uthorization" in text.lower():
        text = _HEADER.sub(rf"\1{MASK}", text)
    return _BOT_TOKEN.sub(MASK, _LOOKS_SECRET.sub(MASK, text))


@lru_cache(maxsize=32)
def _redactor(secrets: frozenset[str]) -> Redactor:
    return Redactor(secrets)


def one_line(text: str) -> str:
    """Return `text` with every run of white space and control characters as one space."""
    return _NOT_PRINTED.sub(" ", text).strip()


def shorten(text: str, limit: int = 400) -> str:
    """Return at most `limit` characters of `text`; for after `redact`, which needs it whole."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
