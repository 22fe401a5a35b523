"""Letting another model go on with an answer that broke off."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from providers.base import (
    BadResponseError,
    Finish,
    FinishReason,
    Message,
    ProviderError,
    ReasoningDelta,
    Role,
    TextDelta,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from providers.base import Event

GO_ON = (
    "Your answer was interrupted. Go on with it from the very character where it stopped, even in "
    "the middle of a word. Write only what is missing: no introduction, nothing a second time."
)
LONGEST_OVERLAP = 400
"""Characters of the partial that may be repeated; what is held back while it is not sure."""
SURE_OVERLAP = 8
"""Characters that nobody repeats by chance."""


def messages_after(messages: Sequence[Message], partial: str) -> list[Message]:
    """Return what to ask so that an answer goes on after `partial`.

    A user's message ends it: many servers refuse a conversation that ends with the assistant's.
    """
    return [*messages, Message.of(Role.ASSISTANT, partial), Message.of(Role.USER, GO_ON)]


async def continuation(
    events: AsyncGenerator[Event, None], partial: str
) -> AsyncGenerator[Event, None]:
    """Yield `events`, without the text at their beginning that ends `partial` already.

    Their usage is left out: it counts the partial as a question. One that adds nothing is the end:
    the partial broke off after its last word.
    """
    seam = Seam(partial)
    try:
        async with aclosing(events):
            async for event in events:
                match event:
                    case TextDelta(text):
                        if text := seam.write(text):
                            yield TextDelta(text)
                    case Finish():
                        if text := seam.flush():
                            yield TextDelta(text)
                        yield event
                    case ReasoningDelta():
                        yield event
    except ProviderError as error:
        if isinstance(error, BadResponseError) and error.complete:
            yield Finish(FinishReason.STOP)
            return
        if text := seam.flush():
            yield TextDelta(text)
        raise


class Seam:
    """Pure: strips what a continuation repeats of the text before it, piece by piece."""

    def __init__(self, partial: str) -> None:
        self._end = partial[-LONGEST_OVERLAP:]
        self._held: str | None = ""
        """What may still be a repetition; None once that is decided."""

    def write(self, text: str) -> str:
        """Return what is new of the continuation so far; the empty string while it isn't sure."""
        if self._held is None:
            return text
        self._held += text
        # It may repeat more of the end than has come yet.
        if self._end.find(self._held, 0, len(self._end) - 1) >= 0:
            return ""
        return self.flush()

    def flush(self) -> str:
        """Return what is held back: the continuation, or this part of it, is complete."""
        if self._held is None:
            return ""
        held, self._held = self._held, None
        return held[overlap(self._end, held) :]


def overlap(before: str, after: str) -> int:
    """Return how many characters at the beginning of `after` repeat the end of `before`.

    A short overlap counts from the beginning of a word only: "10" and "0 apples" make
    "100 apples", while "it is for" and "forty" make "it is forty".
    """
    for length in range(min(len(before), len(after)), 0, -1):
        repeated = after[:length]
        if before.endswith(repeated) and (
            length >= SURE_OVERLAP or _begins_with_a_word(repeated, before[:-length])
        ):
            return length
    return 0


def _begins_with_a_word(text: str, before: str) -> bool:
    return any(map(str.isalnum, text)) and not (text[0].isalnum() and before[-1:].isalnum())
