"""`parlance run` with a page ledger that forgets, for the proof that the soak would see it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot.app import App
from bot.settings.load import load
from bot.store.messages import Messages

if TYPE_CHECKING:
    from bot.settings.sections import Settings
    from bot.store.schema import Turn


class ForgetfulMessages(Messages):
    """None of those that were posted is written down."""

    async def add(self, turn: Turn, number: int, message: str) -> None:
        pass


class ForgetfulApp(App):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # The turns have this very store, so it is the store that has to change.
        self.messages.__class__ = ForgetfulMessages


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
