"""How long a text is in tokens, without the model's tokenizer."""

from __future__ import annotations

import math

BYTES_PER_TOKEN = 4.0
"""UTF-8 bytes. English comes to about 4 letters a token, Cyrillic to 2, Chinese to 1.3, which is
near what current tokenizers do or on the safe side of it."""
PER_MESSAGE = 4
"""Tokens that a message's role and borders take."""
WEIGHT = 0.3
"""How much of a new measurement goes into the correction."""
BOUNDS = (0.5, 4.0)
"""A correction outside of these says more about the server's counting than about the text."""


class TokenCount:
    """An estimate that is corrected by what the provider says it has counted."""

    def __init__(self) -> None:
        self._correction = 1.0

    def message(self, text: str) -> int:
        """The tokens of one message of `text`."""
        return math.ceil(self._correction * _estimate(text))

    def exchange(self, question: str, answer: str, counted: int | None) -> int:
        """The tokens of a question and its answer, of which the provider counted `counted`.

        An empty answer is none that is sent, such as one that its reader removed.
        """
        answered = (counted or self.message(answer)) if answer else 0
        return self.message(question) + answered

    def learn(self, texts: list[str], counted: int) -> None:
        """The provider counted `counted` tokens for the messages `texts`."""
        low, high = BOUNDS
        measured = counted / max(1.0, sum(map(_estimate, texts)))
        self._correction += WEIGHT * (min(high, max(low, measured)) - self._correction)


def _estimate(text: str) -> float:
    return len(text.encode(errors="replace")) / BYTES_PER_TOKEN + PER_MESSAGE
