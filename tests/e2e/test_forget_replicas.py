"""A chat is forgotten while several replicas share the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
from chat import numbered, replies
from command_line import parlance
from replica_set import Replicas

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.users import ScriptedUser


async def test_an_answer_is_stopped_and_erased_wherever_it_is_written(
    tg: TelegramSandbox, llm: LlmSandbox, tmp_path: Path, postgres_url: str
) -> None:
    """Half of the chats by /forget, half from outside."""
    llm.script(Script(text=numbered(4000), rate=40))
    people = [tg.user(f"P{n}") for n in range(6)]
    replicas = Replicas(tmp_path, postgres_url, llm, telegram=tg)
    try:
        bots = [await replicas.start(), await replicas.start()]
        for person in people:
            await person.say("walrus question")
            await person.say("walrus question that waits")
        for person in people:
            await tg.wait(lambda m: "w20" in m.text, chat=person)
        for person in people[:3]:
            await person.say("/forget")
        for person in people[3:]:
            await asyncio.to_thread(forget, bots[0].config, postgres_url, tg, person)
        for person in people:
            await tg.until(lambda p=person: "Stopped" in replies(tg, p)[0].text, within=20)
            await tg.until_quiet(person, 0.5)
        for person in people[:3]:
            assert replies(tg, person)[-1].text.startswith("Forgotten")
        assert len(llm.requests) == 6
        await people[0].say("hello")
        await people[5].say("hello")
        await tg.wait(lambda m: "w20" in m.text, chat=people[0])
        await tg.until(lambda: len(llm.requests) == 8)
        with psycopg.connect(postgres_url) as db:
            kept = db.execute("SELECT question FROM turns WHERE question <> 'forget'").fetchall()
        assert kept == [("hello",), ("hello",)]
    finally:
        await replicas.discard()
    for bot in bots:
        assert "Traceback" not in bot.log


def forget(config: Path, url: str, tg: TelegramSandbox, person: ScriptedUser) -> None:
    """By another process than the replicas."""
    own = config.with_name(f"{person.id}.toml")
    text = config.read_text("utf-8")
    own.write_text(text[: text.index("[storage]")] + f'[storage]\nurl = "{url}"\n', "utf-8")
    chat = f"telegram:{tg.token.partition(':')[0]}:{person.id}"
    done = parlance("forget", "--chat", chat, "--config", str(own))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "turns:                     2 erased, 0 left" in done.stdout
