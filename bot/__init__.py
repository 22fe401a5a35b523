"""Parlance: a chat bot whose answers can be watched while they are written."""
