"""The demo, as a newcomer starts it."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from bot.demo.phone import styled
from sandbox.llm.script import Script
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

QUIET = {k: v for k, v in os.environ.items() if not k.startswith(("PARLANCE__", "OPENAI_"))}
DEMO = [sys.executable, "-m", "bot", "demo"]


async def piped(
    typed: str, *args: str, environ: Mapping[str, str] = QUIET
) -> tuple[int | None, str, str]:
    """The exit code, the answers and what else was said."""
    process = await asyncio.create_subprocess_exec(
        *DEMO,
        *args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(typed.encode())
    return process.returncode, out.decode(), err.decode()


async def test_a_pipe_gets_the_final_answers_and_exit_code_0() -> None:
    code, out, err = await piped(
        "my name is Ada\n\nwhat is my name?\n/help\n:discord\nmy name is Bo\nwhat is my name?"
    )
    assert code == 0
    in_telegram, menu, in_discord = out.partition("/retry")
    assert menu
    assert "Your name is Ada" in in_telegram
    assert "Your name is **Bo**" in in_discord
    assert "no language model" in err
    assert "Traceback" not in err


async def test_with_a_configuration_its_models_answer_and_no_token_is_needed(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.toml"
    async with LlmSandbox(Script("from the model of the file"), key="hush-key") as llm:
        config.write_text(
            '[telegram]\ntoken = "env:NOT_SET_ANYWHERE"\n'
            f'[providers.main]\nkind = "openai"\nbase_url = "{llm.openai_url}"\n'
            'model = "little-model"\napi_key = "hush-key"\n'
            '[providers.spare]\nkind = "demo"\n[chat]\nsystem_prompt = "Be brief."\n',
            "utf-8",
        )
        code, out, err = await piped("first\nsecond", "--config", str(config))
        asked = [[(m["role"], m["content"]) for m in r.body["messages"]] for r in llm.requests]
    assert (code, out) == (0, "from the model of the file\n" * 2)
    answer = ("assistant", "from the model of the file")
    first = [("system", "Be brief."), ("user", "first")]
    assert asked == [first, [*first, answer, ("user", "second")]]
    assert "main and spare" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("OPENAI_BASE_URL", "nowhere", "is not a URL that starts with http:// or https://"),
        ("OPENAI_API_KEY", "hush hush", "holds characters that no key has"),
    ],
)
async def test_a_bad_variable_of_the_environment_is_one_line(
    variable: str, value: str, problem: str
) -> None:
    environ = {**QUIET, "OPENAI_API_KEY": "hush", variable: value}
    code, out, err = await piped("hi", environ=environ)
    (line,) = err.splitlines()
    assert (code, out) == (2, "")
    assert f"{variable}: the value {problem}" in line
    assert "hush" not in line


async def test_in_a_terminal_ctrl_c_stops_the_answer_and_then_ends() -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *DEMO, stdin=theirs, stdout=theirs, stderr=theirs, env={**QUIET, "TERM": "xterm"}
    )
    os.close(theirs)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    screen = os.fdopen(ours, "rb+", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), screen)
    seen = ""

    async def until(text: str) -> None:
        nonlocal seen
        async with asyncio.timeout(30):
            while text not in seen:
                seen += (await reader.read(4096)).decode(errors="replace")
        seen = seen.partition(text)[2]

    await until("you >")
    os.write(ours, b"show me what you can do\n")
    await until("What an answer can look like")
    process.send_signal(signal.SIGINT)
    await until("Stopped")
    await until("you >")
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        assert await process.wait() == 0
    assert "Traceback" not in seen


def test_styles_are_counted_in_utf16_units() -> None:
    text = styled("😀 bold 😀 code", [
        {"type": "bold", "offset": 3, "length": 4},
        {"type": "code", "offset": 11, "length": 4},
    ])  # fmt: skip
    assert [(text.plain[s.start : s.end], s.style) for s in text.spans] == [
        ("bold", "bold"),
        ("code", "cyan"),
    ]
