"""What takes minutes; `make soak` alone collects this folder."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
# The contract's venues, and the reader of Discord's Markdown that they need.
sys.path += [str(TESTS / "contract"), str(TESTS / "platforms" / "discord")]
