"""Guilds, channels, messages, and how they are written on the wire."""
