r"""JSON as servers really send it: with characters cut into lone surrogates.

A server that cuts its text at UTF-16 units sends an emoji as `"\ud83d"` in one delta and
`"\ude00"` in the next. Each half is valid JSON but no character.
"""

from __future__ import annotations

import json
import re

import orjson

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_json(data: bytes) -> object:
    """Parse JSON that may hold lone surrogates or broken UTF-8; raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # orjson refuses lone surrogates; the standard library keeps them for us to join.
        pass
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dump_json(value: object) -> bytes:
    """Return `value` as JSON in UTF-8, with lone surrogates as U+FFFD."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return repair(json.dumps(value, ensure_ascii=False)).encode()


def repair(text: str) -> str:
    """Return `text` with surrogate pairs joined and each half without a partner as U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def ends_in_half(text: str) -> bool:
    """Tell whether the last character is the first half of a pair."""
    return "\ud800" <= text[-1:] <= "\udbff"


class SurrogateJoiner:
    """Joins halves over deltas: what `feed` and `flush` return never holds a surrogate."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        if text.isascii() and not self._half:
            return text
        text = self._half + text
        self._half = ""
        if ends_in_half(text):
            text, self._half = text[:-1], text[-1]
        return repair(text)

    def flush(self) -> str:
        """Return what waited for its other half, as U+FFFD."""
        text, self._half = repair(self._half), ""
        return text
