"""What all rooms speak of: chats, turns, messages, commands."""
