"""Each fault of a script is really on the wire: the bytes are read from a socket of our own."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from yarl import URL

from sandbox.llm.script import (
    EMPTY_REPLY,
    HTML_ERROR_PAGE,
    CleanEnd,
    Cut,
    Fault,
    HttpReply,
    Malformed,
    Script,
    Silence,
    Stall,
    StreamError,
)
from sandbox.llm.server import LlmSandbox

TEXT = "one two 😀 four"


@dataclass(frozen=True)
class Raw:
    head: str
    chunks: list[bytes]
    terminated: bool
    """The body ended with HTTP's last chunk (or with its declared length)."""

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def events(self) -> list[str]:
        lines = self.body.decode().splitlines()
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]

    @property
    def deltas(self) -> list[str]:
        choices = [json.loads(event)["choices"] for event in self.events if event != "[DONE]"]
        return [c[0]["delta"]["content"] for c in choices if c and c[0]["delta"].get("content")]


def parse(data: bytes) -> Raw:
    head, _, rest = data.partition(b"\r\n\r\n")
    text = head.decode().lower()
    if "transfer-encoding: chunked" not in text:
        length = int(text.split("content-length: ")[1].split("\r\n")[0])
        return Raw(text, [rest], len(rest) == length)
    chunks: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return Raw(text, chunks, terminated=True)
        chunks.append(rest[:count])
        rest = rest[count + 2 :]
    return Raw(text, chunks, terminated=False)


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script(TEXT)) as running:
        yield running


async def connect(
    server: LlmSandbox, *, stream: bool = True
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = URL(server.openai_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    )
    head = (
        f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: {url.authority}\r\n"
        f"Authorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write((head + body).encode())
    return reader, writer


async def ask(server: LlmSandbox, script: Script, *, stream: bool = True) -> Raw:
    """The whole response to one request that is answered by `script`."""
    server.script(script)
    reader, writer = await connect(server, stream=stream)
    data = await reader.read()
    writer.close()
    return parse(data)


async def test_without_a_fault_there_is_one_delta_and_one_write_a_word(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT))
    assert raw.deltas == ["one", " two", " 😀", " four"]
    assert raw.events[-1] == "[DONE]"
    assert len(raw.chunks) == 6  # the role, four words, and the finish with [DONE]
    assert raw.terminated


async def test_characters_as_deltas(server: LlmSandbox) -> None:
    raw = await ask(server, Script("ab 😀", chunking="chars"))
    assert raw.deltas == ["a", "b", " ", "😀"]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_writes_of_a_given_size_split_what_they_hold(server: LlmSandbox, size: int) -> None:
    whole = await ask(server, Script("😀 é"))
    raw = await ask(server, Script("😀 é", write_size=size))
    assert all(len(chunk) == size for chunk in raw.chunks[:-1])
    assert len(raw.body) == len(whole.body)
    assert raw.deltas == ["😀", " é"]


async def test_an_emoji_as_two_lone_surrogates_over_two_deltas(server: LlmSandbox) -> None:
    raw = await ask(server, Script("a 😀b", lone_surrogates=True))
    assert raw.deltas == ["a", " \ud83d", "\ude00b"]
    assert rb'" \ud83d"' in raw.body
    assert rb'"\ude00b"' in raw.body


@pytest.mark.parametrize("comment", [": keep-alive", ":"])
async def test_comments_stand_before_every_nth_chunk(server: LlmSandbox, comment: str) -> None:
    raw = await ask(server, Script(TEXT, comment=comment, comment_every=2))
    begins = [chunk.startswith(f"{comment}\n\n".encode()) for chunk in raw.chunks]
    assert begins == [True, False] * 3
    assert raw.deltas == ["one", " two", " 😀", " four"]


async def test_crlf_line_ends(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, crlf=True, comment_every=1))
    assert raw.body.count(b"\n") == raw.body.count(b"\r\n") > 0
    assert raw.body.endswith(b"data: [DONE]\r\n\r\n")


