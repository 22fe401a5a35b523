"""The sandbox as a whole: records, waiting, clients that leave, its HTTP control, its process."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from sandbox.llm.script import Fault, Script, Silence, Stall
from sandbox.llm.server import LlmSandbox, add_arguments, loopback

BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True}

SERVE = """
import argparse, asyncio
from sandbox.llm.server import add_arguments, serve
parser = argparse.ArgumentParser()
add_arguments(parser)
asyncio.run(serve(parser.parse_args()))
"""


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox() as running:
        yield running


@pytest.fixture
async def client(server: LlmSandbox) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def chat(
    server: LlmSandbox, client: aiohttp.ClientSession, body: object = BODY
) -> aiohttp.ClientResponse:
    return await client.post(f"{server.openai_url}/chat/completions", json=body)


def control(server: LlmSandbox, path: str) -> URL:
    return URL(server.openai_url).with_path(f"/control/{path}")


async def test_a_record_tells_what_was_asked_and_sent(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two three"))
    async with await chat(server, client) as response:
        received = await response.read()
    await server.until(lambda: server.requests[0].ended_at is not None)
    record = server.requests[0]
    assert (record.api, record.method, record.path) == ("openai", "POST", "/v1/chat/completions")
    assert record.body == BODY
    assert record.headers["Content-Type"] == "application/json"
    assert [(m.role, m.text) for m in record.messages] == [("user", "hello")]
    assert record.status == 200
    assert record.bytes_sent == len(received)
    assert record.tokens_sent == 3
    assert record.finished
    assert record.client_closed_at is None
    assert record.ended_at is not None
    assert record.arrived_at <= record.ended_at


async def test_a_refused_request_is_recorded(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    async with await chat(server, client, {"model": "m"}) as response:
        received = await response.read()
    assert server.requests[0].status == 400
    assert server.requests[0].bytes_sent == len(received)
    assert not server.requests[0].finished


@pytest.mark.parametrize("fault", [Stall(1), Stall(0), Silence()])
async def test_a_client_that_leaves_a_stalled_answer_is_noticed(
    server: LlmSandbox, fault: Fault
) -> None:
    server.script(Script("one two", fault=fault))
    url = URL(server.openai_url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    body = json.dumps(BODY)
    writer.write(
        f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    await server.until(lambda: bool(server.requests) and server.requests[0].stalled)
    assert server.requests[0].client_closed_at is None
    writer.close()
    await server.until(lambda: server.requests[0].client_closed_at is not None)
    await server.until(lambda: server.requests[0].ended_at is not None)
    assert not server.requests[0].finished
    assert not server.requests[0].stalled


async def test_a_client_that_leaves_between_two_tokens_is_noticed(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("word " * 100_000, rate=1000))
    response = await chat(server, client)
    await server.until(lambda: server.requests[0].tokens_sent >= 3)
    response.close()
    await server.until(lambda: server.requests[0].ended_at is not None)
    assert server.requests[0].client_closed_at is not None
    assert 3 <= server.requests[0].tokens_sent < 100_000


async def test_a_client_that_does_not_read_holds_the_server_back(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("x " + "y" * 20_000_000))
    response = await chat(server, client)
    await server.until(lambda: server.requests[0].tokens_sent >= 1)
    response.close()
    await server.until(lambda: server.requests[0].ended_at is not None)
    assert server.requests[0].client_closed_at is not None
    assert not server.requests[0].finished


async def test_a_stop_of_the_server_is_no_leaving_of_the_client() -> None:
    async with LlmSandbox(Script("one", fault=Stall())) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        async with aiohttp.ClientSession(headers=headers) as client:
            response = await chat(server, client)
            await server.until(lambda: server.requests[0].stalled)
            await server.__aexit__(None, None, None)
            await server.until(lambda: server.requests[0].ended_at is not None)
            response.close()
    assert server.requests[0].client_closed_at is None
    assert not server.requests[0].finished


async def test_the_first_token_is_awaited_after_the_headers(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", first_token=3600))
    response = await chat(server, client)
    assert response.status == server.requests[0].status == 200
    assert server.requests[0].bytes_sent == 0
    response.close()


async def test_at_a_slow_rate_the_first_token_comes_alone(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", rate=1 / 3600))
    response = await chat(server, client)
    received = b""
    while b'"one"' not in received:
        received += await response.content.readany()
    assert server.requests[0].tokens_sent == 1
    assert b"two" not in received
    response.close()


async def test_a_reply_sent_whole_keeps_its_headers_back_too(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", rate=1 / 3600))
    waiting = asyncio.ensure_future(chat(server, client, {**BODY, "stream": False}))
    await server.until(lambda: bool(server.requests) and server.requests[0].tokens_sent == 1)
    assert server.requests[0].status is None
    assert server.requests[0].bytes_sent == 0
    waiting.cancel()
    await server.until(lambda: server.requests[0].client_closed_at is not None)


async def test_release_ends_only_the_stalls_that_are_going_on(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", fault=Stall(1)))
    first, second = await chat(server, client), await chat(server, client)
    await server.until(lambda: [r.stalled for r in server.requests] == [True, True])
    assert server.release() == 2
    assert (await first.read()).endswith(b"data: [DONE]\n\n")
    assert (await second.read()).endswith(b"data: [DONE]\n\n")
    assert server.release() == 0


async def test_until_raises_what_its_predicate_raises(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    waiting = asyncio.ensure_future(
        server.until(lambda: bool(server.requests) and server.requests[5].finished)
    )
    async with await chat(server, client) as response:
        assert response.status == 200
    with pytest.raises(IndexError):
        await waiting


async def test_many_streams_at_once_are_each_complete(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script(text=lambda messages: messages[-1].text + " word" * 50, rate=500))

    async def one(number: int) -> str:
        body = {**BODY, "messages": [{"role": "user", "content": f"q{number}"}]}
        async with await chat(server, client, body) as response:
            data = (await response.text()).split("\n\n")[1:-3]
        return "".join(json.loads(d[6:])["choices"][0]["delta"]["content"] for d in data)

    answers = await asyncio.gather(*(one(number) for number in range(60)))
    assert answers == [f"q{number}" + " word" * 50 for number in range(60)]
    assert [record.tokens_sent for record in server.requests] == [51] * 60


async def test_scripts_can_be_set_over_http(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    command = {
        "script": {"text": "one two", "write_size": 5, "fault": {"kind": "clean_end", "after": 1}},
        "times": 1,
        "when": "hello",
    }
    async with client.post(control(server, "script"), json=command) as response:
        assert response.status == 200
    async with await chat(server, client) as response:
        cut_short = await response.text()
    async with await chat(server, client) as response:
        complete = await response.text()
    assert '"one"' in cut_short
    assert "[DONE]" not in cut_short
    assert "You" in complete
    assert "[DONE]" in complete


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reply", "status": 503, "retry_after": "1"},
        {"kind": "too_long"},
        {"kind": "silence"},
        {"kind": "stall"},
        {"kind": "error", "after": 1, "message": "x"},
        {"kind": "cut", "torn": True},
        {"kind": "clean_end"},
        {"kind": "malformed"},
    ],
)
async def test_every_fault_can_be_set_over_http(
    server: LlmSandbox, client: aiohttp.ClientSession, fault: dict[str, object]
) -> None:
    async with client.post(
        control(server, "script"), json={"script": {"fault": fault}}
    ) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("field", "command"),
    [
        ("script", {}),
        ("times", {"script": {}, "times": 0}),
        ("when", {"script": {}, "when": 5}),
        ("script.texts", {"script": {"texts": "x"}}),
        ("script.rate", {"script": {"rate": -1}}),
        ("script.chunking", {"script": {"chunking": "lines"}}),
        ("script.fault.kind", {"script": {"fault": {"kind": "fire"}}}),
        ("script.fault.kind", {"script": {"fault": "cut"}}),
        ("script.fault.status", {"script": {"fault": {"kind": "reply"}}}),
        ("script.fault.after", {"script": {"fault": {"kind": "cut", "after": -1}}}),
    ],
)
async def test_a_wrong_command_is_refused_by_name(
    server: LlmSandbox, client: aiohttp.ClientSession, field: str, command: dict[str, object]
) -> None:
    async with client.post(control(server, "script"), json=command) as response:
        assert response.status == 400
        assert (await response.json())["error"]["field"] == field


async def test_requests_can_be_read_and_stalls_released_over_http(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", fault=Stall(1)))
    stream = await chat(server, client)
    await server.until(lambda: server.requests[0].stalled)
    async with client.get(control(server, "requests")) as response:
        text = await response.text()
    shown = json.loads(text)["requests"]
    assert len(shown) == 1
    assert shown[0]["messages"] == [{"role": "user", "text": "hello", "images": []}]
    assert shown[0]["tokens_sent"] == 1
    assert shown[0]["stalled"] is True
    assert str(server.key) not in text
    async with client.post(control(server, "release")) as response:
        assert await response.json() == {"released": 1}
    assert (await stream.read()).endswith(b"data: [DONE]\n\n")


async def test_the_servers_have_urls_of_their_own(server: LlmSandbox) -> None:
    urls = [
        server.openai_url,
        server.responses_url,
        server.anthropic_url,
        server.gemini_url,
        server.ollama_url,
        server.getgpt_url,
        server.yqcloud_url,
        server.aichat_url,
        server.gptalk_url,
    ]
    assert len(set(urls)) == 9
    assert server.openai_url.endswith("/v1")
    assert server.responses_url.endswith("/v1")
    assert {URL(url).host for url in urls} == {"127.0.0.1"}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", "::", ""])  # noqa: S104
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        LlmSandbox(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_loopback_has_many_names(host: str) -> None:
    assert loopback(host) == host


@pytest.mark.parametrize(
    "arguments",
    [["--host", "0.0.0.0"], ["--rate", "-1"], ["--rate", "nan"], ["--text", "no-such-file"]],  # noqa: S104
)
def test_a_wrong_argument_ends_with_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_says_where_it_serves_and_stops_on_a_signal(
    tmp_path: Path, stop: signal.Signals
) -> None:
    text = tmp_path / "text.md"
    text.write_text("Grüße", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, "--text", str(text), "--key", "k", "--rate", "1000",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert set(ready) == {
        "server", "openai", "responses", "anthropic", "gemini", "ollama",
        "getgpt", "yqcloud", "aichat", "gptalk",
    }  # fmt: skip
    headers = {"Authorization": "Bearer k"}
    url = f"{ready['openai']}/chat/completions"
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(url, json={**BODY, "stream": False}) as response,
    ):
        assert (await response.json())["choices"][0]["message"]["content"] == "Grüße"
    process.send_signal(stop)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_a_taken_port_is_one_plain_line(server: LlmSandbox) -> None:
    port = URL(server.openai_url).port
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, "--port", str(port),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 1
    assert out == b""
    assert err.decode().startswith(f"can't listen on 127.0.0.1:{port}: ")
    assert err.count(b"\n") == 1
