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
from bot.reply.tuning import USUAL

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

    from bot.chat.keys import ChatKey
    from bot.reply.surface import Allowance, Budget
    from bot.reply.tuning import Tuning

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


@dataclass(frozen=True, slots=True)
class Took:
    """The platform did what was asked."""

    seconds: float
    """How long it took to say so."""


@dataclass(frozen=True, slots=True)
class Refused:
    """For its rate: nothing was done."""

    after: float
    """Seconds during which no call to the chat may be made."""


@dataclass(frozen=True, slots=True)
class Failed:
    """In any other way, which tells nothing of the chat's budget."""


Outcome = Took | Refused | Failed
"""What came of a call."""


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

    def at_rest(self, tuning: Tuning, now: float) -> bool:
        """Forgetting it changes nothing."""
        if self.replies:
            return False
        trusted = all(bucket.believed > tuning.forgiven for bucket in self.buckets.values())
        quiet = tuning.preview_gap if trusted else tuning.grudge
        rested = now >= max(self.penalty_until, self.last_call) + quiet
        return rested and all(bucket.full(now) for bucket in self.buckets.values())


class Pace:
    """The budgets of one bot on one platform, and the chats in it."""

    def __init__(self, bot: Budget, actions: Budget, now: float, *, tuning: Tuning = USUAL) -> None:
        """`bot` is for all calls of the bot together, `actions` for its chat actions (typing)."""
        self._tuning = tuning
        self._whole = (bot, actions)
        self._bot = Bucket(bot, now)
        self._actions = Bucket(actions, now)
        self._chats: dict[ChatKey, _Chat] = {}
        self._usual_length = tuning.usual_length
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
        tuning = self._tuning
        wanting: list[tuple[float, W]] = []
        again_at: float | None = None
        crowd = len(waiting) > tuning.round * self._bot.rate
        bot_at = self._bot.ready_at(1.0, now)
        preview_at = self._bot.ready_at(1.0 + self._bot.budget.reserve, now)
        first_weight = tuning.first_weight if crowd else _BEFORE_PREVIEWS
        for reply in waiting:
            priority = reply.priority
            ready = preview_at if priority is Priority.PREVIEW else bot_at
            if crowd and priority is Priority.FIRST:
                ready = min(preview_at, max(bot_at, reply.since + tuning.first_patience))
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
        if len(self._chats) > self._tuning.idle_chats:
            kept = {k: c for k, c in self._chats.items() if not c.at_rest(self._tuning, now)}
            self._chats = kept
        return call

    def refund(self, call: Call, now: float) -> None:
        """The call that was paid for by `spend` was not made."""
        self._bucket(call, now).give_back(now)
        self._bot.give_back(now)

    def done(self, call: Call, outcome: Outcome, allowance: Allowance | None, now: float) -> None:
        """This came of a call that was paid for by `spend`.

        `allowance` is what the platform said, if it did, of what is left: that overrules what was
        declared.
        """
        bucket = self._bucket(call, now)
        if allowance is not None:
            bucket.told(allowance, now, refills=self._refills)
            if bucket.refills is not None:
                self._refills = bucket.refills
        match outcome:
            case Took(seconds):
                self._took(call, bucket, seconds, now)
            case Refused(after):
                self._refused(call, bucket, after, now)
            case Failed():
                pass

    def _took(self, call: Call, bucket: Bucket, seconds: float, now: float) -> None:
        """The chat's budget is believed a little more.

        If the platform slows calls down instead of refusing them, the chat's bucket is empty on
        its side, and smaller than it was believed to be.
        """
        tuning, usual = self._tuning, self._usual_trip
        self._usual_trip = seconds if usual is None else min(seconds, usual * 1.02 + 0.001)
        chat = self._chats[call.chat]
        slow = usual is not None and seconds > usual + tuning.slept_off
        chat.slow_calls = chat.slow_calls + 1 if slow else 0
        if chat.slow_calls >= tuning.slow_calls:
            bucket.overdrawn(tuning.least_burst, now)
            self._learned.add((call.chat, call.kind))
        bucket.recover(tuning.recovery, now)

    def _refused(self, call: Call, bucket: Bucket, after: float, now: float) -> None:
        chat = self._chats[call.chat]
        chat.penalty_until = max(chat.penalty_until, now + after)
        distrust = self._tuning.distrust
        bucket.trust = max(distrust**2, bucket.trust * distrust)
        # One token waits at the end of the penalty, so that the owed text goes out at once.
        bucket.drain(chat.penalty_until)
        self._learned.add((call.chat, call.kind))

    def joined(self, chat: ChatKey) -> None:
        """A reply begins in this chat; it ends with `left`."""
        self._chat(chat).replies += 1

    def left(self, chat: ChatKey) -> None:
        self._chat(chat).replies -= 1

    def ended(self, seconds: float) -> None:
        """An answer was written for so long."""
        self._usual_length += self._tuning.learning * (max(1.0, seconds) - self._usual_length)

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
        tuning = self._tuning
        kept = self._kept(bucket, chat.replies)
        filled_at = bucket.ready_at(1.0 + kept, now)
        if filled_at > now:
            return min(filled_at, chat.last_call + 1.0 / (tuning.below_reserve * bucket.rate))
        gap = self._gap(bucket, kept, now - reply.begun, now)
        # Replies that share a bucket take turns: what was shown a moment ago is nearly new.
        turn = reply.called_at + tuning.own_turn * chat.replies * gap
        usual = max(chat.last_call + max(tuning.preview_gap, gap), turn)
        # What comes into a full bucket is lost, so neither the gap nor its turn is waited for.
        full_at = bucket.ready_at(bucket.burst, now)
        return min(usual, max(full_at, chat.last_call + max(tuning.preview_gap, gap / 2)))

    def _gap(self, bucket: Bucket, kept: float, elapsed: float, now: float) -> float:
        """Seconds between two previews in a chat: what is left is spread over what is to come.

        How long an answer goes on is not known. It is taken to end when answers usually do; once
        it is older, to go on for a part of that time; while it is young, to end soon.
        """
        tuning = self._tuning
        to_come = max(self._usual_length - elapsed, tuning.least_left * self._usual_length)
        to_come = min(to_come, tuning.soon_over + elapsed)
        spendable = max(0.0, bucket.level(now) - kept) * bucket.budget.share
        refilled_at = bucket.refilled_at
        if refilled_at is not None and refilled_at > now:
            return (refilled_at - now) / (1.0 + spendable)
        extra = spendable / to_come
        if spendable >= tuning.least_spare:
            extra = max(extra, tuning.least_extra * bucket.rate)
        return 1.0 / (bucket.rate + extra)

    def _kept(self, bucket: Bucket, replies: int) -> float:
        """Tokens that previews leave in a chat where so many replies are being written."""
        floor, reserve = bucket.budget.floor, bucket.budget.reserve
        if bucket.refilled_at is not None:
            return floor  # All come back soon; the reserve would never be used.
        tuning = self._tuning
        others = reserve + tuning.own_final * (replies - 1)
        return max(floor, reserve, min(others, tuning.most_kept * bucket.burst))


def _part(whole: Budget, replicas: int) -> Budget:
    """Two calls at once at least, so that a preview leaves one for a final."""
    burst = max(2.0, whole.burst / replicas)
    reserve = min(whole.reserve / replicas, burst - 1.0)
    return replace(whole, rate=whole.rate / replicas, burst=burst, reserve=reserve)