@pytest.mark.parametrize("reason", ["length", "content_filter", "", None])
async def test_the_finish_reason_is_sent_as_scripted(
    server: LlmSandbox, reason: str | None
) -> None:
    raw = await ask(server, Script("x", finish_reason=reason))
    assert json.loads(raw.events[-2])["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 529])
async def test_an_http_error_has_the_protocols_own_body(server: LlmSandbox, status: int) -> None:
    raw = await ask(server, Script(fault=HttpReply(status)))
    assert raw.status == status
    assert set(json.loads(raw.body)["error"]) == {"message", "type", "param", "code"}
    assert "retry-after" not in raw.head


async def test_retry_after(server: LlmSandbox) -> None:
    raw = await ask(server, Script(fault=HttpReply(429, retry_after="17")))
    assert "retry-after: 17" in raw.head


async def test_an_html_error_page(server: LlmSandbox) -> None:
    raw = await ask(server, Script(fault=HttpReply(502, HTML_ERROR_PAGE, "text/html")))
    assert raw.status == 502
    assert "content-type: text/html" in raw.head
    assert raw.body.decode() == HTML_ERROR_PAGE


async def test_an_empty_success(server: LlmSandbox) -> None:
    raw = await ask(server, Script(fault=EMPTY_REPLY))
    assert (raw.status, raw.body, raw.terminated) == (200, b"", True)


async def test_any_raw_body_at_200(server: LlmSandbox) -> None:
    body = 'error: {"code": 500}\n\n'
    raw = await ask(server, Script(fault=HttpReply(200, body, "text/event-stream")))
    assert "content-type: text/event-stream" in raw.head
    assert raw.body.decode() == body


async def test_a_wrong_content_type(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, content_type="text/plain"))
    assert "content-type: text/plain" in raw.head
    assert raw.events[-1] == "[DONE]"


async def test_an_error_object_in_the_stream(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, fault=StreamError(2, "broken")))
    assert json.loads(raw.events[-1])["error"]["message"] == "broken"
    assert len(raw.events) == 4  # the role, two words, the error
    assert raw.terminated


async def test_a_cut_closes_the_connection_inside_the_body(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, fault=Cut(2)))
    assert raw.deltas == ["one", " two"]
    assert not raw.terminated
    assert server.requests[-1].client_closed_at is None
    assert not server.requests[-1].finished


async def test_a_clean_end_lacks_only_the_finish_marker(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, fault=CleanEnd(2)))
    assert raw.deltas == ["one", " two"]
    assert raw.events[-1] != "[DONE]"
    assert raw.terminated
    assert not server.requests[-1].finished


async def test_a_fault_after_more_tokens_than_there_are_comes_before_the_finish(
    server: LlmSandbox,
) -> None:
    raw = await ask(server, Script(TEXT, fault=CleanEnd(99)))
    assert raw.deltas == ["one", " two", " 😀", " four"]
    assert "[DONE]" not in raw.events


async def test_malformed_json_in_an_otherwise_complete_stream(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, fault=Malformed(2)))
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw.events[3])
    assert raw.events[-1] == "[DONE]"
    assert raw.terminated


async def test_a_stall_sends_the_tokens_before_it_and_the_rest_when_released(
    server: LlmSandbox,
) -> None:
    server.script(Script(TEXT, write_size=1000, fault=Stall(2)))
    reader, writer = await connect(server)
    await server.until(lambda: bool(server.requests) and server.requests[0].stalled)
    before = await reader.readuntil(b" two")
    assert b"one" in before
    assert server.release() == 1
    rest = await reader.read()
    assert b" four" in rest
    assert rest.endswith(b"0\r\n\r\n")
    assert server.requests[0].finished
    writer.close()


async def test_silence_sends_no_byte_until_released(server: LlmSandbox) -> None:
    server.script(Script(TEXT, fault=Silence()))
    reader, writer = await connect(server)
    await server.until(lambda: bool(server.requests) and server.requests[0].stalled)
    assert server.requests[0].status is None
    assert server.requests[0].bytes_sent == 0
    server.release()
    assert parse(await reader.read()).events[-1] == "[DONE]"
    writer.close()


async def test_without_streaming_the_answer_is_one_json(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, rate=1000), stream=False)
    assert len(raw.chunks) == 1
    assert json.loads(raw.body)["choices"][0]["message"]["content"] == TEXT


@pytest.mark.parametrize(("fault", "terminated"), [(Cut(1), False), (CleanEnd(1), True)])
async def test_without_streaming_a_fault_leaves_half_a_json(
    server: LlmSandbox, fault: Fault, *, terminated: bool
) -> None:
    raw = await ask(server, Script(TEXT, fault=fault), stream=False)
    assert raw.body.endswith(b'"content":"one')
    assert raw.terminated is terminated


async def test_without_streaming_an_error_is_the_whole_body(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, fault=StreamError(2)), stream=False)
    assert raw.status == 200
    assert list(json.loads(raw.body)) == ["error"]


async def test_without_streaming_malformed_json(server: LlmSandbox) -> None:
    raw = await ask(server, Script(TEXT, fault=Malformed(2)), stream=False)
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw.body)
