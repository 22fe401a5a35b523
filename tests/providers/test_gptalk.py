"""gptalk: logins under concurrency, and text that grows from event to event."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import Reader, Received, Wire, Writer, as_json, ask, head, serve, sse, user

from providers.base import (
    AuthenticationError,
    BadResponseError,
    Event,
    Finish,
    FinishReason,
    Message,
    OverloadedError,
    ProviderError,
    ProviderSettings,
    Role,
    TextDelta,
    TruncatedError,
)
from providers.gptalk import GpTalk, GrowingTextDecoder

if TYPE_CHECKING:
    from collections.abc import Sequence

STOP = Finish(FinishReason.STOP)


@dataclass
class Gptalk:
    """The server's side: refuses a sixth use, an unknown token, a ticket used twice."""

    lifetime: float = 100
    now: float = 1000.0
    logins: int = 0
    failing_logins: int = 0
    uses: Counter = field(default_factory=Counter)
    revoked: set = field(default_factory=set)
    tickets: set = field(default_factory=set)
    frames: Sequence[str | dict] = ({"content": "Hel"}, {"content": "Hello"}, "[DONE]")

    async def __call__(self, request: Received, reader: Reader, writer: Writer) -> None:
        handlers = {"login": self._login, "text": self._text, "stream": self._stream}
        writer.write(handlers[request.path.rpartition("/")[2]](request))

    def _login(self, request: Received) -> bytes:
        assert request.json.keys() == {"fingerprint", "platform"}
        if self.failing_logins:
            self.failing_logins -= 1
            return as_json({"error": {"message": "no logins now"}}, 503)
        self.logins += 1
        expires_at = self.now + self.lifetime
        return as_json({"data": {"token": f"login-{self.logins}", "expires_at": expires_at}})

    def _text(self, request: Received) -> bytes:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if token in self.revoked or not 0 < int(token.removeprefix("login-")) <= self.logins:
            return as_json({"message": f"the token {token} is not valid"}, 401)
        self.uses[token] += 1
        assert self.uses[token] <= 5, "a sixth use"
        ticket = f"ticket-{self.uses.total()}"
        self.tickets.add(ticket)
        return as_json({"data": {"token": ticket}})

    def _stream(self, request: Received) -> bytes:
        assert "authorization" not in request.headers
        self.tickets.remove(request.query["token"][0])
        return sse(*self.frames)

    def provider(self, wire: Wire) -> GpTalk:
        settings = ProviderSettings("gptalk", base_url=wire.url)
        return GpTalk(settings, now=lambda: self.now)


async def say(provider: GpTalk) -> list[Event]:
    return [event async for event in provider.stream([user("hi")])]


async def test_the_three_calls_are_as_the_protocol_has_them() -> None:
    server = Gptalk()
    async with serve(server) as wire:
        messages = [user("hi"), Message.of(Role.ASSISTANT, "yes?"), user("how are you?")]
        outcome = await ask(server.provider(wire), messages)
    assert outcome.events == [TextDelta("Hello"), STOP]
    login, text, stream = wire.received
    assert (login.method, login.path) == ("POST", "/api/chatgpt/user/login")
    assert len(bytes.fromhex(login.json["fingerprint"])) == 16
    assert login.json["platform"] == "fingerprint"
    assert (text.method, text.path) == ("POST", "/api/chatgpt/chatapi/text")
    assert text.headers["authorization"] == "Bearer login-1"
    assert text.json == {
        "content": "User: hi\nAssistant: yes?\nUser: how are you?\nAssistant:",
        "accept": "stream",
        "from": 1,
        "model": "gpt-3.5-turbo",
        "is_mobile": 0,
        "user_agent": text.headers["user-agent"],
        "is_open_ctx": 0,
        "prompt": "",
        "roid": 111,
        "temperature": 0,
        "ctx_msg_count": 3,
        "created_at": 1000,
    }
    assert (stream.method, stream.target) == ("GET", "/api/chatgpt/chatapi/stream?token=ticket-1")
    for request in wire.received:
        assert request.headers["x-auth-appid"] == "2229"
        assert request.headers["x-auth-openid"] == request.headers["x-auth-platform"] == ""
        assert request.headers["x-auth-timestamp"] == "1000"


@pytest.mark.parametrize("conversations", [1, 5, 6, 100])
async def test_concurrent_conversations_share_logins_five_by_five(conversations: int) -> None:
    server = Gptalk()
    async with serve(server) as wire:
        provider = server.provider(wire)
        answers = await asyncio.gather(*(say(provider) for _ in range(conversations)))
        await provider.close()
    assert all(answer[-1] == STOP for answer in answers)
    assert server.logins == math.ceil(conversations / 5)
    assert server.uses.total() == conversations


async def test_an_expired_login_is_renewed() -> None:
    server = Gptalk()
    async with serve(server) as wire:
        provider = server.provider(wire)
        await say(provider)
        server.now += server.lifetime - 1
        await say(provider)
        assert server.logins == 1
        server.now += 1
        await say(provider)
        await provider.close()
    assert server.logins == 2


