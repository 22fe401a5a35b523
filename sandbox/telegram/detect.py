"""What Telegram finds in a text by itself: commands, mentions, links, hashtags. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.telegram.text import utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATTERNS = (
    ("url", re.compile(r"\bhttps?://[^\s<>\"]*[\w/#&=%~-]")),
    (
        "bot_command",
        re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])"),
    ),
    ("mention", re.compile(r"(?<![\w/@.])@[A-Za-z][A-Za-z0-9_]{3,31}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w&/#@])#(?=\w*[^\W\d])\w{1,256}")),
)


def find_entities(text: str) -> Iterator[tuple[str, int, int]]:
    """(type, offset, length) in UTF-16 units, none overlapping, in no promised order."""
    taken: list[tuple[int, int]] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < other_end and other_start < end for other_start, other_end in taken):
                continue
            taken.append((start, end))
            yield kind, utf16_length(text[:start]), utf16_length(match.group())
