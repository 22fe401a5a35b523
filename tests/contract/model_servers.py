"""The nine kinds of provider that speak with a server, and one conversation with each."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Protocol

import pytest
from provider_scenes import LONG, SCENES, Scene

from providers.base import (
    Finish,
    Message,
    ProviderError,
    ProviderSettings,
    Role,
    TextDelta,
    Timeouts,
)
from providers.registry import create
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from providers.base import Event, Provider
    from sandbox.llm.journal import Record
    from sandbox.llm.playbook import Condition

KEYED = ("openai", "responses", "anthropic", "gemini")
"""Kinds whose sandbox wants a key."""
KINDS = (*KEYED, "ollama", "getgpt", "yqcloud", "aichat", "gptalk")
KEY = "hush7Qw2Zx9"
"""Nothing in it looks like a key, so that only knowing it can mask it."""
PATIENT = Timeouts(connect=30, first_byte=60, idle=60)
"""Never reached, however busy the machine is."""


def settings(kind: str, base_url: str, timeouts: Timeouts = PATIENT) -> ProviderSettings:
    return ProviderSettings(
        kind, base_url=base_url, api_key=KEY, model="sandbox", timeouts=timeouts
    )


def user(text: str) -> Message:
    return Message.of(Role.USER, text)


@dataclass
class Heard:
    """What came of one question."""

    events: list[Event] = field(default_factory=list)
    error: ProviderError | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def finished(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Finish)


async def hear(provider: Provider, messages: Sequence[Message]) -> Heard:
    """Read an answer to its end, good or bad."""
    heard = Heard()
    try:
        async for event in provider.stream(messages):
            heard.events.append(event)
    except ProviderError as error:
        heard.error = error
    return heard


@asynccontextmanager
async def provider_at(server: ModelServer, kind: str) -> AsyncIterator[Provider]:
    provider = create(settings(kind, server.url(kind)))
    try:
        yield provider
    finally:
        await provider.close()


async def play(server: ModelServer, kind: str, scene: Scene) -> Heard:
    """Ask a provider of its own for `scene`; skips the test where the server can't play it."""
    if reason := server.unfaithful.get((kind, scene)):
        pytest.skip(reason)
    async with provider_at(server, kind) as provider:
        return await hear(provider, [user(scene.question)])


class ModelServer(Protocol):
    """A running server that plays the scenes in one or more protocols."""

    unfaithful: Mapping[tuple[str, Scene], str]
    """What it can't play: kind and scene → why."""

    def url(self, kind: str) -> str: ...

    async def conversation(self) -> list[tuple[str, str]]:
        """Role and text of each message of the last request, as the server understood them."""
        ...


@dataclass(frozen=True)
class OnSandbox:
    """A `ModelServer`."""

    sandbox: LlmSandbox
    unfaithful: ClassVar[Mapping[tuple[str, Scene], str]] = MappingProxyType(
        {
            (kind, LONG): "the protocol does not say why an answer ends"
            for kind in ("yqcloud", "aichat", "gptalk")
        }
    )

    def url(self, kind: str) -> str:
        return self.sandbox.urls[kind]

    async def conversation(self) -> list[tuple[str, str]]:
        return [(message.role, message.text) for message in self.asked.messages]

    @property
    def asked(self) -> Record:
        """The last request that held a question."""
        return next(record for record in reversed(self.sandbox.requests) if record.messages)


@asynccontextmanager
async def playing_sandbox() -> AsyncIterator[OnSandbox]:
    """A sandbox that plays the scenes."""
    async with LlmSandbox(key=KEY) as sandbox:
        for scene in SCENES:
            sandbox.script(scene.script(), when=_asked(scene.question))
        yield OnSandbox(sandbox)


def _asked(question: str) -> Condition:
    return lambda record: record.messages[-1].text == question
