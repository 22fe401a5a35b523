"""A question and its answer, from being taken to being settled."""
