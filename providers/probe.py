"""One short question to one provider: does it answer, and how soon?"""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from providers.base import Message, ProviderError, Role, TextDelta

if TYPE_CHECKING:
    from providers.base import Provider

QUESTION = "Answer with one word only: ready"


@dataclass(frozen=True, slots=True)
class Probe:
    seconds: float
    """To the first text, or to the failure."""
    failure: str = ""
    """One line without secrets; empty: the whole answer came."""


async def probe(provider: Provider) -> Probe:
    """Ask for a word, read the answer to its end and close the provider."""
    started = time.monotonic()
    first_text: float | None = None
    try:
        async with aclosing(provider.stream([Message.of(Role.USER, QUESTION)])) as events:
            async for event in events:
                if first_text is None and isinstance(event, TextDelta):
                    first_text = time.monotonic() - started
    except ProviderError as error:
        return Probe(time.monotonic() - started, str(error))
    except Exception as bug:  # noqa: BLE001 - a plug-in's must not hide what the others answer
        return Probe(time.monotonic() - started, f"the provider has a bug: {type(bug).__name__}")
    finally:
        await provider.close()
    return Probe(first_text or 0.0)
