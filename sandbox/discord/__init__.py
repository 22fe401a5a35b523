"""A stateful server of Discord's REST API and gateway."""
