"""Judges what a soak's readers saw: `python -m chaos.checker FILE`; exit code 1 for a violation.

See `evidence` for what FILE holds.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.evidence import CUTS, PLATFORMS, Call, Event, Evidence, Message, Question, Version, read
from chaos.report import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chaos.evidence import Json


UP_BEFORE, CALM_AFTER = 1.0, 3.0
"""Seconds around a kill in which nothing may befall the replica that is to take over."""
DATABASE_CALM = 6.0
"""Seconds before a kill in which the database must have been there."""


STORED = 2.0
"""Seconds in which an answer must be stored once all of it was said and shown."""


@dataclass
class Verdict:
    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {platform: Counter() for platform in PLATFORMS}
    )
    """By platform: questions, answered, lost, abandoned, doubled, orphans, …"""
    violations: list[str] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    """Seconds from a kill to the next call on each answer that was being written by the dead,
    where another replica was well and so was the database."""
    resumed: list[float] = field(default_factory=list)
    """As `takeovers`, where somebody had to start or to come back before."""

    def blame(self, question: Question, what: str, why: str) -> None:
        self.counts[question.platform][what] += 1
        self.violations.append(
            f"q{question.id} ({question.platform} {question.chat}) {what}: {why}"
        )


@dataclass(frozen=True)
class Answer:
    """What stands for a question in its chat."""

    question: Question
    kept: list[Message]
    """Its pages, in order."""
    orphans: list[Message]
    calls: list[Call]
    """The calls on its messages, as they came."""

    @property
    def all_at(self) -> float | None:
        """When all of it was shown first; None: never."""
        shown: dict[int, tuple[int, ...]] = {}
        versions = sorted(
            (version.at, message.id, version.words) for message in self.kept
             for version in message.versions
        )  # fmt: skip
        for at, message, words in versions:
            shown[message] = words
            if len(set(chain.from_iterable(shown.values()))) == self.question.words:
                return at
        return None


def judge(data: Json) -> Verdict:
    evidence = read(data)
    verdict = Verdict(violations=list(evidence.problems))
    for platform, refusals in evidence.refusals.items():
        verdict.counts[platform]["429s"] = refusals
    answers = [_answer(evidence, question) for question in evidence.questions]
    for answer in answers:
        verdict.counts[answer.question.platform]["questions"] += 1
        _judge_text(verdict, answer)
        _judge_orphans(verdict, evidence, answer)
        _judge_growth(verdict, evidence, answer)
        _judge_writers(verdict, evidence, answer)
    _judge_order(verdict, answers)
    _measure_takeovers(verdict, evidence, answers)
    return verdict


def _answer(evidence: Evidence, question: Question) -> Answer:
    """Sort the messages of a question into its pages and what stands beside them."""
    messages = sorted(evidence.messages.get(question.id, []), key=lambda message: message.id)
    kept: list[Message] = []
    orphans: list[Message] = []
    for message in messages:
        rivals = [m for m in messages if m.words[:1] == message.words[:1]]
        best = max(rivals, key=lambda m: (len(m.words), m.id))
        first_text = best.words[: len(message.words)] == message.words
        orphan = message is not best and len(message.versions) == 1 and first_text
        (orphans if orphan else kept).append(message)
    ids = {message.id for message in messages}
    calls = evidence.calls.get((question.platform, question.chat), [])
    return Answer(question, kept, orphans, [call for call in calls if call.message in ids])


def _judge_text(verdict: Verdict, answer: Answer) -> None:
    """Whether it stands there whole, and once."""
    question = answer.question
    words = list(chain.from_iterable(message.words for message in answer.kept))
    if not words:
        verdict.blame(question, "lost", "nothing of its answer is there")
    elif len(set(words)) < len(words):
        twice = [word for word, count in Counter(words).items() if count > 1]
        verdict.blame(question, "doubled", f"{len(twice)} words, from w{twice[0]} on")
    elif words != sorted(words):
        verdict.blame(question, "out of order", "its pages stand in another order")
    elif len(words) < question.words:
        verdict.blame(question, "abandoned", f"{len(words)} of {question.words} words are there")
    else:
        verdict.counts[question.platform]["answered"] += 1


def _judge_orphans(verdict: Verdict, evidence: Evidence, answer: Answer) -> None:
    """An orphan is what a create left behind of which its writer could not know the fate."""
    question = answer.question
    for orphan in answer.orphans:
        verdict.counts[question.platform]["orphans"] += 1
        create = next((c for c in answer.calls if c.create and c.message == orphan.id), None)
        again = next(
            (c.at for c in answer.calls if create and c.create and c.at > create.at), float("inf")
        )
        unknown = create is not None and (
            create.status is None or _cut(evidence, create.replica, create.at, again)
        )
        if question.platform == "discord" or not unknown:
            why = f"message {orphan.id}, though the fate of its create was known"
            verdict.blame(question, "needless orphans", why)


def _judge_growth(verdict: Verdict, evidence: Evidence, answer: Answer) -> None:
    """A message grows while one process writes it, and never shrinks once it was complete.

    A process that takes an answer over asks the model anew, and may show less at first: also where
    the other one was cut before it had stored that the answer was complete.
    """
    question, all_at = answer.question, answer.all_at
    told = evidence.told.get(question.id, float("inf"))
    complete_at = float("inf") if all_at is None else max(all_at, told)
    for message in answer.kept:
        for before, after in pairwise(message.versions):
            if after.words[: len(before.words)] == before.words:
                continue
            verdict.counts[question.platform]["shrunk"] += 1
            writer = _writer(answer, message, before)
            same = writer == _writer(answer, message, after)
            if before.at >= complete_at and not _cut(
                evidence, writer, complete_at, complete_at + STORED
            ):
                why = f"message {message.id} after all of it was shown"
                verdict.blame(question, "shrunk at the end", why)
            elif same and not _cut(evidence, writer, before.at, after.at):
                why = f"message {message.id}: w{before.words[-1:]} to w{after.words[-1:]}"
                verdict.blame(question, "shrunk in one run", why)


def _writer(answer: Answer, message: Message, version: Version) -> str:
    """Which replica's call made this version."""
    made = (c for c in answer.calls if c.message == message.id and c.applied_at is not None)
    nearest = min(made, key=lambda call: abs((call.applied_at or 0) - version.at), default=None)
    return nearest.replica if nearest else "?"


