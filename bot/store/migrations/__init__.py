"""Alembic migrations of the history database, expand/contract: old code runs on the next shape."""
