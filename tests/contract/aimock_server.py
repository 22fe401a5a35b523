"""aimock, a third party's server of five of the protocols, on a loopback port of its own.

https://www.npmjs.com/package/@copilotkit/aimock
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import aiohttp
from provider_scenes import LONG, SCENES, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM = Path(__file__).parents[2] / "build" / "aimock" / "node_modules" / ".bin" / "llmock"
INSTALL = "npm install --no-save --prefix build/aimock @copilotkit/aimock@1.43.0"
ABSENT = f"aimock is not installed: {INSTALL}"
KINDS = ("openai", "responses", "anthropic", "gemini", "ollama")


@dataclass(frozen=True)
class Aimock:
    """A `model_servers.ModelServer`."""

    root: str
    unfaithful: ClassVar[Mapping[tuple[str, Scene], str]] = MappingProxyType(
        {
            ("responses", LONG): "aimock ends a Responses stream as completed, whatever is asked",
            ("ollama", LONG): "aimock writes done_reason stop in Ollama's protocol, always",
        }
    )

    def url(self, kind: str) -> str:
        return f"{self.root}/v1" if kind in ("openai", "responses") else self.root

    async def conversation(self) -> list[tuple[str, str]]:
        """Whatever the protocol, aimock notes a request as OpenAI has it."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.root}/__aimock/journal") as response,
        ):
            messages = (await response.json())[-1]["body"]["messages"]
        return [(message["role"], message["content"]) for message in messages]


@contextmanager
def running(folder: Path) -> Iterator[Aimock]:
    """Start it with the scenes; `folder` is for its files."""
    fixtures = folder / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": [_fixture(scene) for scene in SCENES]}), "utf-8")
    command = [PROGRAM, "--port", "0", "--fixtures", fixtures, "--strict", "--chunk-size", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Aimock(_address(process))
        finally:
            process.terminate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if listening := re.search(r"listening on (http://\S+)", line):
            return listening[1]
    raise RuntimeError("aimock ended before it listened")


def _fixture(scene: Scene) -> dict[str, object]:
    if scene.status != 200:
        reply: dict[str, object] = {"error": {"message": "no"}, "status": scene.status}
        if scene.retry_after is not None:
            reply["retryAfter"] = scene.retry_after
    else:
        reply = {"content": scene.answer}
        if scene.thought:
            reply["reasoning"] = scene.thought
        if scene.length:
            reply["finishReason"] = "length"
    fixture: dict[str, object] = {"match": {"userMessage": scene.question}, "response": reply}
    if scene.cut_after is not None:
        # A pause, so that what came before the cut has left the server.
        fixture |= {"truncateAfterChunks": scene.cut_after, "latency": 5}
    return fixture
