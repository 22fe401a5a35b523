"""Programs that use the queue, each in a process of its own: DBOS is one for a process."""

from __future__ import annotations

import textwrap

import forked

COMMON = """
import asyncio, os, sys
import sqlalchemy as sa
import bot.store.queue
from bot.store.queue import TurnQueue
from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.replicas.base import Alone
from bot.store.databases import Databases

def key(chat, message):
    return TurnKey(ChatKey("t", "b", chat), str(message))

async def started(database, answer):
    queue = TurnQueue(database, Alone())
    await queue.start(answer)
    await queue.open(BotKey("t", "b"))
    return queue

async def until(predicate):
    while not predicate():
        await asyncio.sleep(0.005)
"""


def run(url: str, main: str, *, expect: int = 0) -> list[str]:
    """Run the body of `main(database)` in a process of its own; return the lines it prints."""
    body = textwrap.indent(textwrap.dedent(main), "    ")
    database = "Databases.at(sys.argv[1]).turns"
    code = f"{COMMON}\nasync def main(database):\n{body}\nasyncio.run(main({database}))"
    done = forked.run("-c", code, url)
    assert done.returncode == expect, done.stderr
    return done.stdout.split()
