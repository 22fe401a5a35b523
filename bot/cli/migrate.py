"""`parlance migrate`: moves what an SQLite installation keeps into a PostgreSQL database.

Rows go over in the order of their primary keys, in batches that are wholly there or not at all.
So the target's own rows tell where a move that was cut off goes on.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
import sqlalchemy as sa
from psycopg.sql import SQL, Identifier
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bot.settings.url_parts import DATABASE_MEND, is_ambiguous
from bot.store import owed, upgrade
from bot.store.databases import Databases, StorageError, exists, is_postgresql, make_engine
from bot.store.schema import metadata, replicas
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Values = tuple[Any, ...]
    Advance = Callable[[int], None]

BATCH: Final = 2_000
"""Rows that are held in memory, and that arrive together."""
TABLES: Final = tuple(table for table in metadata.sorted_tables if table is not replicas)
"""What is moved, rows before those that refer to them. Replicas are there while they run."""

_RUNNING: Final = sa.text(
    "SELECT 1 FROM replicas WHERE beat > clock_timestamp() - interval '10 seconds'"
)


class Digest(NamedTuple):
    """What rows amount to; equal rows in equal order have an equal one."""

    rows: int
    checksum: str


class Source:
    """An SQLite installation, which is read and not changed."""

    def __init__(self, databases: Databases) -> None:
        """Raises StorageError where this release can't read it as it is."""
        self._databases = databases
        self.engine = make_engine(databases.history)
        sa.event.listen(self.engine, "connect", _read_only)
        if not upgrade.is_current(self.engine):
            raise StorageError(
                f"storage.url: {databases.history.database} was last used by another release; "
                "start this one on it once, stop it, and migrate then"
            )

    def owed(self) -> list[owed.Owed]:
        return owed.owed(self._databases.turns)

    def last_number(self, table: sa.Table) -> int:
        """The greatest that a row of `table` ever had: numbers are not given twice."""
        known = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :table")
        with self.engine.connect() as db:
            return db.execute(known, {"table": table.name}).scalar() or 0


class Target:
    """A PostgreSQL database that holds nothing, or a part of what the source holds."""

    def __init__(self, url: sa.URL) -> None:
        """Raises StorageError where it can't be used."""
        self._url = url
        self.engine = make_engine(url)
        try:
            upgrade.migrate(self.engine)
        except StorageError as error:
            raise StorageError(f"--to: {str(error).removeprefix('storage.url: ')}") from None
        with self.engine.connect() as db:
            if db.execute(_RUNNING).first() is not None:
                raise StorageError(f"--to: a parlance runs on {self}; stop it first")

    def __str__(self) -> str:
        return redact(self._url.set(drivername="postgresql").render_as_string())

    def last(self, table: sa.Table) -> Values | None:
        """The primary key of the last row that arrived."""
        keys = table.primary_key.columns
        query = sa.select(*keys).order_by(*(key.desc() for key in keys)).limit(1)
        with self.engine.connect() as db:
            row = db.execute(query).first()
        return None if row is None else tuple(row)

    def write(self, table: sa.Table, rows: Sequence[Values]) -> None:
        """All of `rows` or, where that fails, none of them."""
        columns = SQL(", ").join(Identifier(column.name) for column in table.columns)
        statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)
        with self.engine.begin() as db:
            connection = db.connection.driver_connection
            assert isinstance(connection, psycopg.Connection)
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)

    def count_from(self, table: sa.Table, number: int) -> None:
        """New rows of `table` get numbers after `number`, where it gives them numbers at all."""
        column = table.autoincrement_column
        if column is None or not number:
            return
        sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
        # What a parlance that was started too early has counted is not counted again.
        reached = sa.func.greatest(number, sa.func.nextval(sequence))
        with self.engine.begin() as db:
            db.execute(sa.select(sa.func.setval(sequence, reached)))

    def owe(self, turns: Sequence[owed.Owed]) -> None:
        """Where they are owed already, nothing changes."""
        owed.owe(self._url, turns)


def run(source_url: str, target_url: str) -> None:
    """Move all there is, or what an earlier run that was cut off has left.

    Raises StorageError, whose one line says what to do.
    """
    databases, url = Databases.at(source_url), _target(target_url)
    if databases.shared:
        raise StorageError("storage.url: it names PostgreSQL already; there is nothing to move")
    if not exists(databases.history):
        raise StorageError(f"storage.url: {databases.history.database} is not there")
    with databases.claim(), _one_line_errors():
        source, target = Source(databases), Target(url)
        try:
            _move(source, target)
        finally:
            source.engine.dispose()
            target.engine.dispose()


def _target(url: str) -> sa.URL:
    if url.startswith("postgres") and is_ambiguous(url):
        raise StorageError(f"--to: {DATABASE_MEND}")
    try:
        made = sa.make_url(url)
    except sa.exc.ArgumentError:
        made = None
    if made is None or not is_postgresql(made):
        raise StorageError("--to: give a URL as in postgresql://USER:PASSWORD@HOST:5432/NAME")
    return Databases.at(url).history


