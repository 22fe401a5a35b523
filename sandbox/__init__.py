"""Loopback servers that speak the protocols Parlance speaks, with their limits and faults."""
