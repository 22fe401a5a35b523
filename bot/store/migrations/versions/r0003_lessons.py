"""What was learned of the platforms' limits."""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lessons",
        sa.Column("chat", Text, primary_key=True),
        sa.Column("kind", Text, primary_key=True),
        sa.Column("burst", sa.Float, nullable=False),
        sa.Column("trust", sa.Float, nullable=False),
        sa.Column("penalty_until", sa.Float, nullable=False),
        sa.Column("learned_at", sa.Float, nullable=False),
    )
