"""`parlance migrate`, a process of its own, from real SQLite files to a real PostgreSQL."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import sqlite3
from typing import TYPE_CHECKING

import moving
import psycopg
import pytest
from moving import COLUMNS, in_postgresql, in_sqlite, migrate, started

from bot.cli.migrate import BATCH
from bot.store import upgrade
from bot.store.databases import Databases, make_engine, sqlite_url

if TYPE_CHECKING:
    from pathlib import Path

TURNS = 3 * BATCH + 500
HELD_UP = 2 * BATCH + 100
"""The turn whose insertion a test holds up: two batches are there, the third is not."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "parlance.db"


@pytest.fixture
def config(tmp_path: Path, file: Path) -> Path:
    config = tmp_path / "config.toml"
    config.write_text(f'[providers.main]\nkind = "demo"\n[storage]\nurl = "sqlite:///{file}"\n')
    return config


def digest(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


def insert_turn(url: str, number: int | None = None) -> int:
    """A turn that the source does not have; numbered by the database where `number` is None."""
    given = "DEFAULT" if number is None else str(number)
    with psycopg.connect(url) as db:
        insert = f"INSERT INTO turns (seq, key, chat, asked_at) VALUES ({given}, 'k', 'c', 0)"  # noqa: S608 - ours
        row = db.execute(f"{insert} RETURNING seq").fetchone()
    assert row is not None
    return int(row[0])


async def test_everything_arrives_and_the_source_stays_as_it_is(
    config: Path, file: Path, postgres_url: str
) -> None:
    moving.fill(file, TURNS)
    before = digest(file)
    code, said, errors = await migrate(config, postgres_url)
    assert (code, errors) == (0, "")
    for table in COLUMNS:
        rows = in_sqlite(file, table)
        assert rows
        assert in_postgresql(postgres_url, table) == rows
        assert f"{table}: {len(rows):,} rows on both sides, checksum " in said
    assert digest(file) == before
    assert "[storage]\nurl = " in said
    with psycopg.connect(postgres_url) as db:
        longest = db.execute("SELECT max(length(question)) FROM turns").fetchone()
    assert longest is not None
    assert longest[0] > 100_000


async def test_a_new_turn_is_numbered_after_all_that_ever_were(
    config: Path, file: Path, postgres_url: str
) -> None:
    moving.fill(file, 50)
    with sqlite3.connect(file) as db:
        db.execute("DELETE FROM turns WHERE seq > 40")  # Without PRAGMA foreign_keys.
        db.execute("DELETE FROM posted WHERE turn > 40")
    db.close()
    assert (await migrate(config, postgres_url))[0] == 0
    assert insert_turn(postgres_url) > 50


async def test_killed_in_the_middle_it_goes_on_where_it_was(
    config: Path, file: Path, postgres_url: str
) -> None:
    moving.fill(file, TURNS)
    moving.tables(Databases.at(postgres_url).history)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as db:
        await db.execute("SELECT pg_advisory_lock(42)")
        await db.execute(
            "CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END $$"
        )
        await db.execute(
            "CREATE TRIGGER hold_up BEFORE INSERT ON turns FOR EACH ROW"
            f" WHEN (NEW.seq = {HELD_UP}) EXECUTE FUNCTION hold_up()"
        )
        process = await started(config, postgres_url)
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(60):
            while await (await db.execute(waiting)).fetchone() is None:
                assert process.returncode is None
                await asyncio.sleep(0.02)
        process.kill()
        await process.communicate()
        assert len(in_postgresql(postgres_url, "turns")) == 2 * BATCH
        await db.execute("SELECT pg_advisory_unlock(42)")
        await db.execute("DROP FUNCTION hold_up CASCADE")
        # Only what is missing comes: what is there keeps its place on the disk.
        place = "SELECT seq, ctid, xmin::text FROM turns ORDER BY seq LIMIT 4000"
        kept = await (await db.execute(place)).fetchall()
        code, _, errors = await migrate(config, postgres_url)
        assert (code, errors) == (0, "")
        assert await (await db.execute(place)).fetchall() == kept
    for table in COLUMNS:
        assert in_postgresql(postgres_url, table) == in_sqlite(file, table)


async def test_done_twice_it_changes_nothing(config: Path, file: Path, postgres_url: str) -> None:
    moving.fill(file, 50)
    first = await migrate(config, postgres_url)
    second = await migrate(config, postgres_url)
    assert first[0] == second[0] == 0
    assert [line for line in second[1].splitlines() if "on both sides" in line] == [
        line for line in first[1].splitlines() if "on both sides" in line
    ]


@pytest.mark.parametrize("number", [1, None])
async def test_a_target_with_rows_of_its_own_is_refused_and_stays_as_it_is(
    config: Path, file: Path, postgres_url: str, number: int | None
) -> None:
    moving.fill(file, 50)
    if number is None:
        assert (await migrate(config, postgres_url))[0] == 0
    else:
        moving.tables(Databases.at(postgres_url).history)
    insert_turn(postgres_url, number)
    rows = in_postgresql(postgres_url, "turns")
    code, said, errors = await migrate(config, postgres_url)
    assert code == 2
    assert errors.startswith("--to: postgresql://***@")
    assert "holds other rows than storage.url in its table turns" in errors
    assert errors.count("\n") == 1
    assert "[storage]" not in said
    assert in_postgresql(postgres_url, "turns") == rows


async def test_a_target_whose_row_reads_otherwise_is_refused(
    config: Path, file: Path, postgres_url: str
) -> None:
    moving.fill(file, 50)
    assert (await migrate(config, postgres_url))[0] == 0
    with psycopg.connect(postgres_url) as db:
        db.execute("UPDATE turns SET answer_tokens = answer_tokens + 1 WHERE seq = 25")
    code, _, errors = await migrate(config, postgres_url)
    assert code == 2
    assert "in its table turns (50 there, 50 expected)" in errors


async def test_a_target_on_which_a_parlance_runs_is_refused(
    config: Path, file: Path, postgres_url: str
) -> None:
    moving.fill(file, 5)
    assert (await migrate(config, postgres_url))[0] == 0
    with psycopg.connect(postgres_url) as db:
        # As fresh however long the command takes to start.
        db.execute("INSERT INTO replicas VALUES ('a', clock_timestamp() + interval '1 hour')")
    code, _, errors = await migrate(config, postgres_url)
    assert code == 2
    assert "a parlance runs on" in errors


async def test_a_source_in_use_is_refused(config: Path, file: Path, postgres_url: str) -> None:
    moving.fill(file, 5)
    with file.with_name("parlance.db.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, errors = await migrate(config, postgres_url)
    assert code == 2
    assert "is in use by another parlance" in errors


async def test_a_source_of_another_release_is_refused(
    config: Path, file: Path, postgres_url: str
) -> None:
    engine = make_engine(sqlite_url(file))
    upgrade.migrate(engine, "0003")
    engine.dispose()
    code, _, errors = await migrate(config, postgres_url)
    assert code == 2
    assert "was last used by another release; start this one on it once" in errors


@pytest.mark.parametrize(
    ("to", "line"),
    [
        ("sqlite:///other.db", "--to: give a URL as in postgresql://"),
        ("nonsense", "--to: give a URL as in postgresql://"),
        ("postgresql://u:hush@127.0.0.1:1/x", "--to: postgresql+psycopg://***@127.0.0.1:1/x can't"),
    ],
)
async def test_a_wrong_target_is_one_line(config: Path, file: Path, to: str, line: str) -> None:
    moving.fill(file, 5)
    code, _, errors = await migrate(config, to)
    assert code == 2
    assert errors.startswith(line)
    assert errors.count("\n") == 1
    assert "hush" not in errors


async def test_a_source_that_is_not_there_is_one_line(config: Path, postgres_url: str) -> None:
    code, _, errors = await migrate(config, postgres_url)
    assert code == 2
    assert errors.startswith("storage.url: ")
    assert errors.endswith("parlance.db is not there\n")


async def test_the_database_ends_in_the_middle_and_no_text_is_quoted(
    config: Path, file: Path, postgres_url: str
) -> None:
    moving.fill(file, 50, text="a secret word ")
    moving.tables(Databases.at(postgres_url).history)
    with psycopg.connect(postgres_url) as db:
        db.execute("ALTER TABLE turns ADD CONSTRAINT short CHECK (length(question) < 5)")
    code, _, errors = await migrate(config, postgres_url)
    assert code == 2
    assert errors.startswith("the move was cut off (")
    assert errors.endswith("run the same command again: it goes on from there\n")
    assert "secret" not in errors
