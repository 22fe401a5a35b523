"""What a turn is: its kind, its arguments, and the parts that it is made of.

No row is rewritten: what an earlier release wrote, or writes beside this one, is read as it is.
"""

import sqlalchemy as sa
from alembic import op

from bot.store.migrations.column_types import Number, Text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("kind", Text))
    op.add_column("turns", sa.Column("content", Text))
    for name in ("arguments", "speaker", "language"):
        op.add_column("turns", sa.Column(name, Text, nullable=False, server_default=""))
    for name in ("part_of", "screen"):
        op.add_column("turns", sa.Column(name, Number))
