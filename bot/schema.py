"""The tables of the history database; `bot/migrations` brings a database to this shape."""

import sqlalchemy as sa

metadata = sa.MetaData()

turns = sa.Table(
    "turns",
    metadata,
    # The order in which questions were asked; also the order in which a chat's are answered.
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("chat", sa.String, nullable=False),
    # Empty for a question; else the command's name.
    sa.Column("command", sa.String, nullable=False, server_default=""),
    # As the model is given it; for a /retry, the question it asks again.
    sa.Column("question", sa.String, nullable=False, server_default=""),
    sa.Column("sender", sa.String, nullable=False, server_default=""),
    sa.Column("asked_at", sa.Float, nullable=False),
    # These are null until the turn has ended on the model's side.
    sa.Column("answer", sa.String),
    sa.Column("outcome", sa.String),
    sa.Column("notice", sa.String),
    # As the model's server counted them.
    sa.Column("answer_tokens", sa.Integer),
    # The reader has all of it, or will never have more.
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("turns_by_chat", "chat", "seq"),
    sqlite_autoincrement=True,
)

posted = sa.Table(
    "posted",
    metadata,
    sa.Column("turn", sa.Integer, sa.ForeignKey("turns.seq", ondelete="CASCADE")),
    sa.Column("page", sa.Integer),
    # The platform's id of the message that shows the page.
    sa.Column("message", sa.String, nullable=False),
    sa.PrimaryKeyConstraint("turn", "page"),
)
