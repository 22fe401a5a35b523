"""Chat platforms; each folder is independent of the others."""
