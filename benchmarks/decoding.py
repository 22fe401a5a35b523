"""`python -m benchmarks.decoding`: how fast a stream of OpenAI's format is decoded, by whom.

Our provider and the openai SDK read the same answer from the same server. Server and clients are
processes of their own, so that CPU seconds and memory are the client's alone; what the clients
import and their first stream are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

CHUNKS = 200_000
SDK_CHUNKS = 20_000
"""Fewer: it takes more than ten times as long for each."""
_WARM_UP = 1_000
_STATUS = Path("/proc/self/status")
_ROOT = Path(__file__).parents[1]
_COMMAND = (sys.executable, "-m", "benchmarks.decoding")
_WORD = " word"
_CHUNK = b"""\
data: {"id":"chatcmpl-9xK2mQvT4bLcW7pYhJd3sRfZ","object":"chat.completion.chunk",\
"created":1764028800,"model":"gpt-4o-mini-2024-07-18","service_tier":"default",\
"system_fingerprint":"fp_a1b2c3d4e5","choices":[{"index":0,"delta":{"content":" word"},\
"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"k3Jd9fLq2"}

"""
"""As api.openai.com writes it."""
_END = b"""\
data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: [DONE]

"""
_HEAD = b"""\
HTTP/1.1 200 OK\r
Content-Type: text/event-stream\r
Content-Length: %d\r
\r
"""
_CHUNKS_PER_WRITE = 50
"""About 16 KB; what a fast server has written by the time a client reads."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What it took a client to read one answer."""

    chunks: int
    cpu: float
    """Seconds."""
    peak: float
    """Megabytes of memory, the interpreter and the client's imports included."""
    growth: float
    """Megabytes by which the peak rose after the first tenth of the answer."""

    @property
    def speed(self) -> float:
        """Chunks a CPU second."""
        return self.chunks / self.cpu


@dataclass(frozen=True, slots=True)
class Decoding:
    ours: Reading
    sdk: Reading

    @property
    def ratio(self) -> float:
        """How many times as fast ours is."""
        return self.ours.speed / self.sdk.speed


def run(chunks: int = CHUNKS, sdk_chunks: int = SDK_CHUNKS) -> Decoding:
    """Let both clients read, one after the other. Takes about 10 seconds of one core."""
    with _server() as url:
        return Decoding(_reading("ours", url, chunks), _reading("sdk", url, sdk_chunks))


@contextmanager
def _server() -> Iterator[str]:
    with subprocess.Popen(  # noqa: S603 - our own
        [*_COMMAND, "serve"], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _reading(client: str, url: str, chunks: int) -> Reading:
    command = [*_COMMAND, client, url, str(chunks)]
    ran = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own
    return Reading(**json.loads(ran.stdout))


async def _serve() -> None:
    """Answer until the process is ended; the model's name is the number of chunks."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"http://{host}:{port}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            chunks = int(json.loads(await reader.readexactly(int(length[1])))["model"])
            writer.write(_HEAD % (len(_CHUNK) * chunks + len(_END)))
            for start in range(0, chunks, _CHUNKS_PER_WRITE):
                writer.write(_CHUNK * min(_CHUNKS_PER_WRITE, chunks - start))
                await writer.drain()
            writer.write(_END)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _ours(url: str) -> Callable[[int], AsyncIterator[str]]:
    from providers.base import Message, ProviderSettings, Role, TextDelta  # noqa: PLC0415
    from providers.registry import create  # noqa: PLC0415 - a client imports its own library only

    async def texts(chunks: int) -> AsyncIterator[str]:
        provider = create(ProviderSettings("openai", base_url=url, api_key="k", model=str(chunks)))
        async for event in provider.stream([Message.of(Role.USER, "hello")]):
            if isinstance(event, TextDelta):
                yield event.text
        await provider.close()

    return texts


def _sdk(url: str) -> Callable[[int], AsyncIterator[str]]:
    from openai import AsyncOpenAI  # noqa: PLC0415 - a client imports its own library only

    async def texts(chunks: int) -> AsyncIterator[str]:
        async with AsyncOpenAI(base_url=url, api_key="k") as client:
            stream = await client.chat.completions.create(
                model=str(chunks), messages=[{"role": "user", "content": "hello"}], stream=True
            )
            async for chunk in stream:
                if text := chunk.choices[0].delta.content:
                    yield text

    return texts


_CLIENTS = {"ours": _ours, "sdk": _sdk}


async def _read(client: str, url: str, chunks: int) -> Reading:
    texts = _CLIENTS[client](url)
    async for _ in texts(_WARM_UP):
        pass
    read, early_peak = 0, 0.0
    began = time.process_time()
    async for text in texts(chunks):
        # Ours hands on what came together as one piece.
        read += text.count(_WORD)
        if not early_peak and read >= chunks // 10:
            early_peak = _peak()
    cpu = time.process_time() - began
    assert read == chunks, f"{client} read {read} of {chunks} chunks"
    peak = _peak()
    return Reading(chunks, cpu, peak, max(0.0, peak - early_peak))


def _peak() -> float:
    if _STATUS.exists():
        # Linux's ru_maxrss begins with that of the process this one was started by.
        (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
        return int(peak) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["serve", *_CLIENTS], help=argparse.SUPPRESS)
    parser.add_argument("url", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("chunks", nargs="?", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "serve":
        asyncio.run(_serve())
    elif options.part:
        reading = asyncio.run(_read(options.part, options.url, options.chunks))
        sys.stdout.write(json.dumps(asdict(reading)))
    else:
        sys.stdout.write(report(run()))


def report(decoding: Decoding) -> str:
    """A table of Markdown."""
    rows = [
        "| | chunks a CPU second | chunks | peak memory | of it after the first tenth |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {reading.speed:,.0f} | {reading.chunks:,} | {reading.peak:.0f} MB "
        f"| {reading.growth:.1f} MB |"
        for name, reading in (("Parlance", decoding.ours), ("openai SDK", decoding.sdk))
    ]
    return "\n".join((*rows, "", f"Parlance is {decoding.ratio:.1f} times as fast.", ""))


if __name__ == "__main__":
    main()
