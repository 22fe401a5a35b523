"""`parlance run` with a page ledger that forgets, for the proof that the soak would see it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot.app import App
from bot.settings.load import load
from bot.store.history import History

if TYPE_CHECKING:
    from bot.settings.sections import Settings
    from bot.store.schema import Turn


class ForgetfulHistory(History):
    """Everything but the messages that were posted for a turn."""

    async def add_message(self, turn: Turn, number: int, message: str) -> None:
        pass


class ForgetfulApp(App):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # Every part has this very history, so it is the history that has to change.
        self.history.__class__ = ForgetfulHistory


async def main(config: Path) -> None:
    app = ForgetfulApp(load(config))
    serving = asyncio.create_task(app.serve())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    try:
        await asyncio.wait({serving})
    finally:
        await app.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[sys.argv.index("--config") + 1])))
