"""Text and thought of one answer → deltas that can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.base import ReasoningDelta, TextDelta
from providers.surrogates import SurrogateJoiner
from providers.think import ThinkSplitter

if TYPE_CHECKING:
    from collections.abc import Sequence


class Speech:
    """Joins characters cut in halves, and tells `<think>…</think>` from the answer."""

    def __init__(self) -> None:
        self._text = SurrogateJoiner()
        self._thought = SurrogateJoiner()
        self._splitter = ThinkSplitter()
        self.spoken = False
        """Text has come, be it a thought in tags."""
        self.taken = 0
        """Characters of text and thought so far, those included that are held back."""

    def say(self, text: object) -> Sequence[TextDelta | ReasoningDelta]:
        """Return what `text` adds to the answer; anything but a string adds nothing."""
        if not isinstance(text, str) or not text:
            return ()
        self.taken += len(text)
        if not (text := self._text.feed(text)):
            return ()
        self.spoken = True
        return self._splitter.feed(text)

    def think(self, text: object) -> Sequence[ReasoningDelta]:
        """Return what `text` adds to the reasoning; anything but a string adds nothing."""
        if not isinstance(text, str) or not text:
            return ()
        self.taken += len(text)
        if not (text := self._thought.feed(text)):
            return ()
        return (ReasoningDelta(text),)

    def drain(self) -> list[TextDelta | ReasoningDelta]:
        """Return what was held back."""
        thought = self._thought.flush()
        return [
            *([ReasoningDelta(thought)] if thought else ()),
            *self._splitter.feed(self._text.flush()),
            *self._splitter.flush(),
        ]
