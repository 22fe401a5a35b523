"""Who may call the platform next, and when: budgets per chat and per bot, penalties, priorities.

Pure: every method takes `now` (seconds of any one monotonic clock) and nothing here sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from bot.chat.lesson import Lesson
from bot.reply.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

    from bot.chat.keys import ChatKey
    from bot.reply.surface import Allowance, Budget

PREVIEW_GAP = 0.15
"""The fewest seconds between two previews of a chat: faster than this an edit shows a few words
and costs as much as one that shows ten."""
USUAL_LENGTH = 15.0
"""Seconds for which an answer is written, as long as none was."""
LEAST_LEFT = 0.4
"""The part of the usual length for which an answer is expected to go on, however long it is."""
SOON_OVER = 5.0
"""Seconds for which a young answer is expected to go on, besides the time it has gone on already:
more of them are short than long."""
LEAST_EXTRA = 0.5
"""The part of the rate by which what can be spared is spent at least: a small rest lasts no longer
for being spent slowly, as the bucket fills again meanwhile."""
LEAST_SPARE = 0.1
"""Tokens; less is no rest."""
OWN_TURN = 0.7
"""The part of a round over all replies of a chat that lies between two previews of one of them."""
OWN_FINAL = 0.5
"""Tokens that previews leave for each further reply that is being written in their chat: not all
of them end at once."""
MOST_KEPT = 0.5
"""The part of a burst that is left for finals of further replies at most."""
BELOW_RESERVE = 0.5
"""The part of the rate that previews use while the reserve fills again."""
LEARNING = 0.2
"""The weight of one answer in what is usual."""
ROUND = 2.0
"""Seconds within which the bot's budget gives every reply a call: then first texts go first, and
spend what is kept for finals."""
FIRST_PATIENCE = 2.5
"""Seconds after which they spend it in a crowd, too."""
FIRST_WEIGHT = 4.0
"""What the lag of a reader who has seen nothing of the reply yet is multiplied by in a crowd."""
DISTRUST = 0.25
"""What a refusal leaves of the belief in a chat's declared budget."""
RECOVERY = 0.02
"""The part of the lost belief that each success restores."""
FORGIVEN = 0.99
"""A trust from which on a chat is like any other."""
GRUDGE = 3600.0
"""Seconds without a call after which a refusal is forgotten."""
SLEPT_OFF = 0.3
"""Seconds beyond the usual trip from which on a call was slowed down by the platform: Telegram
sleeps off a call that is over the limit before it refuses one."""
SLOW_CALLS = 2
"""In a row, before they are believed: one may be the network's."""
LEAST_BURST = 3.0
IDLE_CHATS = 1024
"""Chats remembered before those at rest are forgotten."""
_ALMOST = 1e-6
_BEFORE_PREVIEWS, _BEFORE_ALL = 1e12, 1e30
"""More characters x seconds than any answer is behind; the second, than any first text after the
first."""


class Priority(IntEnum):
    """What is waiting to be sent."""

    FINAL = 0
    """The answer is complete: the reader waits for nothing else. Goes before all others."""
    FIRST = 1
    """The first text of a reply: until it is there, the reader sees nothing."""
    PREVIEW = 2
    """More of an answer that is still being written."""


class Call(NamedTuple):
    """A call to the platform as the budgets see it."""

    chat: ChatKey
    budget: Budget
    kind: str = ""
    """Calls of one kind share a bucket of the chat."""


class Waiting(Protocol):
    """A reply that has something to show. Its attributes are read anew at every pick."""

    @property
    def call(self) -> Call: ...
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

    @property
    def begun(self) -> float:
        """When the answer began."""
        ...

    @property
    def closes(self) -> bool:
        """Whether its next call is its last; dear to tell."""
        ...

    called_at: float
    """When it was let through last; the pace sets it."""


W = TypeVar("W", bound=Waiting)


@dataclass(slots=True)
class _Chat:
    buckets: dict[str, Bucket] = field(default_factory=dict)
    penalty_until: float = 0.0
    """No call to this chat before it; the platform named it."""
    last_call: float = float("-inf")
    slow_calls: int = 0
    """In a row."""
    replies: int = 0
    """That are being written or shown."""

    def at_rest(self, now: float) -> bool:
        """Forgetting it changes nothing."""
        if self.replies:
            return False
        trusted = all(bucket.believed > FORGIVEN for bucket in self.buckets.values())
        quiet = PREVIEW_GAP if trusted else GRUDGE
        rested = now >= max(self.penalty_until, self.last_call) + quiet
        return rested and all(bucket.full(now) for bucket in self.buckets.values())


