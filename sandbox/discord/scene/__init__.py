"""People, and what they do."""
