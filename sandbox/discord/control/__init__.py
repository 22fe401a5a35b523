"""The control API: the sandbox from outside of its process."""
