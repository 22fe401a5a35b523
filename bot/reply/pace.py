"""Who may call the platform next, and when: budgets per chat and per bot, penalties, priorities.

Pure: every method takes `now` (seconds of any one monotonic clock) and nothing here sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.messages import ChatKey
    from bot.reply.surface import Budget

PREVIEW_GAP = 0.25
"""Seconds between two previews of a chat while its burst is untouched: faster than this an
edit shows a word or two and costs as much as one that shows ten."""
DISTRUST = 0.25
"""What a refusal leaves of the belief in a chat's declared budget."""
RECOVERY = 0.02
"""The part of the lost belief that each success restores."""
FORGIVEN = 0.99
"""A trust from which on a chat is like any other."""
GRUDGE = 3600.0
"""Seconds without a call after which a refusal is forgotten."""
IDLE_CHATS = 1024
"""Chats remembered before those at rest are forgotten."""
_ALMOST = 1e-6
"""Bucket levels are sums of floats: a token is whole when it is this close to it."""


class Priority(IntEnum):
    """What is waiting to be sent; the smaller goes first."""

    FINAL = 0
    """The answer is complete: the reader waits for nothing else."""
    FIRST = 1
    """The first text of a reply: until it is there, the reader sees nothing."""
    PREVIEW = 2
    """More of an answer that is still being written."""


class Caller(Protocol):
    """Whoever calls the platform for a chat."""

    @property
    def chat(self) -> ChatKey: ...
    @property
    def chat_budget(self) -> Budget: ...


class Waiting(Caller, Protocol):
    """A reply that has something to show. Its attributes are read anew at every pick."""

    @property
    def priority(self) -> Priority: ...
    @property
    def behind(self) -> int:
        """Characters that are written and not shown."""
        ...

    @property
    def since(self) -> float:
        """When the oldest of them was written."""
        ...


W = TypeVar("W", bound=Waiting)


class Bucket:
    """A token bucket that can be believed in part."""

    def __init__(self, budget: Budget, now: float) -> None:
        self.budget = budget
        self.trust = 1.0
        """0 < trust <= 1: the part of rate and burst that is used."""
        self._level = budget.burst
        self._at = now
        """The time `_level` is true for; after a refusal it lies in the future."""

    @property
    def rate(self) -> float:
        return self.budget.rate * self.trust

    @property
    def burst(self) -> float:
        # Two at least, so that a preview leaves one for the final.
        return max(min(2.0, self.budget.burst), self.budget.burst * self.trust)

    def level(self, now: float) -> float:
        """Tokens there are at `now`; at most `burst`."""
        if now > self._at:
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
            self._at = now
        return self._level

    def take(self, now: float) -> None:
        self._level = self.level(now) - 1.0

    def give_back(self, now: float) -> None:
        self._level = min(self.burst, self.level(now) + 1.0)

    def drain(self, until: float) -> None:
        """Leave one token, and let no other come before `until`."""
        self._level = 1.0
        self._at = until

    def ready_at(self, need: float, now: float) -> float:
        """When the bucket holds `need` tokens (`need` above the burst means a full bucket)."""
        missing = min(need, self.burst) - self.level(now)
        return now if missing <= _ALMOST else max(now, self._at) + missing / self.rate


@dataclass(slots=True)
class _Chat:
    bucket: Bucket
    penalty_until: float = 0.0
    """No call to this chat before it; the platform named it."""
    last_call: float = float("-inf")

    def at_rest(self, now: float) -> bool:
        """Forgetting it changes nothing."""
        full = self.bucket.level(now) >= self.bucket.burst - _ALMOST
        quiet = PREVIEW_GAP if self.bucket.trust > FORGIVEN else GRUDGE
        return full and now >= max(self.penalty_until, self.last_call) + quiet


