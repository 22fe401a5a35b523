"""What becomes of every fault in every protocol; run as a program, it writes docs/faults.md.

The faults are made by the sandbox's servers, on the wire.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from model_servers import KEY, KINDS, PATIENT, Heard, hear, settings, user

from bot import texts
from providers.base import Timeouts
from providers.registry import capabilities, create
from sandbox.llm.script import (
    EMPTY_REPLY,
    HTML_ERROR_PAGE,
    CleanEnd,
    Cut,
    HttpReply,
    Malformed,
    Script,
    Silence,
    Stall,
    StreamError,
    TooLong,
)
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.base import ProviderError
    from sandbox.llm.journal import Record
    from sandbox.llm.playbook import Condition

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
TEXT = "Grüße, alpha torn 😀 beta 您 gamma."
"""Its third token is the one of which the sandbox sends half where it tears."""
HUGE_LINE = 10_000_000
SILENT = 1.0
"""Seconds until a provider gives a stalled server up: far more than any other takes to go on."""
_KEY_ERROR = f'{{"error": {{"message": "Incorrect API key provided: {KEY}."}}}}'


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    """Also the question that is asked, by which the server knows what to do."""
    script: Script
    stalls: bool = False
    huge: bool = False


def _replies(name: str, status: int, **reply: str) -> Fault:
    return Fault(name, Script(TEXT, fault=HttpReply(status, **reply)))


FAULTS = (
    _replies("401: the key is wrong", 401),
    _replies("401 that repeats the key", 401, body=_KEY_ERROR),
    _replies("403: the key may not", 403),
    _replies("404: there is no such model", 404),
    Fault("400: the conversation is too long", Script(TEXT, fault=TooLong())),
    _replies("429 without Retry-After", 429),
    _replies("429 with Retry-After: 17", 429, retry_after="17"),
    _replies("500", 500),
    Fault("500, compressed", Script(TEXT, gzip=True, fault=HttpReply(500))),
    _replies("502 with a web page", 502, body=HTML_ERROR_PAGE, content_type="text/html"),
    _replies("529: overloaded", 529),
    _replies("200 with a web page", 200, body=HTML_ERROR_PAGE, content_type="text/html"),
    Fault("200 with an empty body", Script(TEXT, fault=EMPTY_REPLY)),
    Fault("an error in the stream, before any text", Script(TEXT, fault=StreamError(0))),
    Fault("an error in the stream, after some text", Script(TEXT, fault=StreamError(2))),
    Fault("an error in the stream that repeats the key", Script(TEXT, fault=StreamError(2, KEY))),
    Fault("cut by a content filter", Script(TEXT, finish_reason="content_filter")),
    Fault("the connection breaks between two events", Script(TEXT, fault=Cut(2))),
    Fault("the connection breaks inside an event", Script(TEXT, fault=Cut(2, torn=True))),
    Fault("a clean end without the end marker", Script(TEXT, fault=CleanEnd(2))),
    Fault("silence instead of a status", Script(TEXT, fault=Silence()), stalls=True),
    Fault("silence before the first token", Script(TEXT, fault=Stall(0)), stalls=True),
    Fault("silence after the second token", Script(TEXT, fault=Stall(2)), stalls=True),
    Fault("malformed JSON within the answer", Script(TEXT, fault=Malformed(2))),
    Fault("a line of 10 MB", Script(TEXT, padding=HUGE_LINE), huge=True),
    Fault("a compressed answer", Script(TEXT, gzip=True)),
    Fault("lines that end in CRLF", Script(TEXT, crlf=True)),
    Fault("every byte alone", Script(TEXT, write_size=1)),
    Fault("characters as two lone surrogates", Script(TEXT, lone_surrogates=True)),
    Fault("a wrong content type", Script(TEXT, content_type="text/plain")),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    fault: Fault
    kind: str
    heard: Heard

    @property
    def error(self) -> ProviderError | None:
        return self.heard.error

    @property
    def becomes(self) -> str:
        if self.error:
            return f"`{type(self.error).__name__}`"
        if self.heard.text == TEXT:
            return "the whole answer"
        # Raw text has neither an end marker nor a form that could be broken.
        return "taken for the answer as it is"

    @property
    def retried(self) -> str:
        """Whether asking again may help; never once the reader has seen text."""
        if not self.error:
            return ""
        if self.error.retryable and self.heard.text:
            return "no: text was shown"
        return "yes" if self.error.retryable else "no"

    @property
    def reads(self) -> str:
        """What the reader is told below the text that came."""
        return texts.failure(self.error, partial=bool(self.heard.text)) if self.error else ""


@dataclass
class Matrix:
    """All outcomes, fault by fault, and all that was logged meanwhile."""

    outcomes: list[Outcome] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    requests: list[Record] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """The tokens that gptalk's server gave out."""


