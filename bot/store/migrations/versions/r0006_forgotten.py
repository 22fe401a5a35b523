"""Which chats were erased, so that what is delivered again is not taken for new."""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Number, Text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forgotten",
        sa.Column("chat", Text, primary_key=True),
        sa.Column("message", Number, nullable=False),
        sa.Column("forgotten_at", sa.Float, nullable=False),
    )
