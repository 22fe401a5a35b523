"""Telegram, through python-telegram-bot."""

import os

# The library gives RetryAfter.retry_after as a timedelta, as its next release always will, and
# does not warn at each one.
os.environ.setdefault("PTB_TIMEDELTA", "1")
