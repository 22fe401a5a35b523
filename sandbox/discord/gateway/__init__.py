"""The gateway: sessions, events, their resuming."""