def _move(source: Source, target: Target) -> None:
    console = Console(highlight=False, soft_wrap=True)
    with _progress(console) as progress:
        reached = {table: target.last(table) for table in TABLES}
        for table, last in reached.items():
            if last is not None:
                total = _count(source.engine, table, until=last)
                with _bar(progress, f"{table.name}: what is there", total * 2) as advance:
                    _check_equal(source, target, table, advance, until=last)
        for table, last in reached.items():
            target.count_from(table, source.last_number(table))
            total = _count(source.engine, table)
            done = 0 if last is None else _count(source.engine, table, until=last)
            with _bar(progress, table.name, total, done) as advance:
                for rows in _batches(source.engine, table, after=last):
                    target.write(table, rows)
                    advance(len(rows))
        found = {}
        for table in TABLES:
            total = _count(source.engine, table)
            with _bar(progress, f"{table.name}: checksum", total * 2) as advance:
                found[table.name] = _check_equal(source, target, table, advance)
    owed = source.owed()
    target.owe(owed)
    for name, digest in found.items():
        console.print(f"{name}: {digest.rows:,} rows on both sides, checksum {digest.checksum}")
    console.print(f"answers that are still owed: {len(owed):,}; they are given from there")
    console.print(f'Now set this in config.toml, and start the bot:\n\n[storage]\nurl = "{target}"',
                  markup=False)  # fmt: skip


def _check_equal(
    source: Source,
    target: Target,
    table: sa.Table,
    advance: Advance,
    until: Values | None = None,
) -> Digest:
    """Compare the rows up to `until`, or all of them; the target must hold no others.

    Raises StorageError where they differ.
    """
    ours = _digest(source.engine, table, advance, until)
    theirs = _digest(target.engine, table, advance)
    if ours != theirs:
        raise StorageError(
            f"--to: {target} holds other rows than storage.url in its table {table.name} "
            f"({theirs.rows:,} there, {ours.rows:,} expected); name an empty database"
        )
    return ours


def _digest(
    engine: sa.Engine, table: sa.Table, advance: Advance, until: Values | None = None
) -> Digest:
    """Of the rows as the target keeps them, in the order of their keys."""
    count, hashed = 0, blake2b(digest_size=16)
    for rows in _batches(engine, table, until=until):
        count += len(rows)
        for row in rows:
            hashed.update(repr(row).encode())
        advance(len(rows))
    return Digest(count, hashed.hexdigest())


def _batches(
    engine: sa.Engine,
    table: sa.Table,
    after: Values | None = None,
    until: Values | None = None,
) -> Iterator[list[Values]]:
    """The rows with keys greater than `after` and up to `until`, as PostgreSQL is given them."""
    keys = table.primary_key.columns
    places = [list(table.columns).index(key) for key in keys]
    query = sa.select(table).order_by(*keys).limit(BATCH)
    if until is not None:
        query = query.where(_key(table) <= _place(table, until))
    given = _bound(table)
    while True:
        page = query if after is None else query.where(_key(table) > _place(table, after))
        with engine.connect() as db:
            rows = db.execute(page).all()
        if not rows:
            return
        after = tuple(rows[-1][place] for place in places)
        yield [given(tuple(row)) for row in rows]


def _bound(table: sa.Table) -> Callable[[Values], Values]:
    """What becomes of a row of `table` that is given to PostgreSQL."""
    dialect = sa.make_url("postgresql+psycopg://").get_dialect()()
    types = (column.type.dialect_impl(dialect) for column in table.columns)
    processors = [
        (at, made) for at, each in enumerate(types) if (made := each.bind_processor(dialect))
    ]

    def given(row: Values) -> Values:
        values = list(row)
        for at, processor in processors:
            values[at] = processor(values[at])
        return tuple(values)

    return given


def _count(engine: sa.Engine, table: sa.Table, until: Values | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    if until is not None:
        query = query.where(_key(table) <= _place(table, until))
    with engine.connect() as db:
        return db.execute(query).scalar_one()


def _key(table: sa.Table) -> sa.Tuple:
    return sa.tuple_(*table.primary_key.columns)


def _place(table: sa.Table, values: Values) -> sa.Tuple:
    columns = table.primary_key.columns
    return sa.tuple_(
        *(sa.literal(value, each.type) for each, value in zip(columns, values, strict=True))
    )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


@contextmanager
def _bar(progress: Progress, title: str, total: int, done: int = 0) -> Iterator[Advance]:
    task = progress.add_task(title, total=total, completed=done)
    yield lambda rows: progress.advance(task, rows)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        raise StorageError(
            f"the move was cut off ({_reason(error)}); "
            "mend that and run the same command again: it goes on from there"
        ) from None


def _reason(error: psycopg.Error | sa.exc.DBAPIError) -> str:
    origin = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    # The server's details quote rows, and so what people wrote.
    primary = origin.diag.message_primary if isinstance(origin, psycopg.Error) else None
    return one_line(redact(primary or str(origin)))


def _read_only(connection: Any, _entry: object) -> None:  # noqa: ANN401 - the driver's own
    connection.execute("PRAGMA query_only = ON")
