"""Telegram, through python-telegram-bot."""

import os
import warnings

# The library gives RetryAfter.retry_after as a timedelta, as its next release always will, and
# does not warn at each one.
os.environ.setdefault("PTB_TIMEDELTA", "1")
# Updates are asked for by the general call, so that each can be parsed by itself; texts are sent
# and edited by it, so that nothing is built that nobody reads.
warnings.filterwarnings(
    "ignore", message="Please use 'Bot.(getUpdates|sendMessage|editMessageText)'"
)
