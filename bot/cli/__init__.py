"""Commands that work on an installation from a shell."""
