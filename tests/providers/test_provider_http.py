"""HTTP: every way a request can fail, and what its error says and does not say."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import ssl
import subprocess
from base64 import b64encode
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import aiohttp
import pytest
import uvloop
from wire import (
    Outcome,
    Reader,
    Received,
    Writer,
    as_json,
    ask,
    delta,
    events,
    head,
    in_chunks,
    response,
    serve,
    sse,
    user,
)

from providers.base import (
    AuthenticationError,
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    OverloadedError,
    ProviderError,
    ProviderSettings,
    ProviderTimeoutError,
    QuotaExceededError,
    RateLimitedError,
    TextDelta,
    Timeouts,
)
from providers.errors import plain_text, read_error, retry_after
from providers.http import HttpClient, Request, endpoint
from providers.openai import OpenAI
from providers.redact import redact
from providers.registry import create

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "s3cr3t-key/+value"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def openai(url: str, **settings: object) -> OpenAI:
    return OpenAI(ProviderSettings("openai", base_url=f"{url}/v1", **settings))


async def error_of(reply: object, **settings: object) -> ProviderError:
    async with serve(reply) as wire:
        outcome = await ask(openai(wire.url, **settings))
    assert outcome.error is not None
    assert "\n" not in str(outcome.error)
    return outcome.error


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, QuotaExceededError),
        (403, AuthenticationError),
        (404, BadRequestError),
        (408, ProviderTimeoutError),
        (413, ContextTooLongError),
        (422, BadRequestError),
        (429, RateLimitedError),
        (500, OverloadedError),
        (502, OverloadedError),
        (503, OverloadedError),
        (529, OverloadedError),
    ],
)
async def test_every_status_has_its_error(status: int, kind: type[ProviderError]) -> None:
    error = await error_of(as_json({"error": {"message": "the reason"}}, status))
    assert type(error) is kind
    assert str(error).startswith(f"HTTP {status}")
    assert str(error).endswith(": the reason")


async def test_a_refusal_without_a_body_still_has_its_status() -> None:
    assert str(await error_of(response(b"", 503))) == "HTTP 503"


async def test_a_refusal_whose_body_breaks_off_still_has_its_status() -> None:
    cut = head(429, "Content-Length: 1000", "Retry-After: 3") + b"{"
    error = await error_of(cut)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 3


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
async def test_a_refused_question_is_told_apart(code: str) -> None:
    error = await error_of(as_json({"error": {"message": "no", "code": code}}, 400))
    assert type(error) is ContentFilteredError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "m"}}', "m"),
        (b'[{"error": {"code": 400, "message": "m"}}]', "m"),
        (b'{"error": "m"}', "m"),
        (b'{"error": "Bad Request", "message": "m"}', "Bad Request: m"),
        (b'{"object": "error", "message": "m"}', "m"),
        (b'{"detail": "m"}', "m"),
        (b'{"detail": [{"loc": ["body", "model"], "msg": "m"}]}', "body.model: m"),
        (b'"m"', "m"),
        (b"m\n  n\x00o", "m n o"),
        (b'data: {"error": {"message": "m"}}\n\ndata: [DONE]\n\n', "m"),
        (b"<html><head><title>502 Bad\nGateway</title></head><body>x</body>", "502 Bad Gateway"),
        (b"<p>a &amp; b</p><script>c</script>", "a & b"),
        (b"[]", ""),
        (b"17", ""),
        (b"", ""),
    ],
)
def test_error_bodies_of_every_shape_are_read(body: bytes, message: str) -> None:
    assert read_error(body).message == message


def test_a_web_page_becomes_a_line_of_words() -> None:
    assert plain_text("<div>" + "a <b>b</b>\n" * 3) == "a b a b a b"


async def test_a_long_error_is_shortened() -> None:
    error = await error_of(as_json({"error": {"message": "word " * 9999}}, 500))
    assert len(str(error)) <= 400


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("inf", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


async def test_the_retry_after_header_reaches_the_error() -> None:
    error = await error_of(as_json({"error": {"message": "slow"}}, 429, "Retry-After: 12"))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 12


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}",
        "Incorrect API key provided: s3cr3t-key%2F%2Bvalue",
        f"Authorization: Bearer {KEY}",
    ],
)
@pytest.mark.parametrize("status", [200, 401])
async def test_a_key_that_the_server_repeats_is_masked(said: str, status: int) -> None:
    error = await error_of(as_json({"error": {"message": said}}, status), api_key=KEY)
    assert "s3cr3t" not in str(error)
    assert "***" in str(error)


async def test_a_key_is_masked_before_the_message_is_cut() -> None:
    said = "x" * 380 + KEY
    error = await error_of(as_json({"error": {"message": said}}, 401), api_key=KEY)
    assert "s3cr3t" not in str(error)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://u:pw@host/path?token=abc&x=1 now", "at https://***@host/path now"),
        ("key sk-proj-abc***xyz is wrong", "key *** is wrong"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "got ***"),
        ("nothing here", "nothing here"),
    ],
)
def test_what_looks_secret_is_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


async def test_a_redirect_is_not_followed_and_its_query_is_not_shown() -> None:
    error = await error_of(response(b"", 307, "Location: https://other/v2?token=abc"))
    assert type(error) is BadRequestError
    assert "(check base_url): redirected to https://other/v2" in str(error)
    assert "abc" not in str(error)


async def test_no_server_is_a_failed_connection() -> None:
    async with serve(b"") as wire:
        url = wire.url
    outcome = await ask(openai(url, api_key=KEY))
    assert type(outcome.error) is ConnectionFailedError
    assert str(outcome.error).startswith(f"cannot connect to {url.removeprefix('http://')}")


async def test_a_server_that_hangs_up_is_a_failed_connection() -> None:
    assert type(await error_of(b"")) is ConnectionFailedError


async def test_a_server_that_does_not_speak_http_is_a_bad_response() -> None:
    error = await error_of(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    assert type(error) is BadResponseError
    assert "check base_url" in str(error)


async def test_bytes_buffered_behind_a_slow_reader_survive_a_broken_connection() -> None:
    sent = asyncio.Event()

    async def breaks(_: Received, reader: Reader, writer: Writer) -> None:
        writer.write(
            head(200, "Transfer-Encoding: chunked") + in_chunks(events(delta("a")), end=False)
        )
        await sent.wait()
        writer.write(in_chunks(events(delta("b", "stop"), "[DONE]"), end=False))

    async with serve(breaks) as wire:
        provider = openai(wire.url)
        stream = provider.stream([user("hello")])
        assert await anext(stream) == TextDelta("a")
        sent.set()
        await _another_round_trip()
        assert await anext(stream) == TextDelta("b")
        await stream.aclose()
        await provider.close()


async def _another_round_trip() -> None:
    """Let the loop run until what the first server sent, and its hanging up, have arrived."""
    async with serve(sse(delta("x", "stop"))) as other:
        assert (await ask(openai(other.url))).text == "x"


async def test_silence_before_the_first_byte_is_a_timeout() -> None:
    async def silent(_: Received, reader: Reader, writer: Writer) -> None:
        await reader.read()

    error = await error_of(silent, timeouts=Timeouts(first_byte=0.05))
    assert type(error) is ProviderTimeoutError
    assert "no answer within 0.05 s" in str(error)


async def test_silence_after_the_head_is_a_first_byte_timeout() -> None:
    async def head_only(_: Received, reader: Reader, writer: Writer) -> None:
        writer.write(head())
        await reader.read()

    error = await error_of(head_only, timeouts=Timeouts(first_byte=0.05))
    assert "no answer within 0.05 s" in str(error)


async def test_silence_in_mid_stream_is_an_idle_timeout_that_keeps_the_text() -> None:
    async def stalls(_: Received, reader: Reader, writer: Writer) -> None:
        writer.write(sse(delta("so far")))
        await reader.read()

    async with serve(stalls) as wire:
        outcome = await ask(openai(wire.url, timeouts=Timeouts(idle=0.05)))
    assert type(outcome.error) is ProviderTimeoutError
    assert outcome.text == "so far"


async def test_silence_after_the_finish_reason_ends_the_answer() -> None:
    async def never_closes(_: Received, reader: Reader, writer: Writer) -> None:
        writer.write(sse(delta("whole", "stop")))
        await reader.read()

    async with serve(never_closes) as wire:
        outcome = await ask(openai(wire.url, timeouts=Timeouts(idle=0.05)))
    assert (outcome.text, outcome.error) == ("whole", None)


async def test_a_connection_that_is_not_accepted_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(address)
        provider = openai(f"http://127.0.0.1:{address[1]}", timeouts=Timeouts(connect=0.2))
        outcome = await ask(provider)
        for one in waiting:
            one.close()
    assert type(outcome.error) is ProviderTimeoutError
    assert "no connection to 127.0.0.1" in str(outcome.error)


async def test_requests_go_through_the_proxy_with_its_password() -> None:
    async with serve(sse(delta("hi", "stop"))) as proxy:
        url = proxy.url.replace("://", "://user:pass%2Fword@")
        outcome = await ask(openai("http://model.invalid", proxy=url))
    assert outcome.text == "hi"
    request = proxy.received[0]
    assert request.target == "http://model.invalid/v1/chat/completions"
    expected = b64encode(b"user:pass/word").decode()
    assert request.headers["proxy-authorization"] == f"Basic {expected}"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxys_password_is_in_no_error(scheme: str) -> None:
    async with serve(response(b"for user:passw0rd: no", 407)) as proxy:
        url = proxy.url.replace("://", "://user:passw0rd@")
        outcome = await ask(openai(f"{scheme}://model.invalid", proxy=url))
    unreachable = await ask(openai(f"{scheme}://model.invalid", proxy=url))
    assert isinstance(outcome.error, AuthenticationError | ConnectionFailedError)
    assert type(unreachable.error) is ConnectionFailedError
    assert "check proxy" in str(unreachable.error)
    for error in (outcome.error, unreachable.error):
        assert "passw0rd" not in str(error)
        assert "passw0rd" not in repr(error)


async def test_the_user_agent_is_a_setting() -> None:
    async with serve(sse(delta("hi", "stop"))) as wire:
        await ask(openai(wire.url, user_agent="mine/1"))
        await ask(openai(wire.url))
    assert [one.headers["user-agent"] for one in wire.received] == ["mine/1", "parlance"]


async def test_a_compressed_stream_is_read() -> None:
    body = gzip.compress(events(delta("squeezed", "stop"), "[DONE]"))
    async with serve(response(body, 200, "Content-Encoding: gzip")) as wire:
        assert (await ask(openai(wire.url))).text == "squeezed"


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    async def keeps(first: Received, reader: Reader, writer: Writer) -> None:
        body = events(delta("hi", "stop"), "[DONE]")
        kept = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        writer.write(kept)
        again = await reader.readuntil(b"\r\n\r\n")
        assert again.startswith(b"POST /v1/chat/completions ")
        writer.write(kept)

    async with serve(keeps) as wire:
        provider = openai(wire.url)
        for _ in range(2):
            got = [event async for event in provider.stream([user("hello")])]
            assert got[0] == TextDelta("hi")
        await provider.close()
    assert len(wire.received) == 1


async def test_closing_twice_is_harmless_and_nothing_starts_afterwards() -> None:
    provider = openai("http://127.0.0.1:9")
    await provider.close()
    await provider.close()
    with pytest.raises(RuntimeError, match="closed"):
        await anext(provider.stream([user("hello")]))


@pytest.mark.parametrize(
    ("base", "joined"),
    [
        ("https://h/v1", "https://h/v1/chat/completions"),
        ("https://h/v1/", "https://h/v1/chat/completions"),
        ("https://h", "https://h/chat/completions"),
        ("https://h/a%2Fb?api-version=1", "https://h/a%2Fb/chat/completions?api-version=1"),
    ],
)
def test_a_path_is_joined_to_any_base(base: str, joined: str) -> None:
    assert endpoint(base, "chat/completions") == joined


def test_everything_works_on_uvloop() -> None:
    async def main() -> str:
        async with serve(sse(delta("hi"), delta(finish="stop"), "[DONE]")) as wire:
            return (await ask(openai(wire.url))).text

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == "hi"


LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
CROWD, PIECES = 40, 60
"""Answers at once, of so many pieces each."""


async def drip(_: Received, reader: Reader, writer: Writer) -> None:
    """An answer in pieces, far apart enough to be read one by one; then the connection breaks."""
    writer.write(head(200, "Transfer-Encoding: chunked"))
    for number in range(PIECES):
        if writer.is_closing():
            return
        writer.write(in_chunks(events(delta(f"w{number} ")), end=False))
        await asyncio.sleep(0.01)
    # At once, also with TLS: a goodbye would wait for the client's.
    writer.transport.abort()


@pytest.fixture(params=[False, True], ids=["http", "https"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext | None:
    """Of a server that our client trusts."""
    if not request.param:
        return None
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = f"req -x509 -nodes -newkey rsa:2048 -days 2 -subj /CN=local -keyout {key}"
    named = f"-addext subjectAltName=IP:127.0.0.1 -out {certificate}"
    subprocess.run(["openssl", *made.split(), *named.split()], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    # aiohttp's own, which is made when it is imported.
    aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(certificate)
    return context


@LOOPS
def test_of_many_answers_at_once_what_has_arrived_is_taken_in_together(
    loop: Callable[[], asyncio.AbstractEventLoop], tls: ssl.SSLContext | None
) -> None:
    async def main() -> list[Outcome]:
        async with serve(drip, tls=tls) as wire:
            return await asyncio.gather(*(ask(openai(wire.url)) for _ in range(CROWD)))

    with asyncio.Runner(loop_factory=loop) as runner:
        answers = runner.run(main())
    whole = "".join(f"w{number} " for number in range(PIECES))
    assert [answer.text for answer in answers] == [whole] * CROWD
    assert {type(answer.error) for answer in answers} == {ConnectionFailedError}
    # Half of them and less; the slower the machine, the further apart the pieces come.
    assert sum(len(answer.events) for answer in answers) < CROWD * PIECES * 0.9


@LOOPS
def test_many_answers_can_be_given_up_while_their_next_pieces_are_let_gather(
    loop: Callable[[], asyncio.AbstractEventLoop], tls: ssl.SSLContext | None
) -> None:
    async def main() -> list[object]:
        async with serve(drip, tls=tls) as wire:
            provider = openai(wire.url)
            streams = [provider.stream([user("hello")]) for _ in range(CROWD)]
            await asyncio.gather(*map(anext, streams))
            reading = [asyncio.ensure_future(anext(stream)) for stream in streams]
            await asyncio.sleep(0.01)
            await provider.close()
            for task in reading:
                task.cancel()
            return await asyncio.gather(*reading, return_exceptions=True)

    with asyncio.Runner(loop_factory=loop) as runner:
        ends = runner.run(main())
    # Where the connection is closed sooner, what had arrived is handed out.
    given_up = (asyncio.CancelledError, ConnectionFailedError, TextDelta)
    assert [end for end in ends if not isinstance(end, given_up)] == []


@LOOPS
def test_a_connection_is_not_read_while_its_pieces_are_let_gather(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> list[bool]:
        async with serve(drip) as wire, AsyncExitStack() as stack:
            client = HttpClient(ProviderSettings("openai"))
            stack.push_async_callback(client.close)
            opened = [client.open(Request("GET", wire.url)) for _ in range(CROWD)]
            first, *_ = [await stack.enter_async_context(each) for each in opened]
            connection = first._response.connection
            assert connection is not None
            assert connection.transport is not None
            reads = [connection.transport.is_reading()]
            await first.read_chunk()
            resting = asyncio.ensure_future(first.read_chunk())
            await asyncio.sleep(0)
            reads.append(connection.transport.is_reading())
            resting.cancel()
            await asyncio.wait({resting})
            return [*reads, connection.transport.is_reading()]

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(main()) == [True, False, True]


async def test_a_host_that_no_name_can_have_is_told_as_a_setting() -> None:
    settings = ProviderSettings("openai", base_url="http://foo..bar/v1", model="m")
    provider = create(settings)
    with pytest.raises(BadRequestError, match="check base_url"):
        await anext(provider.stream([user("hi")]))
    await provider.close()
