"""Our bot on a platform without limits, so that its own speed shows.

As a program: `python -m benchmarks.contenders.unlimited run --config FILE`.
"""

from __future__ import annotations

import sys

from bot.reply.surface import Budget

NONE = Budget(rate=1e6, burst=1e6, reserve=0.0)


def main() -> None:
    from bot.__main__ import main as run  # noqa: PLC0415 - only the bot's own process needs these
    from bot.platforms.telegram import surface  # noqa: PLC0415

    # The adapter is imported later, and takes them from there.
    surface.BOT = surface.PRIVATE = surface.ACTIONS = NONE
    run()


if __name__ == "__main__":
    sys.argv[0] = "parlance"
    main()
