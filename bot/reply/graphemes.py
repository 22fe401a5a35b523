"""What a reader takes for one character, and how wide it is in a monospaced font.

A simple form of the rules of Unicode's annexes 29 (text segmentation) and 11 (East Asian width):
combining marks, emoji sequences, flags and Hangul syllables hold together.
"""

from __future__ import annotations

import re
from unicodedata import category, east_asian_width

_JOINER = "\u200d"
_EMOJI_VARIANT = "\ufe0f"
_EXTENDING = ("Mn", "Mc", "Me")
_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]+$")
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TAGS = range(0xE0020, 0xE0080)
_HANGUL_VOWELS_AND_FINALS = range(0x1160, 0x1200)
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc")
"""Letters and signs without a picture; platforms count them as nothing, too."""
_VARIANTS = range(0xFE00, 0xFE10)


def is_boundary(text: str, position: int) -> bool:
    """Whether `text` may be cut before `position` without cutting a character in two."""
    if not 0 < position < len(text):
        return True
    before, after = text[position - 1], text[position]
    if after < "\u0300":
        return True
    if _extends(after) or before == _JOINER:
        return False
    if _FLAG_LETTERS.match(after):
        flags = _FLAG_LETTERS.search(text, max(0, position - 64), position)
        return flags is None or len(flags[0]) % 2 == 0
    return True


def width(text: str) -> int:
    """Cells that `text` takes in a monospaced font; a wide character or an emoji takes two."""
    if text.isascii():
        return len(text)
    starts = [i for i in range(len(text)) if is_boundary(text, i)]
    return sum(_cells(text[a:b]) for a, b in zip(starts, [*starts[1:], len(text)], strict=True))


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing of `text`; platforms refuse a message that is all so."""
    return all(character.isspace() or _is_invisible(character) for character in text)


def _is_invisible(character: str) -> bool:
    return (
        category(character) in ("Cc", "Cf") or character in _FILLERS or ord(character) in _VARIANTS
    )


def _extends(character: str) -> bool:
    code = ord(character)
    return (
        category(character) in _EXTENDING
        or character == _JOINER
        or code in _SKIN_TONES
        or code in _TAGS
        or code in _HANGUL_VOWELS_AND_FINALS
    )


def _cells(grapheme: str) -> int:
    if east_asian_width(grapheme[0]) in "WF" or _EMOJI_VARIANT in grapheme:
        return 2
    if _FLAG_LETTERS.match(grapheme):
        return 2
    return 0 if category(grapheme[0]) in ("Cf", *_EXTENDING) else 1
