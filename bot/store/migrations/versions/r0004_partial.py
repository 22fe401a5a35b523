"""The answer so far, of turns that are being answered."""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("partial", Text))
