"""What the contract has a model's server do; each scene is asked for by its question."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sandbox.llm.script import Cut, HttpReply, Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.llm.script import Fault

WORDS: Final = tuple(f"word{number} " for number in range(40))
STATUSES: Final = (401, 429, 500)
RETRY_AFTER: Final = 17


@dataclass(frozen=True, slots=True)
class Scene:
    """A question and what becomes of it."""

    question: str
    """No question is part of another: some servers look for it in the message."""
    answer: str = "Forty-two."
    thought: str = ""
    length: bool = False
    """The answer ends because it reached a token limit."""
    status: int = 200
    retry_after: int | None = None
    cut_after: int | None = None
    """Pieces of the answer after which the connection breaks."""

    def script(self) -> Script:
        """The scene for the sandbox."""
        return Script(
            self.answer,
            thinking=self.thought,
            finish_reason="length" if self.length else "stop",
            fault=self._fault(),
        )

    def _fault(self) -> Fault | None:
        if self.status != 200:
            wait = None if self.retry_after is None else str(self.retry_after)
            return HttpReply(self.status, retry_after=wait)
        return None if self.cut_after is None else Cut(self.cut_after)


PLAIN = Scene(
    "Tell me something plain.",
    "Some **Markdown** with 😀, ü and 您: data: [DONE]\n\n```py\nprint()\n```",
)
THOUGHTFUL = Scene("Think before you speak.", thought="six times seven")
LONG = Scene("Go on for ever.", length=True)
CUT = Scene("Break off.", "".join(WORDS).strip(), cut_after=5)
BLANK = Scene("Say nothing.", answer="")
REFUSED: Final[Mapping[int, Scene]] = MappingProxyType(
    {
        status: Scene(
            f"Refuse me with {status}.",
            status=status,
            retry_after=RETRY_AFTER if status == 429 else None,
        )
        for status in STATUSES
    }
)
LOTS = tuple(Scene(f"What is lot {n}?", f"Lot {n} " + f"is number {n}, " * n) for n in range(1, 21))
"""Questions that are asked side by side, and their answers of different lengths."""
SCENES = (PLAIN, THOUGHTFUL, LONG, CUT, BLANK, *REFUSED.values(), *LOTS)