async def run() -> Matrix:
    """Ask every kind a question about every fault."""
    matrix = Matrix()
    with _logs_into(matrix.logged):
        async with LlmSandbox(key=KEY) as server:
            for fault in FAULTS:
                server.script(fault.script, when=_asked(fault.name))
            small = [_cell(server, f, kind) for f in FAULTS if not f.huge for kind in KINDS]
            matrix.outcomes += await asyncio.gather(*small)
            for fault in (fault for fault in FAULTS if fault.huge):
                matrix.outcomes += [await _cell(server, fault, kind) for kind in KINDS]
            await server.until(lambda: all(record.ended_at for record in server.requests))
            matrix.requests += server.requests
            matrix.tokens += server.gptalk.tokens
    matrix.outcomes.sort(key=lambda outcome: FAULTS.index(outcome.fault))
    return matrix


def _asked(question: str) -> Condition:
    return lambda record: record.messages[-1].text == question


async def _cell(server: LlmSandbox, fault: Fault, kind: str) -> Outcome:
    timeouts = PATIENT
    if fault.stalls:
        # What is sent as a whole has no first byte before the stall.
        waits = fault.script.fault == Stall(2) and capabilities(kind).supports_stream
        timeouts = Timeouts(30, first_byte=30 if waits else SILENT, idle=SILENT)
    provider = create(settings(kind, server.urls[kind], timeouts))
    try:
        return Outcome(fault, kind, await hear(provider, [user(fault.name)]))
    finally:
        await provider.close()


class _Keeper(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))


@contextmanager
def _logs_into(kept: list[str]) -> Iterator[None]:
    """Keep whatever anybody logs, however little it matters."""
    root, keeper = logging.getLogger(), _Keeper(kept)
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(keeper)


INTRODUCTION = """\
# Faults

What the bot makes of everything that goes wrong between it and a model's server. The rows are
from a run: the sandbox's servers make each fault on the wire, in each of the nine protocols, and
`make faults` writes this page. A test fails where it is no longer true.

- **becomes**: the error of [providers/base.py](../providers/base.py), or the answer, where the
  fault is one that a good client does not mind.
- **retried**: whether the same server may be asked again while its reader waits. Never once text
  was shown: it would have to be taken back.
- **the reader reads**: the line below the text that came. What the server said goes to the log,
  without keys.

yqcloud's answers are raw text: its end is the end of the body, and nothing in it can be malformed,
so that what breaks there without breaking HTTP can't be told from an answer.

| what goes wrong | with | becomes | retried | the reader reads |
|---|---|---|---|---|
"""


def page(matrix: Matrix) -> str:
    """docs/faults.md: a row for each fault and each thing that becomes of it."""
    rows = []
    for fault, outcomes in groupby(matrix.outcomes, lambda outcome: outcome.fault):
        kinds: dict[tuple[str, str, str], list[str]] = {}
        for one in outcomes:
            kinds.setdefault((one.becomes, one.retried, one.reads), []).append(one.kind)
        for row, (cells, having) in enumerate(kinds.items()):
            rows.append(("" if row else fault.name, _named(having), *cells))
    return INTRODUCTION + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _named(kinds: list[str]) -> str:
    """Those of `kinds`, in the fewest words."""
    others = [kind for kind in KINDS if kind not in kinds]
    if not others:
        return "all"
    if len(others) <= len(KINDS) // 3:
        return f"all but {', '.join(others)}"
    return ", ".join(kinds)


def main() -> None:
    PAGE.write_text(page(asyncio.run(run())), "utf-8")


if __name__ == "__main__":
    main()
