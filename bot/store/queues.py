"""What turns are called in DBOS's tables, and which queue each is in.

Of each bot's turns a queue of its own, so that none runs where another bot is logged in.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from bot.chat.keys import TurnKey
from bot.store.databases import is_postgresql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.chat.keys import BotKey

APP: Final = "parlance"
"""This program."""
WORKFLOW: Final = "turn"
STEPS: Final = "turn-1"
"""Names the course of a turn. A release that changes it must run the old course to its end."""
OPEN: Final = ("ENQUEUED", "PENDING")
"""The states of a turn that is owed: put, and begun."""
DONE: Final = ("SUCCESS", "ERROR", "CANCELLED")
"""Those of a turn that is not owed any more."""
SCHEMA: Final = "dbos"
"""Of its tables on PostgreSQL."""
STATUS: Final = "workflow_status"
"""The table with a row for each turn."""
ALL: Final = "turns"
"""The one queue that earlier releases had for all bots."""
BATCH: Final = 200
"""Turns that are moved in one statement."""
_COLUMNS: Final = ("workflow_uuid", "status", "queue_name", "queue_partition_key")


def dbos_url(database: sa.URL) -> str:
    """The URL as DBOS wants it, which names no driver."""
    return database.set(drivername=database.get_backend_name()).render_as_string(
        hide_password=False
    )


def queue_of(bot: BotKey) -> str:
    """The name of its queue, no other bot's."""
    return f"{ALL} {bot}"


def by_queue(turns: Iterable[str]) -> dict[str, list[str]]:
    """Turns, by the queue that each belongs into; both as DBOS knows them."""
    sorted_out: defaultdict[str, list[str]] = defaultdict(list)
    for turn in turns:
        sorted_out[queue_of(TurnKey.parse(turn).chat.account)].append(turn)
    return sorted_out


def move_old(database: sa.Engine) -> None:
    """Put what an earlier release left in the queue of all bots into those of each.

    On PostgreSQL such a release may still be running: what it has begun stays there, and so do the
    turns that wait for that, so that those of a lane go on one after another.
    """
    shared = is_postgresql(database.url)
    schema = SCHEMA if shared else None
    if not sa.inspect(database).has_table(STATUS, schema=schema):
        return
    status = sa.table(STATUS, *map(sa.column, _COLUMNS), schema=schema)
    old = [status.c.queue_name == ALL, status.c.status.in_(OPEN)]
    if shared:
        begun = status.alias("begun")
        ahead = sa.select(1).where(
            begun.c.queue_name == ALL,
            begun.c.status == "PENDING",
            begun.c.queue_partition_key == status.c.queue_partition_key,
        )
        # A lane with a turn that is begun leaves out that turn, too.
        old.append(~ahead.exists())
    with database.connect() as db:
        found = list(db.execute(sa.select(status.c.workflow_uuid).where(*old)).scalars())
    for queue, turns in by_queue(found).items():
        for at in range(0, len(turns), BATCH):
            mine = status.c.workflow_uuid.in_(turns[at : at + BATCH])
            with database.begin() as db:
                db.execute(sa.update(status).where(*old, mine).values(queue_name=queue))
