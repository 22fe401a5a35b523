"""litellm's proxy in front of the sandbox, in a virtual environment of its own below build/.

It is 500 MB with what it needs, so no dependency of ours: the first run installs it.
https://docs.litellm.ai/docs/simple_proxy
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar
from urllib.request import Request, urlopen

import aiohttp
from model_servers import KEY
from provider_scenes import CUT, REFUSED, SCENES, Scene
from yarl import URL

from sandbox.llm.script import Cut, HttpReply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION = "1.106.2"
ENVIRONMENT = Path(__file__).parents[2] / "build" / "litellm"
PROGRAM = ENVIRONMENT / "bin" / "litellm"
KINDS = ("openai", "gemini")
NO_RETRY_AFTER = "litellm does not pass Retry-After on"
BREAKS_AS_500 = "litellm answers 500 in the place of a stream that breaks"


class NotInstalledError(Exception):
    """litellm is not there and can't be had; the message says why."""


@dataclass(frozen=True)
class Proxy:
    """A `model_servers.ModelServer`."""

    root: str
    sandbox: str
    """Origin of the server behind it."""
    unfaithful: ClassVar[Mapping[tuple[str, Scene], str]] = MappingProxyType(
        {
            ("openai", CUT): BREAKS_AS_500,
            ("gemini", CUT): BREAKS_AS_500,
            ("openai", REFUSED[429]): NO_RETRY_AFTER,
            ("gemini", REFUSED[429]): NO_RETRY_AFTER,
            ("gemini", REFUSED[401]): "litellm answers 500 to Gemini's clients, whatever happened",
        }
    )

    def url(self, kind: str) -> str:
        return f"{self.root}/v1" if kind == "openai" else self.root

    async def conversation(self) -> list[tuple[str, str]]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.sandbox}/control/requests") as response,
        ):
            messages = (await response.json())["requests"][-1]["messages"]
        return [(message["role"], message["text"]) for message in messages]


def install() -> None:
    """Make its environment, once. Raises NotInstalledError."""
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with ENVIRONMENT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest may have several processes
        if not PROGRAM.exists():
            _install()


def _install() -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise NotInstalledError("there is no uv to install litellm with")
    python = ["--python", str(ENVIRONMENT / "bin" / "python")]
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)],
        [uv, "pip", "install", "--quiet", *python, f"litellm[proxy]=={VERSION}"],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            said = " ".join(ran.stderr.split())
            raise NotInstalledError(f"litellm can't be installed: {said[-200:]}")


@contextmanager
def running(folder: Path) -> Iterator[Proxy]:
    """Start the sandbox with the scenes, and the proxy; `folder` is for its files."""
    port = _free_port()
    with _sandbox() as base_url:
        origin = str(URL(base_url).origin())
        for scene in SCENES:
            _post(f"{origin}/control/script", {"script": _form(scene), "when": scene.question})
        upstream = {"model": "openai/sandbox", "api_base": base_url, "api_key": KEY}
        config = {
            "model_list": [{"model_name": "sandbox", "litellm_params": upstream}],
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        }
        (folder / "config.yaml").write_text(json.dumps(config), "utf-8")
        with _proxy(folder, port):
            yield Proxy(f"http://127.0.0.1:{port}", origin)


@contextmanager
def _sandbox() -> Iterator[str]:
    command = [sys.executable, "-m", "sandbox", "llm", "--key", KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["openai"]
        finally:
            process.terminate()


@contextmanager
def _proxy(folder: Path, port: int) -> Iterator[None]:
    environ = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # It fetches one otherwise.
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # On loopback, for a test.
    }
    command = [PROGRAM, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--telemetry", "False"],
        cwd=folder, env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            told = deque(maxlen=20)
            for line in process.stdout:
                told.append(line)
                if "Uvicorn running on" in line:
                    break
            else:
                raise RuntimeError(f"litellm ended: {''.join(told)}")
            # What it writes from now on must not fill the pipe.
            reader = Thread(target=deque, args=(process.stdout, 0))
            reader.start()
            yield
        finally:
            process.terminate()
        reader.join()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _form(scene: Scene) -> dict[str, object]:
    """The scene's script, as the sandbox takes it from another process."""
    script = scene.script()
    form: dict[str, object] = {
        "text": scene.answer,
        "thinking": script.thinking,
        "finish_reason": script.finish_reason,
    }
    match script.fault:
        case Cut(after=after):
            form["fault"] = {"kind": "cut", "after": after}
        case HttpReply(status=status, retry_after=wait):
            fault = {"kind": "reply", "status": status}
            form["fault"] = fault if wait is None else {**fault, "retry_after": wait}
    return form


def _post(url: str, value: object) -> None:
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(value).encode(), headers)) as response:  # noqa: S310 - http
        assert response.status == 200
