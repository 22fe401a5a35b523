"""Text as Telegram keeps it: control characters removed, trimmed, counted in UTF-16 units."""

from __future__ import annotations

from dataclasses import dataclass

_REMOVED = {"\r", *map(chr, range(0x2028, 0x202F)), "\u0333", "\u033f", "\u030a"}
_SPACES = {chr(code) for code in range(0x20)} - {"\n", "\r"}
_LAST_BMP = 0xFFFF


def utf16_length(text: str) -> int:
    return len(text) + sum(ord(char) > _LAST_BMP for char in text)


def trim(text: str, first_entity: int) -> tuple[str, int]:
    """Strip spaces and line ends, at the start only up to the first entity.

    Returns the text and how many UTF-16 units went from its start.
    """
    text = text.rstrip(" \n")
    start = 0
    while start < min(first_entity, len(text)) and text[start] in " \n":
        start += 1
    return text[start:], start


@dataclass(frozen=True, slots=True)
class CleanText:
    text: str
    offsets: dict[int, int]
    """UTF-16 offset in the source → offset in `text`, at every character's start and at the end."""
    source: str
    source_length: int
    """UTF-16 units of the source."""

    @classmethod
    def of(cls, source: str) -> CleanText:
        kept: list[str] = []
        offsets = {}
        old = new = 0
        for char in source:
            offsets[old] = new
            units = 2 if ord(char) > _LAST_BMP else 1
            old += units
            if char not in _REMOVED:
                kept.append(" " if char in _SPACES else char)
                new += units
        offsets[old] = new
        return cls("".join(kept), offsets, source, old)

    def byte_after(self, offset: int) -> int:
        """The UTF-8 offset behind the surrogate pair that `offset` splits."""
        return len(self.source.encode("utf-16-le")[: 2 * (offset + 1)].decode("utf-16-le").encode())


def split_utf16(text: str, size: int) -> list[str]:
    """`text` in parts of at most `size` UTF-16 units, no character torn apart."""
    parts, part, used = [], "", 0
    for char in text:
        units = utf16_length(char)
        if used + units > size:
            parts.append(part)
            part, used = "", 0
        part += char
        used += units
    return [*parts, part] if part else parts
