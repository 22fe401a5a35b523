"""What was seen in a run -> figures. Pure; all times are seconds of one monotonic clock."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from math import nan
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.scenarios import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Change:
    """Something the bot did that readers see."""

    at: float
    """When the platform applied it."""
    kind: str
    """sent, edited, deleted; others show no text."""
    chat: int
    message: int
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the bot that counts against a limit of its platform."""

    at: float
    method: str
    status: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote to one question, evenly from `begun` to `ended`."""

    chat: int
    asked: float
    begun: float
    ended: float
    first: int
    """The number of the first word."""
    words: int
    written: bool = True
    """False: the model was not asked, or not until the end; it counts as written in time."""

    def emitted(self) -> list[float]:
        """When each word was."""
        each = (self.ended - self.begun) / max(1, self.words - 1)
        return [self.begun + n * each for n in range(self.words)]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the run took of the machine, of the bot's process alone."""

    cpu: float = 0.0
    """Seconds from the first question to the end."""
    resting: float = 0.0
    """Seconds of CPU that it takes in a second in which nothing is asked."""
    seconds: float = 0.0
    """From the first question to the end."""
    idle: float = 0.0
    """Megabytes of memory before the first question."""
    peak: float = 0.0
    loop_lag: float = nan
    """Seconds by which its event loop was never later; nan: not known."""


@dataclass(frozen=True, slots=True)
class Recording:
    answers: tuple[Answer, ...]
    changes: tuple[Change, ...]
    """In the order they were applied."""
    calls: tuple[Call, ...]
    cost: Cost
    ended: float
    """When watching ended."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, unless said otherwise. A word that was never seen counts as seen at the end."""

    delay: float
    """From a word's emission until it was seen, the mean over all words."""
    slowest_chat: float
    """The same over the words of the chat where it is greatest."""
    first_text: float
    """From an answer's first word until the reader saw any of it, the mean over answers."""
    finish_lag: float
    """From an answer's last word until the reader saw all of it, the mean over answers."""
    worst_finish: float
    reaction: float
    """From a question until its reader saw any of the answer, the mean over answers."""
    calls: int
    refused: int
    """Calls answered 429."""
    lost: int
    """Words that are not to be read in the end."""
    doubled: int
    """Words that are to be read more than once in the end, or out of order."""
    cpu: float
    """CPU seconds for 1,000 words that the model wrote, beyond what it takes at rest."""
    resting: float
    """CPU seconds a second at rest."""
    idle: float
    peak: float
    loop_lag: float
    """As in `Cost`."""
    together: int
    """Answers that were being written at one time, at most."""


@dataclass(slots=True)
class _Chat:
    """A chat as its readers see it."""

    seen: dict[int, float] = field(default_factory=dict)
    """Word -> when it was first seen."""
    messages: dict[int, list[int]] = field(default_factory=dict)
    """Message -> the words it shows."""

    def take(self, change: Change, seen_at: float) -> None:
        if change.kind == "deleted":
            self.messages.pop(change.message, None)
        elif change.kind in ("sent", "edited"):
            words = self.messages[change.message] = numbers(change.text)
            for word in words:
                self.seen.setdefault(word, seen_at)

    def readable(self) -> list[int]:
        """The words to be read in the end, from top to bottom."""
        return [word for message in sorted(self.messages) for word in self.messages[message]]


def figures(recording: Recording, latency: float) -> Figures:
    """`latency`: seconds from the platform to a reader."""
    chats = _chats(recording, latency)
    waits: dict[int, list[float]] = {chat: [] for chat in chats}
    firsts, lags, reactions = [], [], []
    for answer in recording.answers:
        seen_at = _seen_at(answer, chats[answer.chat], recording.ended)
        waits[answer.chat] += [
            seen - emitted for seen, emitted in zip(seen_at, answer.emitted(), strict=True)
        ]
        firsts.append(min(seen_at) - answer.begun)
        lags.append(max(seen_at) - answer.ended)
        reactions.append(min(seen_at) - answer.asked)
    cost = recording.cost
    lost, doubled = _mistakes(recording.answers, chats)
    words = sum(answer.words for answer in recording.answers)
    return Figures(
        delay=sum(map(sum, waits.values())) / words,
        slowest_chat=max(map(fmean, waits.values())),
        first_text=fmean(firsts),
        finish_lag=fmean(lags),
        worst_finish=max(lags),
        reaction=fmean(reactions),
        calls=len(recording.calls),
        refused=sum(call.status == 429 for call in recording.calls),  # noqa: PLR2004 - HTTP's own
        lost=lost,
        doubled=doubled,
        cpu=max(0.0, cost.cpu - cost.resting * cost.seconds) / words * 1000,
        resting=cost.resting,
        idle=cost.idle,
        peak=cost.peak,
        loop_lag=cost.loop_lag,
        together=_together(recording.answers),
    )


def _together(answers: Sequence[Answer]) -> int:
    written = [answer for answer in answers if answer.written]
    begun = [(answer.begun, 1) for answer in written]
    ended = [(answer.ended, -1) for answer in written]
    return max(accumulate(change for _, change in sorted(begun + ended)), default=0)


def curve(recording: Recording, latency: float) -> tuple[list[float], list[float], list[float]]:
    """Text over time: seconds since the first word; words written, and seen, of an answer.

    Both are means over the answers, so that chats of any number share a picture.
    """
    chats = _chats(recording, latency)
    start = min(answer.begun for answer in recording.answers)
    emitted, seen = [], []
    for answer in recording.answers:
        emitted += answer.emitted()
        at = chats[answer.chat].seen
        seen += [at[n] for n in range(answer.first, answer.first + answer.words) if n in at]
    emitted.sort()
    seen.sort()
    times = sorted({*emitted[:: max(1, len(emitted) // 300)], *seen, recording.ended})
    answers = len(recording.answers)
    return (
        [time - start for time in times],
        [bisect_right(emitted, time) / answers for time in times],
        [bisect_right(seen, time) / answers for time in times],
    )


def _chats(recording: Recording, latency: float) -> dict[int, _Chat]:
    chats = {answer.chat: _Chat() for answer in recording.answers}
    for change in recording.changes:
        if change.chat in chats:
            chats[change.chat].take(change, change.at + latency)
    return chats


def _seen_at(answer: Answer, chat: _Chat, never: float) -> list[float]:
    return [chat.seen.get(answer.first + n, never) for n in range(answer.words)]


def _mistakes(answers: Sequence[Answer], chats: dict[int, _Chat]) -> tuple[int, int]:
    """How many words are lost, and how many are doubled or out of order."""
    lost = misplaced = 0
    for answer in answers:
        own = range(answer.first, answer.first + answer.words)
        readable = [word for word in chats[answer.chat].readable() if word in own]
        lost += answer.words - len(set(readable))
        misplaced += len(readable) - _in_order(readable)
    return lost, misplaced


def _in_order(words: list[int]) -> int:
    """How many of `words` are greater than all before them."""
    greatest, count = -1, 0
    for word in words:
        if word > greatest:
            greatest, count = word, count + 1
    return count
