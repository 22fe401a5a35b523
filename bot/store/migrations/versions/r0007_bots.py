"""As which bots each replica is logged in: several bots may share a database."""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Those of an earlier release leave it out.
    op.add_column("replicas", sa.Column("bots", Text))
