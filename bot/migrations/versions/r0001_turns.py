"""Turns, and the messages they were posted as."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("chat", sa.String, nullable=False),
        sa.Column("command", sa.String, nullable=False, server_default=""),
        sa.Column("question", sa.String, nullable=False, server_default=""),
        sa.Column("sender", sa.String, nullable=False, server_default=""),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("answer", sa.String),
        sa.Column("outcome", sa.String),
        sa.Column("notice", sa.String),
        sa.Column("answer_tokens", sa.Integer),
        sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    op.create_index("turns_by_chat", "turns", ["chat", "seq"])
    op.create_table(
        "posted",
        sa.Column("turn", sa.Integer, sa.ForeignKey("turns.seq", ondelete="CASCADE")),
        sa.Column("page", sa.Integer),
        sa.Column("message", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("turn", "page"),
    )
