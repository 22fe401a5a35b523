"""Who may talk to the bot, and what somebody who may not is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bot.chat.keys import ChatKey
    from bot.settings.sections import AccessSettings

NOTICE_INTERVAL: Final = 3600.0
"""Seconds in which a chat is told at most once that the bot is private."""


class Access:
    def __init__(self, settings: AccessSettings, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that never run backwards, such as `time.monotonic`."""
        self._open = settings.open
        self._admins = frozenset(settings.admins)
        self._users = frozenset(settings.users)
        self._stranger_text = settings.stranger or texts.STRANGER
        self._clock = clock
        # Invariant: in the order in which the chats were told, none longer ago than the interval.
        self._told: dict[ChatKey, float] = {}

    def allows(self, platform: str, user_id: str) -> bool:
        return (
            self._open
            or self.is_admin(platform, user_id)
            or _listed(self._users, platform, user_id)
        )

    def is_admin(self, platform: str, user_id: str) -> bool:
        return _listed(self._admins, platform, user_id)

    def stranger_notice(self, chat: ChatKey, user_id: str) -> str | None:
        """What to tell somebody who may not talk; None where the chat was told recently."""
        now = self._clock()
        self._forget_told_before(now - NOTICE_INTERVAL)
        if chat in self._told:
            return None
        self._told[chat] = now
        return texts.stranger(self._stranger_text, user_id)

    def _forget_told_before(self, limit: float) -> None:
        while self._told and next(iter(self._told.values())) <= limit:
            del self._told[next(iter(self._told))]


def _listed(entries: Collection[str], platform: str, user_id: str) -> bool:
    """An entry without a platform holds for every platform."""
    return user_id in entries or f"{platform}:{user_id}" in entries
