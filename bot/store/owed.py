"""The queue as commands see it, which run no turn: what it owes, and what it holds of a chat."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from bot.chat.keys import TurnKey
from bot.store.databases import exists, is_postgresql, make_engine
from bot.store.queues import APP, OPEN, SCHEMA, STATUS, STEPS, WORKFLOW, dbos_url, queue_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.chat.keys import ChatKey

_IDS: Final = ("workflow_uuid", "destination_uuid")
"""The columns of DBOS's tables that name a turn."""


class Owed(NamedTuple):
    """A turn that is not done, as the queue was given it."""

    key: str
    lane: str
    order: int


def owed(database: sa.URL) -> list[Owed]:
    """All turns that the queue in `database` still owes, while no process runs them."""
    if not exists(database):
        return []
    with _client(database) as client:
        found = client.list_workflows(
            name=WORKFLOW, status=list(OPEN), load_input=False, load_output=False
        )
    return [
        Owed(turn.workflow_id, turn.queue_partition_key or "", turn.priority or 0) for turn in found
    ]


def owe(database: sa.URL, turns: Sequence[Owed]) -> None:
    """Put `turns` into the queue in `database`, if it does not know them; it runs none."""
    if not turns:
        return
    DBOS.migrate(dbos_url(database))
    with _client(database) as client:
        for turn in turns:
            client.enqueue(
                {
                    "queue_name": queue_of(TurnKey.parse(turn.key).chat.account),
                    "workflow_name": WORKFLOW,
                    "workflow_id": turn.key,
                    "app_version": STEPS,
                    "queue_partition_key": turn.lane,
                    "priority": turn.order,
                },
                turn.key,
            )


@contextmanager
def _client(database: sa.URL) -> Iterator[DBOSClient]:
    engine = make_engine(database)
    client = DBOSClient(system_database_engine=engine, application_name=APP)
    try:
        yield client
    finally:
        client.destroy()
        engine.dispose()


class ChatRows:
    """What the queue holds of a chat's turns, those included that are done."""

    def __init__(self, database: sa.Engine, chat: ChatKey) -> None:
        """Raises sqlalchemy.exc.OperationalError, as all of it does, if it can't be used."""
        self._database = database
        self._tables = dict(_tables(database, f"{chat}:"))

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        with self._database.connect() as db:
            return {
                table.name: db.execute(
                    sa.select(sa.func.count()).select_from(table).where(mine)
                ).scalar_one()
                for table, mine in self._tables.items()
            }

    def are_owed(self) -> bool:
        """Whether a turn of the chat is not done yet."""
        for table, mine in self._tables.items():
            if table.name == STATUS:
                owed = sa.select(table).where(mine, table.c.status.in_(OPEN)).limit(1)
                with self._database.connect() as db:
                    return db.execute(owed).first() is not None
        return False

    def erase(self) -> None:
        with self._database.begin() as db:
            for table, mine in self._tables.items():
                db.execute(sa.delete(table).where(mine))


def _tables(
    database: sa.Engine, prefix: str
) -> Iterator[tuple[sa.TableClause, sa.ColumnElement[bool]]]:
    """The tables that name turns, as they are: their number grows with DBOS's releases.

    With each, which of its rows are of turns whose keys begin with `prefix`. The one that others
    refer to is the last.
    """
    schema = SCHEMA if is_postgresql(database.url) else None
    known = sa.inspect(database)
    for name in sorted(known.get_table_names(schema), key=STATUS.__eq__):
        columns = {column["name"] for column in known.get_columns(name, schema)}
        for column in columns.intersection(_IDS):
            table = sa.table(name, sa.column(column), sa.column("status"), schema=schema)
            id_ = table.c[column]
            yield table, sa.func.substr(id_, 1, len(prefix)) == prefix
