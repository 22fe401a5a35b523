"""The built-in demo: answers without a network and without a model, at a model's pace."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, ClassVar

from providers.base import Capabilities, Finish, FinishReason, Provider, TextDelta
from providers.demo_script import reply
from providers.images import without_images

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from providers.base import Event, Message, ProviderSettings

WORDS_PER_SECOND = 25.0


class Demo(Provider):
    """Streams what `demo_script.reply` says, `rate` words a second; 0: without a pause."""

    kind: ClassVar[str] = "demo"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="",
        models=("demo",),
        supports_stream=True,
        needs_auth=False,
        working=True,
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        rate = WORDS_PER_SECOND if settings.rate is None else settings.rate
        if rate < 0:
            raise ValueError("rate must be 0 (no pause) or a number of words per second")
        self._pause = 1 / rate if rate else 0.0

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        for word in words(reply(without_images(messages))):
            if self._pause:
                await asyncio.sleep(self._pause)
            yield TextDelta(word)
        yield Finish(FinishReason.STOP)


def words(text: str) -> list[str]:
    """Split `text` into words, each with the white space before it; joined they are `text`."""
    return re.findall(r"\s*\S+|\s+$", text)
