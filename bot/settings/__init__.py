"""config.toml and the environment, as frozen typed settings."""
