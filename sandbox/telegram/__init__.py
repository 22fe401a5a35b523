"""A stateful server of Telegram's Bot API."""
