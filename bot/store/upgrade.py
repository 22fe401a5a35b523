"""Brings the history database to the shape this release needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from bot.store.databases import StorageError
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_SCRIPTS: Final = "bot.store:migrations"


_MIGRATING: Final = 0x7061726C616E6365
"""The key of the advisory lock that one replica holds while it changes the tables."""


def migrate(target: sa.Engine, revision: str = "head") -> None:
    """Bring the history database to the shape this code needs, or to an earlier `revision`.

    Raises StorageError where the database can't be used, or is of a newer release.
    """
    try:
        with target.begin() as connection:
            _upgrade(connection, revision)
    except sa.exc.DBAPIError as error:
        where = redact(target.url.render_as_string())
        raise StorageError(
            f"storage.url: {where} can't be used ({one_line(redact(str(error.orig)))}); "
            "mend its permissions, move it away, or name another one"
        ) from None


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - see _alembic

    if connection.dialect.name == "postgresql":
        # Replicas that start together migrate one after another.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
    config, scripts = _alembic()
    known = {script.revision for script in scripts.walk_revisions()}
    found = _revision(connection)
    if found is not None and found not in known:
        if _oldest_reader(connection) not in known:
            raise StorageError(
                f"storage.url: a newer parlance has changed this database (revision {found}); "
                "upgrade this one, or go back to a backup"
            )
        return  # What was added since does not disturb this code.
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def is_current(database: sa.Engine) -> bool:
    """Whether the history database has the very shape that this code would give it."""
    _, scripts = _alembic()
    with database.connect() as connection:
        return _revision(connection) == scripts.get_current_head()


def _alembic() -> tuple[Config, ScriptDirectory]:
    from alembic.config import Config  # noqa: PLC0415 - a heavy import that only a start needs
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    return config, ScriptDirectory.from_config(config)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _oldest_reader(connection: sa.Connection) -> str | None:
    """The oldest revision whose code can still use this database."""
    if not sa.inspect(connection).has_table("oldest_reader"):
        return None
    return connection.execute(sa.text("SELECT revision FROM oldest_reader")).scalar()