class Pace:
    """The budgets of one bot on one platform, and the chats in it."""

    def __init__(self, bot: Budget, actions: Budget, now: float) -> None:
        self._bot = Bucket(bot, now)
        self._actions = Bucket(actions, now)
        self._chats: dict[ChatKey, _Chat] = {}

    def pick(self, waiting: Iterable[W], now: float) -> tuple[W | None, float | None]:
        """Choose who may call now: finals, then first texts, then who is furthest behind.

        Returns the winner, or None and when to ask again (None: nobody waits). A chat that is
        penalised or spent holds up nobody else.
        """
        best: W | None = None
        best_rank: tuple[int, float] | None = None
        again_at: float | None = None
        for reply in waiting:
            ready = self._ready_at(reply, now)
            if ready > now:
                again_at = ready if again_at is None else min(again_at, ready)
                continue
            rank = (int(reply.priority), -(reply.behind + 1) * (now - reply.since + _ALMOST))
            if best_rank is None or rank < best_rank:
                best, best_rank = reply, rank
        return (best, None) if best is not None else (None, again_at)

    def spend(self, caller: Caller, now: float) -> None:
        """A call to this chat goes out now."""
        chat = self._chat(caller, now)
        chat.bucket.take(now)
        chat.last_call = now
        self._bot.take(now)
        if len(self._chats) > IDLE_CHATS:
            self._chats = {k: c for k, c in self._chats.items() if not c.at_rest(now)}

    def refund(self, caller: Caller, now: float) -> None:
        """The call that was paid for by `spend` was not made."""
        self._chat(caller, now).bucket.give_back(now)
        self._bot.give_back(now)

    def succeeded(self, caller: Caller, now: float) -> None:
        """The platform took a call: the chat's budget is believed a little more."""
        bucket = self._chat(caller, now).bucket
        bucket.level(now)
        bucket.trust += (1.0 - bucket.trust) * RECOVERY

    def refused(self, caller: Caller, retry_after: float, now: float) -> None:
        """The platform named a penalty of `retry_after` seconds for this chat."""
        chat = self._chat(caller, now)
        chat.penalty_until = max(chat.penalty_until, now + retry_after)
        chat.bucket.trust = max(DISTRUST**2, chat.bucket.trust * DISTRUST)
        # One token waits at the end of the penalty, so that the owed text goes out at once.
        chat.bucket.drain(chat.penalty_until)

    def may_act(self, caller: Caller, now: float) -> bool:
        """Take a token for a chat action (typing) if that costs no text its place.

        Chat actions have a bucket of their own, and leave half of the bot's to texts.
        """
        chat = self._chats.get(caller.chat)
        if chat is not None and now < chat.penalty_until:
            return False
        if self._actions.level(now) < 1.0 or self._bot.level(now) < 1.0 + self._bot.burst / 2:
            return False
        self._actions.take(now)
        self._bot.take(now)
        return True

    def _chat(self, caller: Caller, now: float) -> _Chat:
        chat = self._chats.get(caller.chat)
        if chat is None:
            chat = self._chats[caller.chat] = _Chat(Bucket(caller.chat_budget, now))
        return chat

    def _ready_at(self, reply: Waiting, now: float) -> float:
        chat = self._chat(reply, now)
        ready = max(now, chat.penalty_until)
        if reply.priority is not Priority.PREVIEW:
            return max(ready, chat.bucket.ready_at(1.0, now), self._bot.ready_at(1.0, now))
        return max(
            ready,
            chat.last_call + _gap(chat.bucket, now),
            chat.bucket.ready_at(1.0 + chat.bucket.budget.reserve, now),
            self._bot.ready_at(1.0 + self._bot.budget.reserve, now),
        )


def _gap(bucket: Bucket, now: float) -> float:
    """Seconds to leave between two previews: short while much is left, then the sustained rate.

    What is left decides, so a short answer is shown in many small steps and a long one keeps
    moving to its end.
    """
    spendable = max(1.0, bucket.burst - bucket.budget.reserve)
    left = max(0.0, bucket.level(now) - bucket.budget.reserve) / spendable
    return PREVIEW_GAP + (1.0 - min(1.0, left)) * max(0.0, 1.0 / bucket.rate - PREVIEW_GAP)
