"""How much of a conversation the model is given: what `chat.history_tokens` hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.conversation import prompt
from bot.conversation.tokens import TokenCount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.settings.sections import ChatSettings
    from bot.store.history import History
    from bot.store.schema import Turn
    from providers.base import Message


class ContextWindow:
    """The past that goes with a question."""

    def __init__(self, history: History, chat: ChatSettings) -> None:
        self._history = history
        self._chat = chat
        self._tokens = TokenCount()

    async def past(self, turn: Turn, begun: str) -> list[Turn]:
        """As much of the chat as the model may be given beside the question, oldest first.

        `begun` is what it is given of the answer; empty where it answers from the start.
        """
        count = self._tokens.message
        budget = self._chat.history_tokens
        budget -= count(self._chat.system_prompt) + count(prompt.question(turn))
        if begun:
            budget -= count(begun)
        return await self._history.window(turn, budget, self._cost)

    def newer_half(self, past: list[Turn]) -> list[Turn]:
        """The newest turns that come to half of `past`; never all of it."""
        budget = sum(map(self._cost, past)) / 2
        kept: list[Turn] = []
        for turn in reversed(past):
            budget -= self._cost(turn)
            if budget < 0:
                break
            kept.insert(0, turn)
        return kept

    def learn(self, conversation: Iterable[Message], counted: int) -> None:
        """The provider counted `counted` tokens for `conversation`."""
        self._tokens.learn([message.text for message in conversation], counted)

    def _cost(self, past: Turn) -> int:
        return self._tokens.exchange(prompt.question(past), prompt.answer(past), past.answer_tokens)
