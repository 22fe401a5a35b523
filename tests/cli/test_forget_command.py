"""`parlance forget`, on real databases with a queue that DBOS made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from asked import said as spoken
from command_line import parlance
from kept import opened
from queue_programs import run

from bot.chat.keys import ChatKey, TurnKey
from bot.chat.lesson import Lesson
from bot.store.databases import Databases, make_engine
from bot.store.history import History
from bot.store.lessons import LessonStore
from bot.store.messages import Messages
from bot.store.schema import Outcome

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from bot.store.database import Database

CHAT = ChatKey("telegram", "7", "1")
TOPIC = ChatKey("telegram", "7", "1", "5")
OTHER = ChatKey("telegram", "7", "12")
FILL = """
seen = []
async def answer(turn):
    seen.append(turn)
queue = TurnQueue(database, Alone())
await queue.start(answer)
await queue.open(BotKey("telegram", "7"))
for chat in ("1", "1/5", "12"):
    for n in range(3):
        turn = TurnKey.parse(f"telegram:7:{chat}:{n + 1}:0")
        await queue.put(turn, lane=str(turn.chat), order=n + 1)
await until(lambda: len(seen) == 9)
await asyncio.sleep(0.3)
await queue.close()
"""


def close(folder: Path) -> None:
    """As the bot does."""
    for file in folder.iterdir():
        file.chmod(0o600)


async def fill(database: Database, chat: ChatKey) -> None:
    history = History(database)
    for n in range(3):
        turn = await history.ask(TurnKey(chat, str(n + 1)), spoken(f"walrus {chat}.", sender="9"))
        await history.end(turn, f"tusk {chat}.", Outcome.WHOLE, notice="", tokens=None)
        await Messages(database).add(turn, 0, f"{n}00")
        await history.settle(turn)
    await LessonStore(database).keep_lessons({(chat, ""): Lesson(1.0, 1.0, 0.0)})


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database in which three chats asked three questions each."""
    url = f"sqlite:///{tmp_path}/parlance.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    await asyncio.to_thread(run, url, FILL)
    async with opened(Databases.at(url).history) as database:
        for chat in (CHAT, TOPIC, OTHER):
            await fill(database, chat)
    close(tmp_path)
    return url


def forget(folder: Path, url: str, chat: str) -> subprocess.CompletedProcess[str]:
    config = folder / "config.toml"
    text = '[telegram]\ntoken = "1:a"\n[providers.main]\nkind = "demo"\n'
    config.write_text(f'{text}[storage]\nurl = "{url}"\n', "utf-8")
    return parlance("forget", "--chat", chat, "--config", str(config))


def ids(url: str) -> set[str]:
    engine = make_engine(Databases.at(url).turns)
    table = "dbos.workflow_input" if "postgresql" in url else "workflow_input"
    with engine.connect() as db:
        found = set(db.execute(sa.text(f"SELECT workflow_uuid FROM {table}")).scalars())  # noqa: S608 - one of two
    engine.dispose()
    return found


def bytes_of(folder: Path) -> bytes:
    """Of both databases and what SQLite keeps beside them."""
    return b"".join(f.read_bytes() for f in folder.glob("parlance*.db*"))


async def test_a_chat_is_erased_and_no_other(url: str, tmp_path: Path) -> None:
    done = await asyncio.to_thread(forget, tmp_path, url, "telegram:7:1")
    assert done.stderr == ""
    lines = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert {lines.pop(table).strip() for table in ("turns", "posted")} == {"3 erased, 0 left"}
    assert lines.pop("lessons").strip() == "1 erased, 0 left"
    for table in ("workflow_status", "workflow_input", "workflow_output"):
        assert lines.pop(table).strip() == "3 erased, 0 left"
    assert {line.strip() for line in lines.values()} == {"0 erased, 0 left"}
    assert done.returncode == 0
    async with opened(Databases.at(url).history) as database:
        history = History(database)
        for n in range(3):
            assert await history.turn(TurnKey(CHAT, str(n + 1))) is None
            assert await history.turn(TurnKey(TOPIC, str(n + 1))) is not None
            assert await history.turn(TurnKey(OTHER, str(n + 1))) is not None
        assert await history.ask(TurnKey(CHAT, "3"), spoken("delivered again", sender="9")) is None
        learned = await LessonStore(database).lessons(CHAT.account)
        assert set(learned) == {(TOPIC, ""), (OTHER, "")}
    assert len(ids(url)) == 6
    assert not any(id_.startswith("telegram:7:1:") for id_ in ids(url))
    if "sqlite" in url:
        every = bytes_of(tmp_path)
        for text in ("walrus telegram:7:1.", "tusk telegram:7:1.", "telegram:7:1:2:0"):
            assert text.encode() not in every
        assert b"walrus telegram:7:12." in every


@pytest.mark.parametrize("said", ["telegram:7:1/5", "telegram:7:1:5", "telegram:7:1/5:2:0"])
async def test_a_topic_may_be_named_as_the_log_names_it(
    said: str, url: str, tmp_path: Path
) -> None:
    done = await asyncio.to_thread(forget, tmp_path, url, said)
    assert done.returncode == 0
    assert not any(id_.startswith("telegram:7:1/5:") for id_ in ids(url))
    assert len(ids(url)) == 6


async def test_a_chat_that_is_not_known_is_told_with_near_ones(url: str, tmp_path: Path) -> None:
    done = await asyncio.to_thread(forget, tmp_path, url, "telegram:7:13")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith('--chat: nothing is kept of "telegram:7:13"; near are telegram:7:1')
    assert len(ids(url)) == 9


def test_what_is_no_chat_is_one_line(tmp_path: Path) -> None:
    done = forget(tmp_path, f"sqlite:///{tmp_path}/parlance.db", "ada")
    assert done.returncode == 2
    assert done.stderr == (
        '--chat: "ada" is no chat; give it as the log does, '
        "as in telegram:BOT:CHAT or telegram:BOT:CHAT/THREAD\n"
    )


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = forget(tmp_path, f"sqlite:///{tmp_path}/no.db", "telegram:7:1")
    assert done.returncode == 2
    assert "there is no database at" in done.stderr
    assert not (tmp_path / "no.db").exists()


def test_a_bot_that_runs_is_told_of_with_the_mend(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/parlance.db"
    with Databases.at(url).claim():
        done = forget(tmp_path, url, "telegram:7:1")
    assert done.returncode == 2
    assert done.stderr == (
        f"storage.url: {tmp_path}/parlance.db is in use by another parlance; "
        "write /forget in the chat, or stop the bot\n"
    )
