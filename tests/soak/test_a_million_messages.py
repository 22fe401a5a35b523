"""A million questions and answers moved to PostgreSQL, killed again and again on the way."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

import moving
import psycopg
from moving import COLUMNS, started

if TYPE_CHECKING:
    from asyncio.subprocess import Process

TURNS = 1_000_000
KILLS = 5
TEXT = "A question or an answer of usual length, with an emoji 🙂 in it. " * 6
MOST_MEMORY = 200.0
"""Megabytes; the program alone needs 100."""


def memory(pid: int) -> float:
    """The most megabytes that a process ever held; 0.0 where it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def rows(url: str) -> int:
    """About how many rows have arrived, and are not to come again."""
    with psycopg.connect(url) as db:
        row = db.execute(
            "SELECT CASE WHEN to_regclass('turns') IS NULL THEN 0 ELSE 1 END"
        ).fetchone()
        if not row or not row[0]:
            return 0
        last = db.execute("SELECT max(seq), (SELECT max(turn) FROM posted) FROM turns").fetchone()
    return sum(number or 0 for number in last or ())


async def killed(process: Process, url: str, after: int) -> float:
    """Kill it once so many rows have arrived; return the most megabytes it held."""
    while await asyncio.to_thread(rows, url) < after:
        assert process.returncode is None
        await asyncio.sleep(0.05)
    most = memory(process.pid)
    process.kill()
    await process.communicate()
    return most


async def test_it_arrives_whole(tmp_path: Path, postgres_url: str) -> None:
    file, config = tmp_path / "parlance.db", tmp_path / "config.toml"
    config.write_text(f'[providers.main]\nkind = "demo"\n[storage]\nurl = "sqlite:///{file}"\n')
    moving.fill(file, TURNS, chats=5000, text=TEXT)
    random, most = Random(6), 0.0  # noqa: S311 - when to kill
    begun = monotonic()
    for after in sorted(random.randrange(2 * TURNS) for _ in range(KILLS)):
        most = max(most, await killed(await started(config, postgres_url), postgres_url, after))
    process = await started(config, postgres_url)
    ended = asyncio.create_task(process.communicate())
    while not ended.done():
        most = max(most, memory(process.pid))
        await asyncio.wait({ended}, timeout=0.5)
    said, errors = await ended
    assert (process.returncode, errors) == (0, b"")
    took = monotonic() - begun
    sys.stdout.write(f"{took:.0f} s with {KILLS} kills, {most:.0f} MB at most\n{said.decode()}")
    assert most < MOST_MEMORY
    found = {table: moving.same(file, postgres_url, table) for table in COLUMNS}
    assert found == {"turns": TURNS, "posted": 2 * TURNS, "lessons": 10_000}
