"""Conversations that branch: which turn a turn goes on from, and which one it repeats."""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Number

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("parent", Number))
    op.add_column(
        "turns",
        sa.Column("parent_question_only", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column("turns", sa.Column("repeats", Number))
    op.create_index("turns_by_repeats", "turns", ["repeats"])
    op.create_index("posted_by_message", "posted", ["message"])
    # Until now a retry repeated the question before it.
    op.execute(
        "UPDATE turns SET repeats = (SELECT MAX(earlier.seq) FROM turns AS earlier"
        " WHERE earlier.chat = turns.chat AND earlier.seq < turns.seq"
        " AND earlier.command IN ('', 'retry'))"
        " WHERE command = 'retry'"
    )
