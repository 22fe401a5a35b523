"""What happens in a soak, and when: all of it follows from one seed. Pure.

Times are seconds from the beginning. `Schedule.seconds` is when the troubles end; what is owed by
then is still to be answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

Platform = Literal["telegram", "discord"]
Place = Literal["direct", "room"]
CALM = 8.0
"""Nothing bad happens before. Discord's direct chats are begun by then: the first message in a new
one, sent while the bot is away, can't be found (docs/decisions.md)."""
LAST_QUESTION = 0.85
"""The share of the time in which questions are asked."""
CHATS_A_SECOND = 1.2
"""Chats for each second that a soak lasts: what a small machine can answer."""


@dataclass(frozen=True)
class Person:
    number: int
    platform: Platform
    place: Place
    room: int = 0
    """Two people are in each."""


@dataclass(frozen=True)
class Asked:
    at: float
    person: int
    words: int
    model: dict[str, Any] | None
    """What befalls the model's first answer to it, as `sandbox.llm.control.read_fault` takes it."""


@dataclass(frozen=True)
class Act:
    at: float
    kind: str
    """kill, term, stop, database; telegram, discord: a fault; gateway: a trouble of Discord's."""
    replica: int = 0
    rest: float = 0.0
    """Seconds from `at`, or from when the replica is up, until it happens."""
    seconds: float = 0.0
    """Until what was killed, ended or stopped goes on."""
    what: dict[str, Any] | None = None
    """A fault's or a trouble's fields."""


@dataclass(frozen=True)
class Schedule:
    seconds: float
    people: list[Person]
    questions: list[Asked]
    acts: list[Act]


def draw(
    seed: int, *, seconds: float, longest_stop: float, replicas: int = 1, database: bool = False
) -> Schedule:
    """The schedule of a seed; `database`: whether there is one that can be restarted."""
    random = Random(seed)  # noqa: S311 - a reproducible choice, no secret
    people = [_person(number) for number in range(max(8, round(seconds * CHATS_A_SECOND)))]
    questions = [asked for person in people for asked in _questions(random, person, seconds)]
    acts = _process_acts(random, seconds, replicas, longest_stop)
    if database:
        acts += [Act(at, "database") for at in _moments(random, seconds, every=20.0, apart=8.0)]
    acts += [
        Act(at, "telegram", what=_telegram_fault(random))
        for at in _moments(random, seconds, every=2.5)
    ]
    acts += [
        Act(at, "discord", what=_discord_fault(random))
        for at in _moments(random, seconds, every=2.5)
    ]
    acts += [
        Act(at, "gateway", what=_gateway_trouble(random))
        for at in _moments(random, seconds, every=15.0)
    ]
    by_time = sorted(questions, key=lambda asked: asked.at)
    return Schedule(seconds, people, by_time, sorted(acts, key=lambda act: act.at))


def kills_alone(
    seed: int, *, seconds: float, every: float, replicas: int = 1, words: int | None = None
) -> Schedule:
    """A kill now and then, of one replica after another; all else goes well, the models too.

    With `words`, all answers are that long.
    """
    drawn = draw(seed, seconds=seconds, longest_stop=seconds, replicas=replicas)
    kills = range(int((seconds - CALM) / every))
    acts = [Act(CALM + n * every, "kill", n % replicas, seconds=0.1) for n in kills]
    questions = [
        replace(asked, model=None, words=words or asked.words) for asked in drawn.questions
    ]
    return replace(drawn, questions=questions, acts=acts)


