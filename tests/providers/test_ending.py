"""When a streamed answer is over: told by what comes, on virtual time, in every format."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import orjson
import pytest
import virtual
from wire import Outcome, delta, events

from providers.answer import answer
from providers.anthropic import MessageDecoder
from providers.base import (
    ConnectionFailedError,
    Finish,
    FinishReason,
    ProviderError,
    ProviderSettings,
    ProviderTimeoutError,
    Timeouts,
)
from providers.chat_chunks import ChatDecoder
from providers.ending import End, Ending
from providers.gemini import CandidateDecoder
from providers.gptalk import GrowingTextDecoder
from providers.http import Body, HttpClient, Request
from providers.ollama import ChatLineDecoder
from providers.responses import ResponseDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from providers.answer import Decoder

IDLE = 60.0
STOP = Finish(FinishReason.STOP)
Last = Literal["end", "drop", "silence"]


class ScriptedBody(Body):
    """Gives each piece some seconds after the one before; then ends, breaks or says no more."""

    def __init__(self, pieces: list[tuple[float, bytes]], last: Last) -> None:
        self._timeouts = Timeouts(idle=IDLE)
        self._pieces = pieces
        self._last = last
        self._next_at = 0.0

    async def read_chunk(self, patience: float | None = None) -> bytes:
        loop = asyncio.get_running_loop()
        if not self._pieces and self._last == "end":
            return b""
        if not self._pieces and self._last == "drop":
            raise ConnectionFailedError("the connection broke")
        waited = self._pieces[0][0] if self._pieces else float("inf")
        due = self._next_at + waited
        if due - loop.time() > min(IDLE, patience or IDLE):
            await asyncio.sleep(min(IDLE, patience or IDLE))
            raise ProviderTimeoutError("nothing came")
        await asyncio.sleep(due - loop.time())
        self._next_at = due
        return self._pieces.pop(0)[1]


class ScriptedClient(HttpClient):
    def __init__(self, body: Body) -> None:
        super().__init__(ProviderSettings("openai"))
        self._body = body

    @asynccontextmanager
    async def open(self, _request: Request) -> AsyncIterator[Body]:
        yield self._body


@dataclass
class Heard(Outcome):
    seconds: float = 0.0


def hear(decoder: Decoder, pieces: list[tuple[float, bytes]], last: Last = "end") -> Heard:
    heard = Heard()

    async def listen() -> None:
        client = ScriptedClient(ScriptedBody(list(pieces), last))
        try:
            async for event in answer(client, Request("POST", "http://x"), decoder):
                heard.events.append(event)
        except ProviderError as error:
            heard.error = error
        heard.seconds = asyncio.get_running_loop().time()

    virtual.run(listen())
    return heard


def chat(text: str | None, reason: object = None) -> bytes:
    return events(delta(text, reason))


def gemini(text: str | None, reason: object = None) -> bytes:
    content = {"parts": [{"text": text}]} if text else {}
    reason = "STOP" if reason == "stop" else reason
    return events({"candidates": [{"content": content, "finishReason": reason}]})


def ollama(text: str | None, reason: object = None) -> bytes:
    line = {"message": {"content": text or ""}, "done": reason == "stop", "done_reason": reason}
    return orjson.dumps(line) + b"\n"


def anthropic(text: str | None, reason: object = None) -> bytes:
    said = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
    ends = {"type": "message_delta", "delta": {"stop_reason": reason}}
    return (events(said) if text else b"") + (events(ends) if reason else b"")


Format = tuple["Callable[[], Decoder]", "Callable[..., bytes]"]
FORMATS: dict[str, Format] = {
    "chat": (ChatDecoder, chat),
    "gemini": (CandidateDecoder, gemini),
    "ollama": (ChatLineDecoder, ollama),
    "anthropic": (MessageDecoder, anthropic),
}
in_every_format = pytest.mark.parametrize(
    ("decoder", "chunk"), FORMATS.values(), ids=FORMATS.keys()
)
WORDS = ["one ", "two ", "three ", "four"]


@in_every_format
@pytest.mark.parametrize("seconds", [0.1, 4.0, 20.0, 59.0])
def test_a_reason_in_every_chunk_cuts_no_slow_answer(
    decoder: Callable[[], Decoder], chunk: Callable[..., bytes], seconds: float
) -> None:
    heard = hear(decoder(), [(seconds, chunk(word, "stop")) for word in WORDS])
    assert heard.text == "one two three four"
    assert heard.error is None
    assert heard.events[-1] == STOP


@pytest.mark.parametrize(
    ("decoder", "chunk"),
    [FORMATS[kind] for kind in ("chat", "gemini", "anthropic")],  # Ollama's is the end marker.
    ids=["chat", "gemini", "anthropic"],
)
def test_a_reason_that_came_too_early_in_a_chunk_of_its_own_is_taken_back(
    decoder: Callable[[], Decoder], chunk: Callable[..., bytes]
) -> None:
    early = [(1.0, chunk("one ")), (1.0, chunk(None, "stop")), (4.0, chunk("two "))]
    late = [(30.0, chunk("three ")), (30.0, chunk("four")), (30.0, chunk(None, "stop"))]
    heard = hear(decoder(), early + late)
    assert heard.text == "one two three four"
    assert heard.error is None


@in_every_format
@pytest.mark.parametrize("last", ["drop", "silence"])
def test_where_reasons_proved_wrong_an_answer_that_breaks_off_is_cut(
    decoder: Callable[[], Decoder], chunk: Callable[..., bytes], last: Last
) -> None:
    heard = hear(decoder(), [(1.0, chunk(word, "stop")) for word in WORDS], last)
    assert heard.text == "one two three four"
    assert heard.error is not None


@in_every_format
@pytest.mark.parametrize("last", ["end", "drop", "silence"])
def test_a_reason_with_the_last_text_ends_the_answer_however_the_body_ends(
    decoder: Callable[[], Decoder], chunk: Callable[..., bytes], last: Last
) -> None:
    heard = hear(decoder(), [(1.0, chunk("one ")), (1.0, chunk("two", "stop"))], last)
    assert heard.text == "one two"
    assert heard.error is None
    assert heard.events[-1] == STOP


@in_every_format
def test_a_server_that_never_closes_is_waited_for_a_moment_after_its_reason(
    decoder: Callable[[], Decoder], chunk: Callable[..., bytes]
) -> None:
    heard = hear(decoder(), [(1.0, chunk("one")), (1.0, chunk(None, "stop"))], "silence")
    assert heard.events[-1] == STOP
    assert heard.seconds < (10 if decoder is not MessageDecoder else 2 + IDLE + 1)


def test_signs_of_life_after_a_reason_do_not_hold_the_answer_up_for_ever() -> None:
    comments = [(10.0, b": keep-alive\n\n")] * 1000
    heard = hear(ChatDecoder(), [(1.0, chat("one")), (1.0, chat("two", "stop")), *comments])
    assert heard.text == "onetwo"
    assert heard.events[-1] == STOP
    assert heard.seconds < 2 + 2 * IDLE


@in_every_format
@pytest.mark.parametrize("none", ["null", "", "None", "undefined", " Null ", None])
def test_a_reason_that_says_there_is_none_is_none(
    decoder: Callable[[], Decoder], chunk: Callable[..., bytes], none: str | None
) -> None:
    said = [(20.0, chunk(word, none)) for word in WORDS]
    ended = hear(decoder(), [*said, (1.0, chunk(None, "stop"))], "silence")
    assert (ended.text, ended.error) == ("one two three four", None)
    cut = hear(decoder(), said)
    assert cut.text == "one two three four"
    assert cut.error is not None, "without a reason the end of the body is no end of the answer"


def test_a_reason_before_any_text_is_not_the_end() -> None:
    role = events({"choices": [{"delta": {"role": "assistant"}, "finish_reason": "stop"}]})
    heard = hear(ChatDecoder(), [(0.0, role), (30.0, chat("one", "stop")), (30.0, chat("two"))])
    assert heard.text == "onetwo"
    assert heard.error is None


def test_a_thought_after_a_reason_is_more_of_the_answer_too() -> None:
    thought = events(delta(None, "stop", reasoning_content="hm"))
    heard = hear(ChatDecoder(), [(0.0, thought), (30.0, thought), (30.0, chat("one", "stop"))])
    assert heard.text == "one"
    assert heard.error is None


def test_text_that_is_held_back_counts_as_text() -> None:
    """`<` may begin a tag, so it is not shown yet."""
    pieces = [(9.0, chat("a ", "stop")), (9.0, chat("<", "stop")), (9.0, chat("b>", "stop"))]
    heard = hear(ChatDecoder(), pieces)
    assert heard.text == "a <b>"


def test_the_states_of_an_ending() -> None:
    ending = Ending()
    assert ending.state is End.OPEN
    ending.hear(None, spoke=True)
    ending.hear("stop", spoke=True)
    assert ending.state is End.CLAIMED
    ending.hear("stop", spoke=False)
    assert ending.state is End.CERTAIN
    ending.hear(None, spoke=True)
    assert (ending.state, ending.reason) == (End.OPEN, "stop")


NOTHING = [
    b"data:\n\n",
    b"data: \n\n",
    b'data: ""\n\n',
    b"data: null\n\n",
    b"data: {}\n\n",
    b"data: []\n\n",
    b"data: false\n\n",
    b"data: ping\n\n",
    b"event: ping\ndata: whatever 17\n\n",
    b"event: heartbeat\ndata:\n\n",
    b"event: keep-alive\ndata: {\n\n",
    b'data: {"type": "ping"}\n\n',
    b'data: {"type": "heartbeat", "message": "still working"}\n\n',
    b'data: {"event": "keepalive", "detail": "queue position 3"}\n\n',
    b": comment\n\n",
    b"event: message\n\n",
]
STREAMS: dict[str, tuple[Callable[[], Decoder], bytes, bytes]] = {
    "chat": (ChatDecoder, chat("one "), chat("two", "stop") + b"data: [DONE]\n\n"),
    "gemini": (CandidateDecoder, gemini("one "), gemini("two", "STOP")),
    "anthropic": (
        MessageDecoder,
        anthropic("one "),
        anthropic("two", "end_turn") + events({"type": "message_stop"}),
    ),
    "responses": (
        ResponseDecoder,
        events({"type": "response.output_text.delta", "output_index": 0, "delta": "one "}),
        events(
            {"type": "response.output_text.delta", "output_index": 0, "delta": "two"},
            {"type": "response.completed", "response": {"status": "completed"}},
        ),
    ),
    "gptalk": (
        GrowingTextDecoder,
        events({"content": "one "}),
        events({"content": "one two"}, "[DONE]"),
    ),
}


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
@pytest.mark.parametrize("kind", STREAMS)
def test_an_event_that_says_nothing_is_passed_over(kind: str, nothing: bytes) -> None:
    decoder, first, last = STREAMS[kind]
    for stream in (nothing + first + last, first + nothing + last):
        heard = hear(decoder(), [(0.0, stream)])
        assert (heard.text, heard.error) == ("one two", None)
        bytewise = hear(decoder(), [(0.0, bytes([byte])) for byte in stream])
        assert (bytewise.text, bytewise.error) == ("one two", None)


@pytest.mark.parametrize(
    "nothing",
    [b"\n", b"null\n", b'""\n', b"{}\n", b"[]\n", b'{"type":"heartbeat","message":"x"}\n'],
)
def test_a_line_that_says_nothing_is_passed_over(nothing: bytes) -> None:
    for stream in (
        nothing + ollama("one ") + ollama("two") + ollama(None, "stop"),
        ollama("one ") + nothing + ollama("two") + nothing + ollama(None, "stop"),
    ):
        heard = hear(ChatLineDecoder(), [(0.0, stream)])
        assert (heard.text, heard.error) == ("one two", None)


@pytest.mark.parametrize("done", ["[DONE]", "[done]", "[DONE] ", ' "[DONE]"', "[Done]"])
def test_the_end_marker_is_known_however_it_is_written(done: str) -> None:
    stream = chat("one") + f"data: {done}\n\n".encode()
    heard = hear(ChatDecoder(), [(0.0, stream)], "silence")
    assert (heard.text, heard.error) == ("one", None)
    assert heard.seconds == 0


def test_what_reports_an_error_is_still_one() -> None:
    for broken in (
        b'event: error\ndata: {"message": "no"}\n\n',
        b"event: error\ndata: null\n\n",
        b'data: {"error": {"message": "no"}}\n\n',
        b'data: {"message": "no"}\n\n',
        b"data: {not json\n\n",
    ):
        heard = hear(ChatDecoder(), [(0.0, chat("one ") + broken + chat("two", "stop"))])
        assert heard.text == "one "
        assert heard.error is not None
