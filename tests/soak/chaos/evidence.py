"""What a soak leaves behind, as JSON, made into what the checker judges.

This and `checker` share nothing with the bot or the sandboxes: they need Python alone.

The JSON is an object:

- questions: [{id, platform, chat, lane, asked_at, words}]; the answer to question 17 consists of
  the words q17w0, q17w1, …, `words` of them, and of lines without such words. Questions of a lane
  are answered one after another.
- replicas: {name: [ports]}: the sandboxes' ports that only this replica calls.
- model: [{question, finished, ended_at}]: each request to a model, and whether its answer was sent
  to the end.
- events: [{at, kind, replica}]: start, up, kill, term, stop, cont; database (of no replica).
- telegram, discord: {transcripts: {chat: GET /control/transcript}, calls: GET /control/calls}.

Times are seconds on one clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PLATFORMS = ("telegram", "discord")
WORD = re.compile(r"\bq(\d+)w(\d+)\b")
CREATES = ("sendMessage", "POST /channels/{channel_id}/messages")
EDITS = ("editMessageText", "PATCH /channels/{channel_id}/messages/{message_id}")
CUTS = {"kill": 0.5, "term": 30.0, "stop": 0.5, "database": 2.0}
"""Events after which another process may go on with what a replica was writing, and for how many
seconds that one may still write. (The database: a lease, and the time to notice.)"""

Json = dict[str, Any]


@dataclass(frozen=True)
class Question:
    id: int
    platform: str
    chat: int
    lane: str
    asked_at: float
    words: int


@dataclass(frozen=True)
class Version:
    at: float
    words: tuple[int, ...]


@dataclass(frozen=True)
class Message:
    """A message of the bot that holds words of one question's answer."""

    id: int
    versions: tuple[Version, ...]

    @property
    def words(self) -> tuple[int, ...]:
        return self.versions[-1].words


@dataclass(frozen=True)
class Call:
    """A create or an edit that named its message, or was applied."""

    at: float
    replica: str
    create: bool
    message: int | None
    applied_at: float | None
    status: int | None


@dataclass(frozen=True)
class Event:
    at: float
    kind: str
    replica: str


@dataclass(frozen=True)
class Evidence:
    questions: list[Question]
    messages: dict[int, list[Message]]
    """By question; those that were deleted are left out."""
    calls: dict[tuple[str, int], list[Call]]
    """By platform and chat, as they came."""
    told: dict[int, float]
    """By question: when a model had first said all of its answer."""
    events: list[Event]
    problems: list[str]
    """Messages that no reader could make sense of."""
    refusals: dict[str, int]
    """Answers 429, by platform."""


def read(data: Json) -> Evidence:
    evidence = Evidence(
        questions=[Question(**question) for question in data["questions"]],
        messages={},
        calls={},
        told={},
        events=sorted((Event(**event) for event in data["events"]), key=lambda event: event.at),
        problems=[],
        refusals={},
    )
    for request in data["model"]:
        if request["finished"]:
            evidence.told.setdefault(request["question"], request["ended_at"])
    replica_of = {port: name for name, ports in data["replicas"].items() for port in ports}
    for platform in PLATFORMS:
        for chat, messages in data[platform]["transcripts"].items():
            for message in messages:
                _read_message(evidence, f"{platform} {chat}", message)
        calls = data[platform]["calls"]
        for call in calls:
            _read_call(evidence, platform, call, replica_of)
        evidence.refusals[platform] = sum(call["status"] == 429 for call in calls)
    return evidence


def _read_message(evidence: Evidence, chat: str, message: Json) -> None:
    if not message["from_bot"] or message["deleted_at"] is not None:
        return
    name = f"{chat}: message {message['message_id']}"
    found = [WORD.findall(version["text"]) for version in message["versions"]]
    answered = {int(question) for words in found for question, _ in words}
    if len(answered) > 1:
        evidence.problems.append(f"{name} mixes the answers to {sorted(answered)}")
    elif not found[-1]:
        evidence.problems.append(f"{name} answers nothing: {message['versions'][-1]['text'][:80]}")
    for question in answered:
        versions = tuple(
            Version(version["at"], tuple(int(n) for q, n in words if int(q) == question))
            for version, words in zip(message["versions"], found, strict=True)
        )
        held = evidence.messages.setdefault(question, [])
        held.append(Message(message["message_id"], versions))


def _read_call(evidence: Evidence, platform: str, call: Json, replica_of: dict[int, str]) -> None:
    kind = call.get("route") or call["method"]
    if kind not in CREATES + EDITS:
        return
    create = kind in CREATES
    message = call["message_id"]
    if platform == "telegram" and not create:
        message = int(call["params"]["message_id"])
    chat = call.get("chat_id") or call.get("channel_id")
    evidence.calls.setdefault((platform, chat), []).append(
        Call(
            call["at"],
            replica_of.get(call["port"], "?"),
            create,
            message,
            call["applied_at"],
            call["status"],
        )
    )
