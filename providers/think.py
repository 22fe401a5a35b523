"""Tells thought from answer in text that opens with `<think>…</think>`."""

from __future__ import annotations

from providers.base import ReasoningDelta, TextDelta

_OPEN = "<think>"
_CLOSE = "</think>"


def overlap(text: str, marker: str) -> int:
    """Return how many last characters of `text` may be the beginning of `marker`, not all of it."""
    longest = min(len(text), len(marker) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(marker[:n])), 0)


class ThinkSplitter:
    """Splits an answer's text, as it comes, into reasoning and answer.

    Only a tag at the very start counts: `<think>` later on is text that somebody wrote.
    """

    def __init__(self) -> None:
        self._held = ""
        """Text not handed out yet, because it may be part of a tag."""
        self._inside: bool | None = None
        """None: not known yet, the text so far may be the beginning of the opening tag."""
        self._after_tag = False
        """A tag was the last thing read: white space that follows it is skipped."""

    def feed(self, text: str) -> list[TextDelta | ReasoningDelta]:
        """Return what `text` adds; never an empty delta."""
        if self._inside is False and not self._after_tag:
            return [TextDelta(text)] if text else []
        self._held += text
        if self._inside is None:
            self._open()
        thought = self._think() if self._inside else ""
        answer = self._answer() if self._inside is False else ""
        return [
            *([ReasoningDelta(thought)] if thought else ()),
            *([TextDelta(answer)] if answer else ()),
        ]

    def flush(self) -> list[TextDelta | ReasoningDelta]:
        """Return what was held back."""
        text, self._held = self._held, ""
        if not text:
            return []
        return [ReasoningDelta(text) if self._inside else TextDelta(text)]

    def _open(self) -> None:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._inside, self._after_tag = True, True
            self._held = start.removeprefix(_OPEN)
        elif not _OPEN.startswith(start):
            self._inside = False

    def _think(self) -> str:
        thought, closed, answer = self._held.partition(_CLOSE)
        cut = len(thought) - (0 if closed else overlap(thought, _CLOSE))
        thought, self._held = self._skip_gap(thought[:cut]), thought[cut:] + answer
        if closed:
            self._inside, self._after_tag = False, True
        return thought

    def _answer(self) -> str:
        text, self._held = self._skip_gap(self._held), ""
        return text

    def _skip_gap(self, text: str) -> str:
        if self._after_tag:
            text = text.lstrip()
            self._after_tag = not text
        return text
