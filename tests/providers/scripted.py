"""A provider that does what a test says, at the times it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from providers.base import (
    Capabilities,
    Event,
    Finish,
    FinishReason,
    Provider,
    ProviderSettings,
    TextDelta,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from providers.base import Message

Step = str | float | Event | Exception
"""A text to say, seconds to wait, an event to yield as it is, an error to end with."""
END = Finish(FinishReason.STOP)


class Scripted(Provider):
    """Answers the n-th request by the n-th script, all later ones by the last."""

    kind: ClassVar[str] = "scripted"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="", models=(), supports_stream=True, needs_auth=False, working=True
    )

    def __init__(self, *scripts: Sequence[Step]) -> None:
        super().__init__(ProviderSettings(self.kind))
        self._scripts = scripts
        self.asked: list[tuple[float, list[Message]]] = []
        """When on the loop's clock, and what."""
        self.open = 0
        """Answers that are being written."""
        self.closed = False

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.asked]

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        self.asked.append((asyncio.get_running_loop().time(), list(messages)))
        script = self._scripts[min(len(self.asked), len(self._scripts)) - 1]
        self.open += 1
        try:
            for step in script:
                match step:
                    case Exception():
                        raise step
                    case float() | int():
                        await asyncio.sleep(step)
                    case str():
                        yield TextDelta(step)
                    case _:
                        yield step
        finally:
            self.open -= 1

    async def close(self) -> None:
        self.closed = True


def says(text: str) -> list[Step]:
    return [text, END]