class Pace:
    """The budgets of one bot on one platform, and the chats in it."""

    def __init__(self, bot: Budget, actions: Budget, now: float) -> None:
        self._whole = (bot, actions)
        self._bot = Bucket(bot, now)
        self._actions = Bucket(actions, now)
        self._chats: dict[ChatKey, _Chat] = {}
        self._usual_length = USUAL_LENGTH
        self._usual_trip: float | None = None
        """Seconds that a call takes when nothing slows it down."""
        self._refills = False
        """Whether tokens come back one by one in the bucket that was told last, of those that have
        shown it: a platform's buckets work alike."""
        self._recalled: dict[tuple[ChatKey, str], Lesson] = {}
        self._learned: set[tuple[ChatKey, str]] = set()
        """Buckets of which something was learned since `lessons` was asked."""

    def recall(self, lessons: Mapping[tuple[ChatKey, str], Lesson]) -> None:
        """What an earlier process learned, by chat and kind of call."""
        self._recalled.update(lessons)

    def lessons(self) -> dict[tuple[ChatKey, str], Lesson]:
        """What was learned since the last time this was asked."""
        learned, self._learned = self._learned, set()
        return {
            (chat, kind): Lesson(bucket.budget.burst, bucket.trust, self._chats[chat].penalty_until)
            for chat, kind in learned
            if chat in self._chats and (bucket := self._chats[chat].buckets.get(kind))
        }

    def pick(
        self, waiting: Collection[W], busy: Container[ChatKey], now: float
    ) -> tuple[W | None, float | None]:
        """Choose who may call now: finals, then first texts, then whose reader is furthest behind.

        In a crowd a young first text only counts for more than the same text below others: where
        hundreds begin at once, it would show each reader one word, and nobody an answer.

        Returns the winner, or None and when to ask again (None: nobody waits, or for a chat that
        is `busy` with a call). A chat that is penalised or spent holds up nobody else.
        """
        wanting: list[tuple[float, W]] = []
        again_at: float | None = None
        crowd = len(waiting) > ROUND * self._bot.rate
        bot_at = self._bot.ready_at(1.0, now)
        preview_at = self._bot.ready_at(1.0 + self._bot.budget.reserve, now)
        first_weight = FIRST_WEIGHT if crowd else _BEFORE_PREVIEWS
        for reply in waiting:
            priority = reply.priority
            ready = preview_at if priority is Priority.PREVIEW else bot_at
            if crowd and priority is Priority.FIRST:
                ready = min(preview_at, max(bot_at, reply.since + FIRST_PATIENCE))
            if ready > now:
                again_at = ready if again_at is None else min(again_at, ready)
            else:
                behind = (reply.behind + 1) * (now - reply.since + _ALMOST)
                if priority is Priority.FIRST:
                    behind *= first_weight
                elif priority is Priority.FINAL:
                    behind += _BEFORE_ALL
                wanting.append((behind, reply))
        # Whose chat may be called is dear to tell, so it is asked of the first in line.
        for _, reply in sorted(wanting, key=itemgetter(0), reverse=True):
            if reply.call.chat in busy:
                continue
            ready = self._chat_ready_at(reply, now)
            if ready <= now:
                return reply, None
            again_at = ready if again_at is None else min(again_at, ready)
        return None, again_at

    def spend(self, reply: Waiting, now: float) -> Call:
        """The call of this reply goes out now."""
        call = reply.call
        bucket = self._bucket(call, now)
        bucket.take(now)
        chat = self._chats[call.chat]
        chat.last_call = now
        reply.called_at = now
        self._bot.take(now)
        if len(self._chats) > IDLE_CHATS:
            self._chats = {k: c for k, c in self._chats.items() if not c.at_rest(now)}
        return call

    def refund(self, call: Call, now: float) -> None:
        """The call that was paid for by `spend` was not made."""
        self._bucket(call, now).give_back(now)
        self._bot.give_back(now)

    def succeeded(self, call: Call, now: float) -> None:
        """The platform took a call: the chat's budget is believed a little more."""
        self._bucket(call, now).recover(RECOVERY, now)

    def took(self, call: Call, seconds: float, now: float) -> None:
        """The platform took so long to answer a call.

        Where it slows calls down instead of refusing them, the chat's bucket is empty on its
        side, and smaller than it was believed to be.
        """
        usual = self._usual_trip
        self._usual_trip = seconds if usual is None else min(seconds, usual * 1.02 + 0.001)
        bucket = self._bucket(call, now)
        chat = self._chats[call.chat]
        slow = usual is not None and seconds > usual + SLEPT_OFF
        chat.slow_calls = chat.slow_calls + 1 if slow else 0
        if chat.slow_calls >= SLOW_CALLS:
            bucket.overdrawn(LEAST_BURST, now)
            self._learned.add((call.chat, call.kind))

    def joined(self, chat: ChatKey) -> None:
        """A reply begins in this chat; it ends with `left`."""
        self._chat(chat).replies += 1

    def left(self, chat: ChatKey) -> None:
        self._chat(chat).replies -= 1

    def ended(self, seconds: float) -> None:
        """An answer was written for so long."""
        self._usual_length += LEARNING * (max(1.0, seconds) - self._usual_length)

    def told(self, call: Call, allowance: Allowance, now: float) -> None:
        """The platform said what is left; that overrules what was declared."""
        bucket = self._bucket(call, now)
        bucket.told(allowance, now, refills=self._refills)
        if bucket.refills is not None:
            self._refills = bucket.refills

    def refused(self, call: Call, retry_after: float, now: float) -> None:
        """The platform named a penalty of `retry_after` seconds for this chat."""
        bucket = self._bucket(call, now)
        chat = self._chats[call.chat]
        chat.penalty_until = max(chat.penalty_until, now + retry_after)
        bucket.trust = max(DISTRUST**2, bucket.trust * DISTRUST)
        # One token waits at the end of the penalty, so that the owed text goes out at once.
        bucket.drain(chat.penalty_until)
        self._learned.add((call.chat, call.kind))

    def share(self, replicas: int, now: float) -> None:
        """So many replicas share what the platform allows the bot, in equal parts."""
        for bucket, whole in zip((self._bot, self._actions), self._whole, strict=True):
            bucket.declare(_part(whole, replicas), now)

    def may_act(self, chat: ChatKey, now: float) -> bool:
        """Take a token for a chat action (typing) if that costs no text its place.

        Chat actions have a bucket of their own, and leave the bot's to texts when many wait.
        """
        known = self._chats.get(chat)
        if known is not None and now < known.penalty_until:
            return False
        kept = self._bot.budget.reserve + (self._bot.burst - self._bot.budget.reserve) / 4
        if self._actions.level(now) < 1.0 or self._bot.level(now) < 1.0 + kept:
            return False
        self._actions.take(now)
        self._bot.take(now)
        return True

    def _chat(self, key: ChatKey) -> _Chat:
        chat = self._chats.get(key)
        if chat is None:
            chat = self._chats[key] = _Chat()
        return chat

    def _bucket(self, call: Call, now: float) -> Bucket:
        chat = self._chat(call.chat)
        bucket = chat.buckets.get(call.kind)
        if bucket is None:
            bucket = chat.buckets[call.kind] = Bucket(call.budget, now)
            if lesson := self._recalled.pop((call.chat, call.kind), None):
                bucket.learn(lesson.burst, lesson.trust, now)
                chat.penalty_until = max(chat.penalty_until, lesson.penalty_until)
        return bucket

    def _chat_ready_at(self, reply: Waiting, now: float) -> float:
        call = reply.call
        bucket = self._bucket(call, now)
        chat = self._chats[call.chat]
        need = 1.0 + call.budget.floor
        ready = max(now, chat.penalty_until)
        if reply.priority is Priority.PREVIEW:
            ready = max(ready, self._preview_at(chat, reply, bucket, now))
        # Late to return, it would hold up the others of its chat, and its own next page.
        elif (
            reply.priority is Priority.FINAL
            and chat.replies <= 1
            and bucket.level(now) < need
            and reply.closes
        ):
            need = 1.0
        return ready if ready > now else bucket.ready_at(need, now)

    def _preview_at(self, chat: _Chat, reply: Waiting, bucket: Bucket, now: float) -> float:
        """When a reply's next preview is worth its token."""
        kept = _kept(bucket, chat.replies)
        filled_at = bucket.ready_at(1.0 + kept, now)
        if filled_at > now:
            return min(filled_at, chat.last_call + 1.0 / (BELOW_RESERVE * bucket.rate))
        gap = self._gap(bucket, kept, now - reply.begun, now)
        # Replies that share a bucket take turns: what was shown a moment ago is nearly new.
        turn = reply.called_at + OWN_TURN * chat.replies * gap
        usual = max(chat.last_call + max(PREVIEW_GAP, gap), turn)
        # What comes into a full bucket is lost, so neither the gap nor its turn is waited for.
        full_at = bucket.ready_at(bucket.burst, now)
        return min(usual, max(full_at, chat.last_call + max(PREVIEW_GAP, gap / 2)))

    def _gap(self, bucket: Bucket, kept: float, elapsed: float, now: float) -> float:
        """Seconds between two previews in a chat: what is left is spread over what is to come.

        How long an answer goes on is not known. It is taken to end when answers usually do; once
        it is older, to go on for a part of that time; while it is young, to end soon.
        """
        to_come = max(self._usual_length - elapsed, LEAST_LEFT * self._usual_length)
        to_come = min(to_come, SOON_OVER + elapsed)
        spendable = max(0.0, bucket.level(now) - kept) * bucket.budget.share
        refilled_at = bucket.refilled_at
        if refilled_at is not None and refilled_at > now:
            return (refilled_at - now) / (1.0 + spendable)
        extra = spendable / to_come
        if spendable >= LEAST_SPARE:
            extra = max(extra, LEAST_EXTRA * bucket.rate)
        return 1.0 / (bucket.rate + extra)


def _part(whole: Budget, replicas: int) -> Budget:
    """Two calls at once at least, so that a preview leaves one for a final."""
    burst = max(2.0, whole.burst / replicas)
    reserve = min(whole.reserve / replicas, burst - 1.0)
    return replace(whole, rate=whole.rate / replicas, burst=burst, reserve=reserve)


def _kept(bucket: Bucket, replies: int) -> float:
    """Tokens that previews leave in a chat where so many replies are being written."""
    floor, reserve = bucket.budget.floor, bucket.budget.reserve
    if bucket.refilled_at is not None:
        return floor  # All come back soon; the reserve would never be used.
    others = min(reserve + OWN_FINAL * (replies - 1), MOST_KEPT * bucket.burst)
    return max(floor, reserve, others)
