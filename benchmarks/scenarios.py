"""What is played: who asks what, when, and what the model then writes how fast."""

from __future__ import annotations

import re
from dataclasses import dataclass

LATENCY = 0.04
"""Seconds from the bot to the platform and back each, and from the platform to the reader."""
PARAGRAPH = 60
"""Words in one; an answer is plain paragraphs that begin with a bold word."""
CHEAP = 20.0
"""Seconds."""
ROOM = 4_000
"""Answers of one chat number their words from multiples of it; none is as long. Small, so that each
of three with 300 words fits a page of Discord's: the optimum knows no pages."""

_QUESTION = re.compile(r"\[chat (\d+), question (\d+)\]")
_NUMBER = re.compile(r"\bw(\d+)\b")


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    platform: str
    words: int
    """In each answer."""
    rate: float = 40.0
    """Words a second that the model writes."""
    chats: int = 1
    asked_at: tuple[float, ...] = (0.0,)
    """Seconds after the start at which each chat asks its questions."""
    group: bool = False
    patience: float = 45.0
    """Seconds after the model's last word until whoever is not done is stopped."""
    compared: bool = True
    """Whether an optimum is computed and the other bots play it on every server."""

    @property
    def answers(self) -> int:
        return self.chats * len(self.asked_at)

    @property
    def length(self) -> float:
        """Seconds from the start to the model's last word, where nothing is late."""
        return self.asked_at[-1] + self.words / self.rate

    @property
    def at_once(self) -> bool:
        """Whether several questions are asked in a chat at once."""
        return self.chats == 1 and len(set(self.asked_at)) < len(self.asked_at)

    @property
    def is_light(self) -> bool:
        """Whether several runs of it may share the machine without disturbing each other."""
        return self.chats == 1

    @property
    def is_cheap(self) -> bool:
        """Whether it is worth its time to repeat it."""
        return self.is_light and self.length <= CHEAP


ONE_CHAT = Scenario("one chat", "telegram", words=600)
FIFTY_CHATS = Scenario("50 chats", "telegram", words=600, chats=50)
MANY_CHATS = Scenario("200 chats", "telegram", words=600, chats=200)
GROUP = Scenario("group", "telegram", words=300, rate=20.0, asked_at=(0.0, 20.0, 40.0), group=True)
CHANNEL = Scenario("three in a channel", "discord", words=300, asked_at=(0.0, 0.0, 0.0), group=True)
DIRECT = Scenario("one DM", "discord", words=300)
LONG_ANSWER = Scenario("3,000 words", "telegram", words=3000)
STREAMS = Scenario("1,000 streams", "telegram", words=600, chats=1000, compared=False)


def question(chat: int, number: int) -> str:
    return f"[chat {chat}, question {number}] What do you know?"


def asked(text: str) -> tuple[int, int] | None:
    """The chat and the number of a question that stands in `text`."""
    found = _QUESTION.search(text)
    return (int(found[1]), int(found[2])) if found else None


def answer(number: int, words: int) -> str:
    """The answer to a chat's question: every word tells its place."""
    first = number * ROOM
    said = [f"w{n}" for n in range(first, first + words)]
    paragraphs = [said[at : at + PARAGRAPH] for at in range(0, words, PARAGRAPH)]
    return "\n\n".join(f"**{head}** {' '.join(tail)}".rstrip() for head, *tail in paragraphs)


def numbers(text: str) -> list[int]:
    """The words that stand in `text`, by their places."""
    return [int(number) for number in _NUMBER.findall(text)]
