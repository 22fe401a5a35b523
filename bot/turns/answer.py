"""What the model has said to a question so far, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from bot import texts
from bot.store.schema import Outcome
from providers.base import ContextTooLongError, ProviderError, Usage

if TYPE_CHECKING:
    from bot.store.schema import Turn

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Answer:
    """One turn's, while it is being written."""

    alone: bool = False
    """The question was asked without anything that was said before it."""
    parts: list[str] = field(default_factory=list)
    """Of the text, in their order."""
    outcome: Outcome = Outcome.WHOLE
    notice: str = ""
    """A line of our own below the text."""
    usage: Usage = field(default_factory=Usage)

    @property
    def text(self) -> str:
        """All parts, which are one from then on: it is asked for again and again while it grows."""
        if len(self.parts) > 1:
            self.parts[:] = ["".join(self.parts)]
        return self.parts[0] if self.parts else ""

    def fail(self, error: BaseException, turn: Turn) -> None:
        """The model's side failed: say so below what there is."""
        partial = bool(self.text.strip())
        self.outcome = Outcome.PARTIAL if partial else Outcome.FAILED
        if isinstance(error, ProviderError):
            too_long = isinstance(error, ContextTooLongError) and self.alone and not partial
            self.notice = (
                texts.QUESTION_TOO_LONG if too_long else texts.failure(error, partial=partial)
            )
            log.warning(
                "provider failed", turn=str(turn.key), kind=type(error).__name__, reason=str(error)
            )
        else:
            self.notice = texts.INTERNAL_ERROR
            log.error("reading the provider failed", turn=str(turn.key), exc_info=error)