def _person(number: int) -> Person:
    """Half of them on each platform."""
    pair = number // 2
    if number % 2:
        return Person(number, "discord", "direct" if pair % 3 == 0 else "room", pair // 2)
    return Person(number, "telegram", "room" if pair % 5 == 0 else "direct", pair // 10)


def _questions(random: Random, person: Person, seconds: float) -> list[Asked]:
    """One to four; some are asked while the one before is being answered."""
    at = random.uniform(0, CALM / 2 if person.place == "direct" else seconds * LAST_QUESTION)
    asked: list[Asked] = []
    # Telegram's groups take 20 messages a minute, and a fraction of that after a refusal.
    slow = person.platform == "telegram" and person.place == "room"
    for _ in range(1 if slow else random.choice([1, 2, 2, 3, 4])):
        if at > seconds * LAST_QUESTION:
            break
        words = _length(random)
        asked.append(Asked(at, person.number, words, _model_fault(random, words)))
        at += random.uniform(0.1, 1.5) if random.random() < 0.4 else random.uniform(3, seconds / 2)
    return asked


def _length(random: Random) -> int:
    """Words of an answer: mostly few, sometimes several pages."""
    return random.randint(*random.choices([(3, 60), (60, 200), (400, 700)], [6, 3, 1])[0])


def _model_fault(random: Random, words: int) -> dict[str, Any] | None:
    """One answer in five goes wrong; another provider is there to take it up."""
    after = random.randrange(1, words)
    choices: list[dict[str, Any] | None] = [
        {"kind": "cut", "after": after},
        {"kind": "stall", "after": after},
        {"kind": "silence"},
        {"kind": "reply", "status": 500},
        {"kind": "reply", "status": 429},
    ]
    return random.choice(choices) if random.random() < 0.2 else None


def _moments(random: Random, seconds: float, every: float, apart: float = 0.0) -> list[float]:
    """As rain drops fall, one in `every` seconds; two are at least so far `apart`."""
    at, found = CALM + random.expovariate(1 / every), []
    while at < seconds:
        found.append(at)
        at += max(apart, random.expovariate(1 / every))
    return found


def _process_acts(random: Random, seconds: float, replicas: int, longest_stop: float) -> list[Act]:
    """What befalls each replica; it runs again before the next."""
    acts = []
    for replica in range(replicas):
        at = CALM
        while at < seconds:
            rest = random.uniform(1, 10)
            kind = random.choices(["kill", "term", "stop"], [6, 2, 2])[0]
            lasts = random.uniform(0.2, 4.0)
            if kind == "stop":
                lasts = random.uniform(1.0, longest_stop)
            acts.append(Act(at, kind, replica, rest, lasts))
            at += rest + lasts
    return acts


def _telegram_fault(random: Random) -> dict[str, Any]:
    """A fault for the next calls of any chat, or of getUpdates."""
    shows = random.choice(["sendMessage", "editMessageText"])
    faults: list[dict[str, Any]] = [
        {"kind": "flood", "method": shows, "seconds": random.choice([2, 3, 5, 8, 15, 30])},
        {"kind": "error", "status": random.choice([500, 502]), "count": random.randint(1, 6)},
        {"kind": "reset", "count": random.randint(1, 6)},
        {"kind": "slow", "seconds": random.uniform(0.3, 3), "count": random.randint(1, 4)},
        {"kind": "drop_after_accept", "method": "sendMessage"},
        {"kind": "drop_after_accept", "method": "editMessageText", "count": 2},
        {"kind": "error", "status": 502, "method": "getUpdates", "count": random.randint(1, 3)},
        {"kind": "reset", "method": "getUpdates", "count": random.randint(1, 3)},
    ]
    return random.choice(faults)


def _discord_fault(random: Random) -> dict[str, Any]:
    messages = "/channels/{channel_id}/messages"
    shows = random.choice(["POST", "PATCH"])
    faults: list[dict[str, Any]] = [
        {"kind": "rate_limit", "method": shows, "seconds": random.choice([2, 3, 5, 10])},
        {"kind": "rate_limit", "method": shows, "seconds": 2, "scope": "shared"},
        {"kind": "error", "status": random.choice([500, 502, 503]), "count": random.randint(1, 4)},
        {"kind": "error", "status": 503, "html": True},
        {"kind": "reset", "count": random.randint(1, 4)},
        {"kind": "slow_answer", "seconds": random.uniform(0.3, 3), "count": random.randint(1, 4)},
        {"kind": "drop_after_accept", "method": "POST", "route": messages},
        {"kind": "drop_after_accept", "method": "PATCH", "count": 2},
        {"kind": "error_after_accept", "status": 500, "method": "POST", "route": messages},
    ]
    return random.choice(faults)


def _gateway_trouble(random: Random) -> dict[str, Any]:
    troubles: list[dict[str, Any]] = [
        {"act": "drop"},
        {"act": "close", "code": 4000},
        {"act": "reconnect"},
        {"act": "invalidate", "resumable": True},
        {"act": "invalidate", "resumable": False},
        {"act": "refuse_connections", "count": random.randint(1, 3)},
    ]
    return random.choice(troubles)
