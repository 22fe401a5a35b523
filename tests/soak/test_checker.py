"""The soak's checker against transcripts written by hand: each kind of violation is found."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from chaos.checker import Verdict, judge
from chaos.report import quantile

CHAT = 7
PORTS = {"r0": [1000], "r1": [1001]}


def words(question: int, until: int, since: int = 0) -> str:
    return " ".join(f"q{question}w{n}" for n in range(since, until))


@dataclass
class Story:
    """What happened in one chat of Telegram (or Discord), as the sandbox would tell it."""

    platform: str = "telegram"
    questions: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, at: float, count: int = 10) -> None:
        self.questions.append(
            {
                "id": len(self.questions),
                "platform": self.platform,
                "chat": CHAT,
                "lane": "lane",
                "asked_at": at,
                "words": count,
            }
        )

    def create(
        self, at: float, text: str, *, replica: str = "r0", status: int | None = 200
    ) -> dict[str, Any]:
        message = {
            "message_id": len(self.messages) + 1,
            "from_bot": True,
            "deleted_at": None,
            "versions": [{"at": at, "text": text}],
        }
        self.messages.append(message)
        method = "sendMessage"
        if self.platform == "discord":
            method = "POST /channels/{channel_id}/messages"
        self._call(at, method, message, replica, status)
        return message

    def edit(self, at: float, message: dict[str, Any], text: str, replica: str = "r0") -> None:
        message["versions"].append({"at": at, "text": text})
        self._call(at, "editMessageText", message, replica, 200)

    def _call(
        self, at: float, method: str, message: dict[str, Any], replica: str, status: int | None
    ) -> None:
        self.calls.append(
            {
                "at": at,
                "method": method,
                "chat_id": CHAT,
                "message_id": message["message_id"],
                "params": {"message_id": message["message_id"]},
                "port": PORTS[replica][0],
                "applied_at": at,
                "status": status,
            }
        )

    def event(self, at: float, kind: str, replica: str = "r0") -> None:
        self.events.append({"at": at, "kind": kind, "replica": replica})

    def data(self) -> dict[str, Any]:
        quiet: dict[str, Any] = {"transcripts": {}, "calls": []}
        told = {"transcripts": {str(CHAT): self.messages}, "calls": self.calls}
        return {
            "questions": self.questions,
            "replicas": PORTS,
            "model": self.told,
            "events": self.events,
            "telegram": quiet,
            "discord": quiet,
            self.platform: told,
        }

    def judged(self) -> Verdict:
        return judge(self.data())

    def found(self) -> dict[str, int]:
        """What the checker counts beside questions, answers and 429s."""
        plain = {"questions", "answered", "429s"}
        counts = self.judged().counts[self.platform]
        return {name: n for name, n in counts.items() if n and name not in plain}


@pytest.fixture(params=["telegram", "discord"])
def story(request: pytest.FixtureRequest) -> Story:
    """A question of which the answer grows over three versions of two pages."""
    story = Story(request.param)
    story.ask(0.0)
    page = story.create(1.0, words(0, 2))
    story.edit(2.0, page, words(0, 5))
    story.create(3.0, words(0, 10, 5))
    return story


def test_a_good_answer_has_nothing_to_be_blamed_for(story: Story) -> None:
    verdict = story.judged()
    assert verdict.violations == []
    assert verdict.counts[story.platform]["answered"] == 1


def test_lost(story: Story) -> None:
    story.messages.clear()
    assert story.found() == {"lost": 1}
    assert story.judged().violations


def test_begun_and_abandoned(story: Story) -> None:
    story.messages.pop()
    assert story.found() == {"abandoned": 1}


def test_a_gap_in_the_text(story: Story) -> None:
    story.messages[1]["versions"][-1]["text"] = words(0, 10, 6)
    assert story.found() == {"abandoned": 1}


def test_deleted_pages_count_for_nothing(story: Story) -> None:
    story.messages[1]["deleted_at"] = 4.0
    assert story.found() == {"abandoned": 1}


def test_answered_twice(story: Story) -> None:
    story.event(3.5, "kill")
    page = story.create(4.0, words(0, 3))
    story.edit(5.0, page, words(0, 5))
    story.create(6.0, words(0, 10, 5))
    assert story.found()["doubled"] == 1


def test_pages_in_another_order(story: Story) -> None:
    first, second = story.messages
    first["versions"], second["versions"] = second["versions"], first["versions"]
    assert story.found()["out of order"] == 1


@pytest.mark.parametrize("known", [True, False])
def test_an_orphan_is_excused_where_the_fate_of_its_create_was_not_known(*, known: bool) -> None:
    story = Story()
    story.ask(0.0)
    story.create(1.0, words(0, 2), status=200 if known else None)
    page = story.create(2.0, words(0, 2))
    story.edit(3.0, page, words(0, 10))
    assert story.found() == {"orphans": 1, **({"needless orphans": 1} if known else {})}
    assert len(story.judged().violations) == known


def test_a_kill_before_the_ledger_was_written_excuses_an_orphan() -> None:
    story = Story()
    story.ask(0.0)
    story.create(1.0, words(0, 2))
    story.event(1.1, "kill")
    story.create(2.0, words(0, 10), replica="r1")
    assert story.judged().violations == []
    story.events[0]["at"] = 2.1
    assert "needless orphans" in story.found()


def test_nothing_excuses_an_orphan_on_discord() -> None:
    story = Story("discord")
    story.ask(0.0)
    story.create(1.0, words(0, 2), status=None)
    story.create(2.0, words(0, 10))
    assert story.found()["needless orphans"] == 1


def test_a_message_that_grew_is_no_orphan() -> None:
    story = Story()
    story.ask(0.0)
    page = story.create(1.0, words(0, 2), status=None)
    story.edit(1.5, page, words(0, 4))
    story.create(2.0, words(0, 10))
    assert story.found() == {"doubled": 1}


def test_a_message_that_shrinks_while_one_process_writes_it() -> None:
    story = Story()
    story.ask(0.0)
    page = story.create(1.0, words(0, 5))
    story.edit(2.0, page, words(0, 3))
    story.edit(3.0, page, words(0, 10))
    assert story.found() == {"shrunk": 1, "shrunk in one run": 1}
    story.event(1.5, "kill")
    assert story.found() == {"shrunk": 1}
    assert story.judged().violations == []


def test_a_message_that_shrinks_after_its_end() -> None:
    story = Story()
    story.ask(0.0)
    page = story.create(1.0, words(0, 10))
    story.event(1.5, "kill")
    story.edit(2.0, page, words(0, 3))
    story.edit(3.0, page, words(0, 10))
    story.told.append({"question": 0, "finished": False, "ended_at": 0.9})
    assert story.found() == {"shrunk": 1}  # The model was to say more.
    story.told.append({"question": 0, "finished": True, "ended_at": 0.95})
    assert story.found() == {"shrunk": 1}  # It may not have been stored.
    story.edit(9.0, page, words(0, 3))
    story.edit(9.5, page, words(0, 10))
    story.events[0]["at"] = 8.5
    story.messages[0]["versions"][1:3] = []
    assert story.found() == {"shrunk": 1, "shrunk at the end": 1}
    assert len(story.judged().violations) == 1


def test_two_replicas_that_write_one_answer() -> None:
    story = Story()
    story.ask(0.0)
    page = story.create(1.0, words(0, 2))
    story.event(1.5, "stop")
    story.edit(2.0, page, words(0, 4), "r1")
    assert story.found() == {"abandoned": 1}
    story.event(2.5, "cont")
    story.edit(3.0, page, words(0, 10), "r0")
    assert story.found() == {"interleaved": 1}


def test_a_replica_writes_what_another_is_writing() -> None:
    story = Story()
    story.ask(0.0)
    page = story.create(1.0, words(0, 2))
    story.edit(2.0, page, words(0, 4), "r1")
    story.edit(3.0, page, words(0, 10), "r1")
    assert story.found() == {"interleaved": 1}


def test_a_replica_that_is_ending_may_still_write() -> None:
    story = Story()
    story.ask(0.0)
    story.event(0.9, "term", "r0")
    page = story.create(1.0, words(0, 2))
    story.edit(2.0, page, words(0, 10), "r1")
    assert story.judged().violations == []


def test_a_replica_that_was_cut_itself_may_give_the_answer_back() -> None:
    story = Story()
    story.ask(0.0)
    page = story.create(1.0, words(0, 2))
    story.event(1.5, "term", "r0")
    story.edit(2.0, page, words(0, 4), "r1")
    story.event(2.5, "kill", "r1")
    story.edit(3.0, page, words(0, 10), "r0")
    assert story.judged().violations == []


def test_an_answer_begun_before_the_former_is_complete(story: Story) -> None:
    story.ask(0.5)
    story.create(4.0, words(1, 10))
    assert story.judged().violations == []
    story.messages[0]["versions"].append({"at": 5.0, "text": words(0, 5)})
    assert story.found() == {"out of order": 1}


def test_answers_in_another_order_than_their_questions() -> None:
    story = Story()
    story.ask(0.0)
    story.ask(0.5)
    story.create(1.0, words(1, 10))
    story.create(2.0, words(0, 10))
    assert story.found() == {"out of order": 1}


def test_a_message_with_two_answers_and_one_with_none(story: Story) -> None:
    story.ask(0.5)
    story.create(4.0, words(1, 10))
    story.messages[-1]["versions"][-1]["text"] += " " + words(0, 1)
    story.create(5.0, "Something went wrong.")
    mixed, empty = story.judged().violations[:2]
    assert "mixes the answers to [0, 1]" in mixed
    assert "answers nothing: Something went wrong." in empty


def test_a_takeover_lasts_from_the_kill_to_the_next_call() -> None:
    story = Story()
    story.ask(0.0)
    page = story.create(1.0, words(0, 2))
    story.event(1.5, "kill", "r1")  # It wrote nothing.
    story.event(2.0, "kill", "r0")
    story.edit(3.25, page, words(0, 10), "r1")
    story.event(4.0, "kill", "r1")  # All is said.
    assert (story.judged().takeovers, story.judged().resumed) == ([], [1.25])
    story.event(-9.0, "up", "r1")
    story.events.remove({"at": 1.5, "kind": "kill", "replica": "r1"})
    story.events.remove({"at": 4.0, "kind": "kill", "replica": "r1"})
    assert (story.judged().takeovers, story.judged().resumed) == ([1.25], [])
    story.event(-2.0, "database", "")
    assert (story.judged().takeovers, story.judged().resumed) == ([], [1.25])


def test_refusals_are_counted() -> None:
    story = Story()
    story.ask(0.0)
    story.create(1.0, words(0, 10))
    story.calls.append({**story.calls[0], "status": 429, "applied_at": None, "message_id": None})
    assert story.judged().counts["telegram"]["429s"] == 1
    assert story.judged().violations == []


def test_quantiles() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [quantile(values, share) for share in (0.5, 0.95, 1.0)] == [50.0, 95.0, 100.0]


def test_it_needs_nothing_but_python_and_tells_by_its_exit_code(
    story: Story, tmp_path: Path
) -> None:
    """Without site-packages there is no bot and no sandbox that it could share code with."""
    path = tmp_path / "evidence.json"
    for sound in (True, False):
        path.write_text(json.dumps(story.data()))
        ran = subprocess.run(
            [sys.executable, "-S", "-E", "-m", "chaos.checker", str(path)],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == (0 if sound else 1), ran.stderr
        assert ("VIOLATION" in ran.stdout) is not sound
        story.messages.clear()
