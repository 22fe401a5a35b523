"""All model servers on one loopback port; in a test, or as `python -m sandbox llm`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web
from yarl import URL

from sandbox import command
from sandbox.llm.aichat import AichatApi
from sandbox.llm.anthropic import AnthropicApi
from sandbox.llm.control import Control
from sandbox.llm.gemini import GeminiApi
from sandbox.llm.getgpt import GetGptApi
from sandbox.llm.gptalk import GptalkApi
from sandbox.llm.journal import Journal
from sandbox.llm.ollama import OllamaApi
from sandbox.llm.openai import OpenAiApi
from sandbox.llm.playbook import Condition, Playbook
from sandbox.llm.responses import ResponsesApi
from sandbox.llm.script import Script, echo
from sandbox.llm.yqcloud import YqcloudApi
from sandbox.loopback import loopback

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sandbox.llm.api import Api
    from sandbox.llm.journal import Record

DEFAULT_KEY = "sandbox-key"
MAX_REQUEST_SIZE = 64 * 1024 * 1024
"""Bytes; images travel inside the request."""
SHUTDOWN_GRACE = 0.01
"""Seconds a running answer is given before it is cancelled."""


class LlmSandbox:
    """Model servers under test: `async with LlmSandbox() as sandbox`.

    Every URL is what the protocol's base_url takes. `key` is the key of those servers that want
    one (openai, responses, anthropic, gemini); None accepts any, though not none. Raises
    ValueError for a host that is not loopback.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        key: str | None = DEFAULT_KEY,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._host = loopback(host)
        self._port = port
        self._journal = Journal()
        self._playbook = Playbook(script or Script())
        self.key = key
        self.gptalk = GptalkApi(self._journal, self._playbook)
        """Its counters (`logins`, `uses`) and knobs (`expire_tokens`, `refuse_next`)."""
        self._apis: tuple[Api, ...] = (
            OpenAiApi(self._journal, self._playbook, key),
            ResponsesApi(self._journal, self._playbook, key),
            AnthropicApi(self._journal, self._playbook, key),
            GeminiApi(self._journal, self._playbook, key),
            OllamaApi(self._journal, self._playbook),
            GetGptApi(self._journal, self._playbook),
            YqcloudApi(self._journal, self._playbook),
            AichatApi(self._journal, self._playbook),
            self.gptalk,
        )
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_REQUEST_SIZE)
        for api in self._apis:
            app.add_routes(api.routes())
        app.add_routes(Control(self._journal, self._playbook).routes())
        # A client that goes away cancels its handler; that is how its leaving is noticed at once.
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=SHUTDOWN_GRACE
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        self._journal.closing = True
        await self._runner.cleanup()

    @property
    def urls(self) -> dict[str, str]:
        """Protocol name → base URL."""
        assert self._runner is not None, "the server is not running"
        host, port = self._runner.addresses[0][:2]
        origin = URL.build(scheme="http", host=host, port=port)
        return {api.name: str(origin.with_path(api.root)) for api in self._apis}

    @property
    def openai_url(self) -> str:
        return self.urls["openai"]

    @property
    def responses_url(self) -> str:
        return self.urls["responses"]

    @property
    def anthropic_url(self) -> str:
        return self.urls["anthropic"]

    @property
    def gemini_url(self) -> str:
        return self.urls["gemini"]

    @property
    def ollama_url(self) -> str:
        return self.urls["ollama"]

    @property
    def getgpt_url(self) -> str:
        return self.urls["getgpt"]

    @property
    def yqcloud_url(self) -> str:
        return self.urls["yqcloud"]

    @property
    def aichat_url(self) -> str:
        return self.urls["aichat"]

    @property
    def gptalk_url(self) -> str:
        return self.urls["gptalk"]

    @property
    def requests(self) -> list[Record]:
        """Every request so far, oldest first, refused ones too."""
        return self._journal.records

    def script(
        self, script: Script, *, times: int | None = None, when: Condition | str | None = None
    ) -> None:
        """Use `script` by default, for the next `times` requests, or for those that meet `when`.

        Conditions come before the queue, the queue before the default; within each, the oldest
        first. A string as `when` is looked for in the last user message. A request that the
        protocol's checks refuse uses nothing up.
        """
        self._playbook.add(script, times=times, when=when)

    def release(self) -> int:
        """End all stalls that are going on, and return their number."""
        return self._journal.release()

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until `predicate()` holds; it is asked now and at every change of a record."""
        await self._journal.until(predicate)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m sandbox llm`."""
    command.add_address(parser)
    parser.add_argument(
        "--rate", type=command.not_negative, default=0.0, help="tokens/s; 0: no limit"
    )
    parser.add_argument(
        "--first-token",
        type=command.not_negative,
        default=0.0,
        help="seconds before the first token",
    )
    parser.add_argument(
        "--key", default=DEFAULT_KEY, help=f"the servers' API key (default: {DEFAULT_KEY})"
    )
    parser.add_argument(
        "--text",
        type=_text_of,
        default=echo,
        metavar="FILE",
        help="answer with this file's text (default: echo the question)",
    )


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says when and where."""
    script = Script(text=args.text, rate=args.rate, first_token=args.first_token)
    sandbox = LlmSandbox(script, key=args.key, host=args.host, port=args.port)
    await command.serve(sandbox, args, lambda sandbox: {"server": "llm", **sandbox.urls})


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"can't read {path}: {error}") from None
