"""The types of columns as the migrations know them: what was once created does not change.

`bot.store.schema` has types of its own, which may. A column that is to change gets a migration.
"""

from __future__ import annotations

import sqlalchemy as sa

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Text(sa.types.TypeDecorator[str]):
    """Ordered by its bytes on any database."""

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[str]:
        return sa.String(collation="C" if dialect.name == "postgresql" else None)
