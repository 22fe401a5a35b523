"""Whether a streamed answer is over: judged by what comes, not by what one chunk claims.

Servers were seen that give a finish reason with every chunk (Gemini behind OpenAI-compatible
proxies), seconds apart, or write "no reason yet" as the string "null". Text after a reason means
that it was not the end.
"""

from __future__ import annotations

from enum import Enum, auto

_NO_REASONS = frozenset({"", "null", "none", "nil", "undefined"})


class End(Enum):
    """What is known of the end of an answer whose body goes on."""

    OPEN = auto()
    """Nothing says that it is near: if the body breaks off or falls silent, the answer is cut."""
    CLAIMED = auto()
    """A reason came together with text. It is the end if nothing follows; the usual time is waited
    for that, as more may be on its way."""
    CERTAIN = auto()
    """A reason came after the text, in a chunk of its own: only counts and markers may follow."""


class Ending:
    """The finish reasons of one answer, and what came after them."""

    def __init__(self, *, marker: bool = False) -> None:
        """`marker`: every server ends this format with a marker, so no reason is certain."""
        self._marker = marker
        self.reason = ""
        """The last one, as the server wrote it. If there is one, the end of the body is the end."""
        self.state = End.OPEN
        self._spoken = False
        self._disproved = False
        """Text has come after a reason. This server's reasons tell nothing from then on: only the
        end of the body or an end marker does."""

    def hear(self, reason: object, *, spoke: bool) -> None:
        """Take in one chunk: its finish reason, if it has one, and whether it holds any text.

        A thought is text in this.
        """
        if reason is None and not self.reason:  # nearly every chunk
            self._spoken = self._spoken or spoke
            return
        if spoke and self.reason:
            self._disproved = True
        self._spoken = self._spoken or spoke
        if isinstance(reason, str) and reason.strip().lower() not in _NO_REASONS:
            self.reason = reason.strip()
            alone = self._spoken and not spoke and not self._marker
            self.state = End.CERTAIN if alone else End.CLAIMED
        if self._disproved:
            self.state = End.OPEN

    def mark(self) -> None:
        """All of the answer is here: it came as one document."""
        self.state = End.CERTAIN
