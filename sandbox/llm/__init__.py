"""Model servers: OpenAI (chat and Responses), Anthropic, Gemini, Ollama, and the first four."""
