"""The chaos soak: replicas under random troubles, and a checker of what their readers saw."""
