"""Turns, and the messages they were posted as."""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Number, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("seq", Number, primary_key=True, autoincrement=True),
        sa.Column("key", Text, nullable=False, unique=True),
        sa.Column("chat", Text, nullable=False),
        sa.Column("command", Text, nullable=False, server_default=""),
        sa.Column("question", Text, nullable=False, server_default=""),
        sa.Column("sender", Text, nullable=False, server_default=""),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("answer", Text),
        sa.Column("outcome", Text),
        sa.Column("notice", Text),
        sa.Column("answer_tokens", Number),
        sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    op.create_index("turns_by_chat", "turns", ["chat", "seq"])
    op.create_table(
        "posted",
        sa.Column("turn", Number, sa.ForeignKey("turns.seq", ondelete="CASCADE")),
        sa.Column("page", Number),
        sa.Column("message", Text, nullable=False),
        sa.PrimaryKeyConstraint("turn", "page"),
    )
