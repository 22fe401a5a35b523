"""The replicas that share a database, and which releases can use it."""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replicas",
        sa.Column("id", Text, primary_key=True),
        sa.Column("beat", sa.DateTime(timezone=True), nullable=False),
    )
    # A revision that code of an earlier release can't live with names itself here.
    reader = op.create_table("oldest_reader", sa.Column("revision", Text, nullable=False))
    op.bulk_insert(reader, [{"revision": "0005"}])
