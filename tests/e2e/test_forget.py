"""/forget: a chat is erased, and stays so."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from chat import numbered, replies

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from pathlib import Path

    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.updates import Update

FORGOTTEN = "Forgotten"


def rows(folder: Path, query: str, *values: str, queue: str = "") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / f"parlance{queue}.db")) as db:
        return db.execute(query, values).fetchall()


async def no_turns(folder: Path, chat: str) -> None:
    """Wait until there are none in the chats that begin so."""
    async with asyncio.timeout(10):
        while rows(folder, "SELECT 1 FROM turns WHERE chat LIKE ?", f"{chat}%"):  # noqa: ASYNC110 - it is told by a file
            await asyncio.sleep(0.02)


def files_with(folder: Path, text: str) -> list[str]:
    """Of both databases and what SQLite keeps beside them."""
    return [f.name for f in folder.glob("parlance*.db*") if text.encode() in f.read_bytes()]


def updates(tg: TelegramSandbox) -> list[Update]:
    return [pending.body for pending in tg.updates._pending]


def redeliver(tg: TelegramSandbox, delivered: list[Update]) -> None:
    for update in delivered:
        tg.updates.add("message", update["message"])


async def test_what_was_said_is_in_no_file_any_more_and_others_lose_nothing(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=lambda ms: f"zebra answer {ms[-1].text[:10]} " * 40))
    ada, bob = tg.user("Ada"), tg.user("Bob")
    await bot.start()
    for n in range(12):
        await ada.say(f"{n} walrus question " * (n * n + 1))
        await bob.say(f"{n} badger question")
    await tg.until(lambda: all(len(replies(tg, p)) >= 11 for p in (ada, bob)), within=30)
    await tg.until_quiet(ada, 0.5)
    await tg.until_quiet(bob, 0.5)
    chat = f"telegram:{tg.token.partition(':')[0]}:{ada.id}"
    assert files_with(bot.folder, "walrus")
    await ada.say("/forget")
    await tg.wait(lambda m: FORGOTTEN in m.text, chat=ada)
    await no_turns(bot.folder, chat)
    assert files_with(bot.folder, "walrus") == []
    assert files_with(bot.folder, f"{chat}:1:") == []
    assert rows(bot.folder, "SELECT count(*) FROM turns") == [(12,)]
    assert rows(bot.folder, "SELECT count(*) FROM posted") == [(12,)]
    ids = "SELECT workflow_uuid FROM workflow_status"
    mine = [
        id_ for (id_,) in rows(bot.folder, ids, queue=".turns") if str(id_).startswith(f"{chat}:")
    ]
    assert len(mine) == 1, "the /forget itself"
    await ada.say("and now?")
    await tg.wait(lambda m: "zebra answer and now" in m.text, chat=ada)
    assert [message.text for message in llm.requests[-1].messages][1:] == ["and now?"]
    assert files_with(bot.folder, "badger")


async def test_an_answer_is_stopped_and_a_waiting_question_is_gone(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(2000), rate=60))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("walrus question")
    await ada.say("walrus question that waits")
    await tg.wait(lambda m: "w20" in m.text)
    await ada.say("/forget")
    await tg.wait(lambda m: FORGOTTEN in m.text)
    await tg.until(lambda: "Stopped" in replies(tg, ada)[0].text)
    await tg.until_quiet(ada, 1.0)
    assert len(llm.requests) == 1
    assert len(replies(tg, ada)) == 2
    assert files_with(bot.folder, "walrus") == []
    assert files_with(bot.folder, "w20 ") == []
    assert await bot.stop() == 0
    await bot.start()
    await ada.say("hello")
    await tg.until(lambda: len(llm.requests) == 2)
    assert "Traceback" not in bot.log


async def test_a_shared_chat_is_forgotten_for_an_admin_only(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="an answer"))
    ada, bob = tg.user("Ada"), tg.user("Bob")
    group = tg.group("Group", members=[ada, bob])
    bot.environment = {"PARLANCE__ACCESS__ADMINS": str(ada.id)}
    await bot.start()
    await bob.say("/help", chat=group)
    await tg.wait(lambda m: "I also know" in m.text, chat=group)
    await bob.say("/forget", chat=group)
    await tg.wait(lambda m: "only an admin" in m.text, chat=group)
    assert len(rows(bot.folder, "SELECT * FROM turns")) == 2
    await ada.say("/forget", chat=group)
    await tg.wait(lambda m: FORGOTTEN in m.text, chat=group)
    await no_turns(bot.folder, "telegram")


async def test_what_was_forgotten_is_not_answered_when_it_is_delivered_again(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("walrus question")
    delivered = updates(tg)
    await tg.wait(lambda m: m.text == "an answer")
    await ada.say("/forget")
    delivered += updates(tg)
    await tg.wait(lambda m: FORGOTTEN in m.text)
    await no_turns(bot.folder, "telegram")
    assert len(delivered) == 2
    redeliver(tg, delivered)
    await ada.say("a new question")
    await tg.until(lambda: len(llm.requests) == 2)
    await tg.until_quiet(ada, 0.5)
    assert [m.text.partition(":")[0] for m in replies(tg, ada)] == [
        "an answer",
        FORGOTTEN,
        "an answer",
    ]
    assert files_with(bot.folder, "walrus") == []


@pytest.mark.parametrize(
    ("lost", "database"),
    [("DELETE FROM turns", "parlance.db"), ("DELETE FROM workflow_status", "parlance.turns.db")],
)
async def test_either_row_is_enough_to_know_what_was_answered(
    lost: str, database: str, tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("hi")
    delivered = updates(tg)
    await tg.wait(lambda m: m.text == "an answer")
    owed = "SELECT 1 FROM workflow_status WHERE status <> 'SUCCESS'"
    async with asyncio.timeout(10):
        while rows(bot.folder, owed, queue=".turns"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    assert await bot.stop() == 0
    with closing(sqlite3.connect(bot.folder / database)) as db:
        assert db.execute(lost).rowcount == 1
        db.commit()
    await bot.start()
    redeliver(tg, delivered)
    await ada.say("and then?")
    await tg.until(lambda: len(replies(tg, ada)) == 2)
    await tg.until_quiet(ada, 0.5)
    assert len(llm.requests) == 2
    assert len(replies(tg, ada)) == 2


async def test_discord_is_not_asked_for_what_was_forgotten(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    llm.script(Script(text="an answer"))
    ada, bob = dc.user("Ada"), dc.user("Bob")
    await discord_bot.start()
    await bob.say("first of all")
    await dc.wait(lambda m: m.text == "an answer", channel=bob.dm)
    await ada.say("walrus question")
    await dc.wait(lambda m: m.text == "an answer", channel=ada.dm)
    forget = await ada.slash("forget")
    await dc.until(lambda: FORGOTTEN in (forget.response or ""))
    await no_turns(discord_bot.folder, f"discord:%:{ada.dm.id}")
    assert await discord_bot.stop() == 0
    assert files_with(discord_bot.folder, "walrus") == []
    await ada.say("while it was away")
    await discord_bot.start()
    await dc.until(lambda: len(llm.requests) == 3, within=20)
    assert [m.text for m in llm.requests[-1].messages][1:] == ["while it was away"]
    assert "Traceback" not in discord_bot.log
