"""What is kept: what was said, and which turns are owed."""