def _judge_writers(verdict: Verdict, evidence: Evidence, answer: Answer) -> None:
    """Another replica writes on only after the first was cut; that one then writes no more."""
    began: float | None = None
    for before, after in pairwise(answer.calls):
        began = before.at if began is None else began
        if before.replica == after.replica:
            continue
        if not _cut(evidence, before.replica, began, after.at):
            why = f"{after.replica} writes what {before.replica} was writing, at {after.at:.3f}"
            verdict.blame(answer.question, "interleaved", why)
        began = after.at


def _cut(evidence: Evidence, replica: str, since: float, until: float) -> bool:
    """Whether something befell the replica that lets another process go on with its work.

    What it wrote on since then does not count: it was on its way, or a SIGTERM leaves time for it.
    """
    return any(
        since - CUTS[event.kind] <= event.at <= until
        for event in evidence.events
        if event.kind in CUTS and event.replica in (replica, "")
    )


def _judge_order(verdict: Verdict, answers: Sequence[Answer]) -> None:
    """In a lane an answer begins when the one before it is complete, and below it."""
    lanes: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.kept:
            lanes.setdefault(answer.question.lane, []).append(answer)
    for lane in lanes.values():
        lane.sort(key=lambda answer: (answer.question.asked_at, answer.question.id))
        for former, latter in pairwise(lane):
            ended = max(_times(former.kept), default=0.0)
            begun = min(_times(latter.kept))
            if former.kept[-1].id > latter.kept[0].id:
                why = f"its messages do not stand below those of q{former.question.id}"
                verdict.blame(latter.question, "out of order", why)
            elif begun < ended:
                why = f"q{former.question.id} was written {ended - begun:.3f} s longer"
                verdict.blame(latter.question, "out of order", why)


def _times(messages: Iterable[Message]) -> list[float]:
    return [version.at for message in messages for version in message.versions]


def _measure_takeovers(verdict: Verdict, evidence: Evidence, answers: Iterable[Answer]) -> None:
    kills = [event for event in evidence.events if event.kind == "kill"]
    for answer in answers:
        for kill in kills:
            before = [call for call in answer.calls if call.at < kill.at]
            after = [call.at for call in answer.calls if call.at > kill.at]
            unfinished = answer.all_at is None or answer.all_at > kill.at
            if unfinished and after and before and before[-1].replica == kill.replica:
                taken_over = _others_are_well(evidence, kill)
                times = verdict.takeovers if taken_over else verdict.resumed
                times.append(after[0] - kill.at)


def _others_are_well(evidence: Evidence, kill: Event) -> bool:
    """Whether another replica was there all the time, and the database too."""
    well: set[str] = set()
    for event in evidence.events:
        if event.at > kill.at + CALM_AFTER:
            break
        if event.kind == "database" and event.at > kill.at - DATABASE_CALM:
            return False
        if event.kind in ("up", "cont") and event.at < kill.at - UP_BEFORE:
            well.add(event.replica)
        elif event.kind in CUTS:
            well.discard(event.replica)
    return bool(well)


def main(path: str) -> int:
    verdict = judge(json.loads(Path(path).read_text("utf-8")))
    sys.stdout.write(table(verdict.counts, takeover=verdict.takeovers, resumed=verdict.resumed))
    for violation in verdict.violations:
        sys.stdout.write(f"VIOLATION {violation}\n")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
