"""The reply engine: from text that streams in to messages that are true, complete and live."""