async def test_a_refused_token_is_renewed_once_for_all_who_hold_it() -> None:
    server = Gptalk()
    async with serve(server) as wire:
        provider = server.provider(wire)
        await say(provider)
        server.revoked.add("login-1")
        answers = await asyncio.gather(*(say(provider) for _ in range(4)))
        await provider.close()
    assert all(answer[-1] == STOP for answer in answers)
    assert server.logins == 2
    assert server.uses == {"login-1": 1, "login-2": 4}


async def test_a_token_refused_twice_is_an_error_that_does_not_name_it() -> None:
    server = Gptalk(revoked={"login-1", "login-2"})
    async with serve(server) as wire:
        outcome = await ask(server.provider(wire))
    assert type(outcome.error) is AuthenticationError
    assert "login-" not in str(outcome.error)
    assert server.logins == 2


async def test_a_failed_login_fails_those_who_waited_for_it_without_a_stampede() -> None:
    server = Gptalk(failing_logins=1)
    async with serve(server) as wire:
        provider = server.provider(wire)
        results = await asyncio.gather(*(say(provider) for _ in range(20)), return_exceptions=True)
        assert {type(result) for result in results} == {OverloadedError}
        assert len(wire.received) == 1
        assert (await say(provider))[-1] == STOP
        await provider.close()


async def test_a_login_that_is_cancelled_leaves_the_others_unharmed() -> None:
    server = Gptalk()
    asked = asyncio.Event()

    async def slow_at_first(request: Received, reader: Reader, writer: Writer) -> None:
        if not asked.is_set():
            asked.set()
            await reader.read()
        else:
            await server(request, reader, writer)

    async with serve(slow_at_first) as wire:
        provider = server.provider(wire)
        first, second = (asyncio.create_task(say(provider)) for _ in range(2))
        await asked.wait()
        first.cancel()
        assert (await second)[-1] == STOP
        await provider.close()
    assert server.logins == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ({"data": {}}, BadResponseError),
        ({"data": {"token": "t"}}, BadResponseError),
        ({"data": {"token": "", "expires_at": 1e12}}, BadResponseError),
        ({"code": 401, "message": "no"}, AuthenticationError),
        ({"code": 1, "message": "full"}, OverloadedError),
        (["no"], OverloadedError),
    ],
)
async def test_a_reply_without_a_token_is_an_error(
    reply: object, kind: type[ProviderError]
) -> None:
    async with serve(as_json(reply)) as wire:
        outcome = await ask(Gptalk().provider(wire))
    assert type(outcome.error) is kind


async def test_a_stream_error_does_not_show_the_ticket() -> None:
    frames = [{"content": "so far"}, {"error": {"message": "ticket-1 broke"}}]
    server = Gptalk(frames=frames)
    async with serve(server) as wire:
        outcome = await ask(server.provider(wire))
    assert (outcome.text, type(outcome.error)) == ("so far", OverloadedError)
    assert "ticket-1" not in str(outcome.error)


async def test_eof_without_done_is_truncation() -> None:
    server = Gptalk(frames=[{"content": "so far"}])
    async with serve(server) as wire:
        outcome = await ask(server.provider(wire))
    assert (outcome.text, type(outcome.error)) == ("so far", TruncatedError)


async def test_a_ticket_that_is_not_known_is_an_error() -> None:
    async with serve(
        as_json({"data": {"token": "login-1", "expires_at": 1e12}}),
        as_json({"data": {"token": "the-ticket"}}),
        head(404) + b"no such ticket: the-ticket",
    ) as wire:
        outcome = await ask(Gptalk().provider(wire))
    assert str(outcome.error) == "HTTP 404 (check base_url and model): no such ticket: ***"


def grow(*texts: str) -> str:
    decoder = GrowingTextDecoder()
    frames = [b"data: " + frame_json(text) + b"\n\n" for text in texts]
    events = [event for frame in frames for event in decoder.decode(frame)]
    events += decoder.decode(b"data: [DONE]\n\n")
    assert events.pop() == STOP
    return "".join(event.text for event in events)


def frame_json(text: str) -> bytes:
    try:
        return orjson.dumps({"content": text})
    except orjson.JSONEncodeError:
        return b'{"content": "%s"}' % "".join(f"\\u{ord(c):04x}" for c in text).encode()


@given(st.text(), st.lists(st.integers(0, 50)))
def test_growing_text_is_given_once(text: str, cuts: list[int]) -> None:
    assert grow(*(text[:cut] for cut in sorted(cuts)), text) == text


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (["ab", "a", "abc"], "abc"),
        (["ab", "ab", "ab"], "ab"),
        (["a\ufffd", "a😀"], "a😀"),
        (["a\ufffd", "a\ufffdb"], "a\ufffdb"),
        (["a\ufffd"], "a\ufffd"),
    ],
)
def test_odd_growth_is_read_sensibly(frames: list[str], text: str) -> None:
    assert grow(*frames) == text


def test_a_character_cut_in_half_is_whole_in_the_next_event() -> None:
    assert grow("a\ud83d", "a😀") == "a😀"
    assert grow("a\ud83d") == "a\ufffd"


def test_text_that_contradicts_what_was_given_is_an_error() -> None:
    decoder = GrowingTextDecoder()
    assert list(decoder.decode(b'data: {"content": "abc"}\n\n')) == [TextDelta("abc")]
    with pytest.raises(BadResponseError, match="rewrote"):
        list(decoder.decode(b'data: {"content": "axcd"}\n\n'))
