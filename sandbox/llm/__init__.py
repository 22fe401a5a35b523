"""Model servers: OpenAI-compatible, and the four protocols Parlance began from."""
