"""The demo: the real adapters, a sandbox for each platform, a terminal for a phone."""
