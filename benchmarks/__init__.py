"""Measures how live the bot is, next to other ways to build one and to the optimum."""
