"""Every fault in every protocol: what arrives, as bytes, whatever they mean."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from llm_calls import CALLS, ask, ticket

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

TEXT = "alpha beta gamma"
EVERY = pytest.mark.parametrize("api", CALLS)
STREAMED = pytest.mark.parametrize("api", [name for name, call in CALLS.items() if call.streams])
IN_JSON = pytest.mark.parametrize("api", [name for name, call in CALLS.items() if call.in_json])


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script(TEXT)) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@EVERY
async def test_without_a_fault_the_answer_is_complete(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    raw = await ask(server, client, api)
    assert (raw.status, raw.complete) == (200, True)
    assert b"alpha" in raw.body
    assert b"gamma" in raw.body
    assert CALLS[api].end in raw.body


@EVERY
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 529])
async def test_an_http_error_is_json_of_the_protocols_own(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str, status: int
) -> None:
    server.script(Script(fault=HttpReply(status)))
    raw = await ask(server, client, api)
    assert raw.status == status
    assert json.loads(raw.body)["error"]
    assert "Retry-After" not in raw.headers


@EVERY
async def test_retry_after(server: LlmSandbox, client: aiohttp.ClientSession, api: str) -> None:
    server.script(Script(fault=HttpReply(429, retry_after="17")))
    raw = await ask(server, client, api)
    if api == "gemini":
        assert b'"retryDelay":"17s"' in raw.body
    else:
        assert raw.headers["Retry-After"] == "17"


@EVERY
async def test_a_page_of_html_and_nothing_at_all(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script(fault=HttpReply(502, HTML_ERROR_PAGE, "text/html")), times=1)
    raw = await ask(server, client, api)
    assert (raw.status, raw.body.decode()) == (502, HTML_ERROR_PAGE)
    server.script(Script(fault=EMPTY_REPLY))
    if api == "gptalk":  # the reply stands in for its second call, which names no token then
        raw = await ticket(client, server.gptalk_url)
    else:
        raw = await ask(server, client, api)
    assert (raw.status, raw.body) == (200, b"")


@EVERY
async def test_a_prompt_that_is_too_long_is_refused(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script(fault=TooLong()))
    raw = await ask(server, client, api)
    assert raw.status == 400
    assert json.loads(raw.body)["error"]


@EVERY
async def test_a_wrong_content_type(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script(TEXT, content_type="text/plain"))
    raw = await ask(server, client, api)
    assert raw.headers["Content-Type"] == "text/plain"
    assert CALLS[api].end in raw.body


@STREAMED
@pytest.mark.parametrize(("fault", "complete"), [(Cut, False), (CleanEnd, True)])
async def test_a_truncated_stream_has_no_end(
    server: LlmSandbox,
    client: aiohttp.ClientSession,
    api: str,
    fault: Callable[..., Cut | CleanEnd],
    *,
    complete: bool,
) -> None:
    server.script(Script(TEXT, fault=fault(2)))
    raw = await ask(server, client, api)
    assert raw.complete is complete
    assert b"beta" in raw.body
    assert b"gamma" not in raw.body
    if CALLS[api].end:
        assert CALLS[api].end not in raw.body
    server.script(Script(TEXT, fault=fault(2, torn=True)))
    torn = await ask(server, client, api)
    assert torn.complete is complete
    assert len(torn.body) > len(raw.body)
    assert not torn.body.endswith((b"\n", b"}"))


@STREAMED
async def test_an_error_in_the_stream_comes_after_what_was_said(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script(TEXT, fault=StreamError(2, "it broke")))
    raw = await ask(server, client, api)
    assert (raw.status, raw.complete) == (200, True)
    assert raw.body.index(b"beta") < raw.body.index(b"it broke")
    assert b"gamma" not in raw.body


@EVERY
async def test_a_malformed_piece_changes_an_otherwise_complete_answer(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script(TEXT, fault=Malformed(2)))
    raw = await ask(server, client, api)
    assert raw.complete
    assert b"gamma" in raw.body
    broken = raw.body[raw.body.index(b"beta") : raw.body.index(b"gamma")]
    assert any(sign in broken for sign in (b"oops", b"\xff\xfe", b'"]'))


@EVERY
@pytest.mark.parametrize("fault", [Silence(), Stall(0), Stall(1)])
async def test_a_stall_lasts_until_released(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str, fault: Silence | Stall
) -> None:
    server.script(Script(TEXT, fault=fault))
    answer = asyncio.ensure_future(ask(server, client, api))
    await server.until(lambda: bool(server.requests) and server.requests[-1].stalled)
    record = server.requests[-1]
    assert record.tokens_sent == (fault.after if isinstance(fault, Stall) else 0)
    assert record.status == (200 if isinstance(fault, Stall) else None)
    assert not answer.done()
    server.release()
    raw = await answer
    assert b"gamma" in raw.body
    assert CALLS[api].end in raw.body


@IN_JSON
async def test_a_line_of_ten_megabytes_is_legal(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    size = 10_000_000
    plain = await ask(server, client, api)
    server.script(Script(TEXT, padding=size))
    raw = await ask(server, client, api)
    assert max(len(line) for line in raw.body.splitlines()) > size
    assert b" " * size + b"{" in raw.body
    assert CALLS[api].end in raw.body
    assert abs(len(raw.body) - size - len(plain.body)) < 100  # numbers and times differ


@EVERY
async def test_gzip_is_readable_at_every_write(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script(TEXT, gzip=True))
    raw = await ask(server, client, api)
    assert raw.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(raw.body)
    assert b"gamma" in text
    assert CALLS[api].end in text
    await server.until(lambda: server.requests[-1].ended_at is not None)
    assert server.requests[-1].bytes_sent == len(raw.body)
    if CALLS[api].streams:
        server.script(Script(TEXT, gzip=True, fault=Cut(2)))
        cut = zlib.decompressobj(wbits=31).decompress((await ask(server, client, api)).body)
        assert b"beta" in cut
        assert b"gamma" not in cut


@EVERY
async def test_an_http_error_can_be_compressed(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script(gzip=True, fault=HttpReply(500)))
    raw = await ask(server, client, api)
    assert (raw.status, raw.headers["Content-Encoding"]) == (500, "gzip")
    assert json.loads(gzip.decompress(raw.body))["error"]


@STREAMED
async def test_utf8_split_over_writes(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script("Grüße 😀", write_size=1))
    raw = await ask(server, client, api)
    assert "Grüße".encode() in raw.body
    assert "😀".encode() in raw.body


@IN_JSON
async def test_lone_surrogates_are_two_escapes(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    server.script(Script("a 😀", lone_surrogates=True))
    raw = await ask(server, client, api)
    assert rb"\ud83d" in raw.body
    assert rb"\ude00" in raw.body


@pytest.mark.parametrize("api", ["openai", "responses", "anthropic", "ollama", "getgpt", "gptalk"])
async def test_line_ends_can_be_crlf(
    server: LlmSandbox, client: aiohttp.ClientSession, api: str
) -> None:
    assert b"\r" not in (await ask(server, client, api)).body
    server.script(Script(TEXT, crlf=True))
    raw = await ask(server, client, api)
    assert raw.body.count(b"\n") == raw.body.count(b"\r\n") > 0
