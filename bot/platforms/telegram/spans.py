"""Telegram's entities as values, and the rules that make a list of them valid.

Source: https://core.telegram.org/bots/api#messageentity and #formatting-options. Offsets and
lengths are in UTF-16 code units. Telegram takes at most 100 entities for a message and ignores
the others without a word.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field, replace

from bot.reply.surface import Rendered

MOST_SPANS = 100
_IMPORTANCE = ("text_link", "pre", "blockquote", "code")
"""What is kept first where there are too many; the others follow in the order of the text."""

_TWO_UNITS = re.compile("[\U00010000-\U0010ffff]")
# Telegram takes a text without one of these for an empty one.
_VISIBLE = re.compile(r"[^\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")


@dataclass(frozen=True, slots=True)
class Span:
    """A `MessageEntity` that can be compared and hashed by value."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None


def to_telegram(span: Span) -> dict[str, str | int]:
    """https://core.telegram.org/bots/api#messageentity."""
    given: dict[str, str | int] = {
        "type": span.type,
        "offset": span.offset,
        "length": span.length,
    }
    if span.url is not None:
        given["url"] = span.url
    if span.language is not None:
        given["language"] = span.language
    return given


@dataclass(slots=True)
class _OpenSpan:
    type: str
    """Empty for a span that shows nothing of its own: bold within bold, a link within a link."""
    url: str | None = None
    start: int | None = None
    """Where its text begins; None until some is written."""


@dataclass(slots=True)
class Fragment:
    """Text under construction; its spans are counted in characters until it is finished."""

    length: int = 0
    spans: list[Span] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _open: list[_OpenSpan] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join(self._pieces)

    def write(self, text: str) -> None:
        for span in self._open:
            if span.start is None:
                span.start = self.length
        self.space(text)

    def space(self, text: str) -> None:
        """Write what comes before the text of the spans that were just opened."""
        self._pieces.append(text)
        self.length += len(text)

    def mark(self, kind: str, start: int, *, url: str | None = None, language: str = "") -> None:
        """Format all that was written since `start`."""
        self.spans.append(Span(kind, start, self.length - start, url, language or None))

    def open(self, kind: str, url: str | None = None) -> None:
        """Format what is written until `close`."""
        nested = any(span.type == kind for span in self._open)
        self._open.append(_OpenSpan("" if nested else kind, url))

    def close(self) -> None:
        """End the innermost open span; a link without text shows its URL."""
        span = self._open[-1]
        if span.start is None and span.url:
            self.write(span.url)
        self._open.pop()
        if span.type and span.start is not None:
            self.mark(span.type, span.start, url=span.url)

    def code(self, text: str) -> None:
        """Code stands in no other span: those around it are interrupted.

        But a link is kept, and what a spoiler hides stays hidden.
        """
        if any(span.type in ("text_link", "spoiler") for span in self._open):
            self.write(text)
            return
        for span in self._open:
            if span.type and span.start is not None:
                self.mark(span.type, span.start)
        start = self.length
        self.write(text)
        self.mark("code", start)
        for span in self._open:
            span.start = None

    def append(self, other: Fragment) -> None:
        self.spans.extend(replace(span, offset=span.offset + self.length) for span in other.spans)
        self.write(str(other))

    def finished(self) -> Rendered[Span]:
        """As Telegram would show it: trimmed, and with valid entities in their order."""
        text = str(self).rstrip()
        if not _VISIBLE.search(text):
            return Rendered("")
        spans = [_trimmed(span, text) for span in self.spans]
        spans = [span for span in spans if span.length and not _shows_its_url(span, text)]
        # Telegram trims up to the first entity, so that code keeps its indentation.
        indent = len(text) - len(text.lstrip())
        first = min((span.offset for span in spans), default=indent)
        text = text[min(indent, first) :]
        wide = [match.start() for match in _TWO_UNITS.finditer(text)]
        spans = [_in_units(span, min(indent, first), wide) for span in _most_important(spans)]
        return Rendered(text, tuple(sorted(spans, key=lambda each: (each.offset, -each.length))))


def utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _trimmed(span: Span, text: str) -> Span:
    """Telegram trims entities, and drops those of white space only."""
    shown = text[span.offset : span.offset + span.length]
    leading = 0 if span.type == "pre" else len(shown) - len(shown.lstrip())
    length = len(shown.rstrip()) - leading
    if not leading and length == span.length:
        return span
    return replace(span, offset=span.offset + leading, length=max(length, 0))


def _shows_its_url(span: Span, text: str) -> bool:
    """Telegram makes a link of a URL by itself."""
    shown = text[span.offset : span.offset + span.length]
    return span.url is not None and span.url.removeprefix("mailto:") == shown


def _most_important(spans: list[Span]) -> list[Span]:
    rank = {kind: place for place, kind in enumerate(_IMPORTANCE)}
    return sorted(spans, key=lambda span: rank.get(span.type, len(rank)))[:MOST_SPANS]


def _in_units(span: Span, cut: int, wide: list[int]) -> Span:
    """Counted in UTF-16 code units, after `cut` characters were cut off the text.

    `wide`: where the characters of two units are.
    """
    if not cut and not wide:
        return span
    start, end = span.offset - cut, span.offset - cut + span.length
    offset = start + bisect_left(wide, start)
    return Span(span.type, offset, end + bisect_left(wide, end) - offset, span.url, span.language)
