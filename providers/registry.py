"""Kind of provider → class. A provider's module is imported when its kind is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.base import Capabilities, Provider, ProviderSettings

_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai": "providers.openai:OpenAI",
        "responses": "providers.responses:Responses",
        "anthropic": "providers.anthropic:Anthropic",
        "gemini": "providers.gemini:Gemini",
        "ollama": "providers.ollama:Ollama",
        "getgpt": "providers.getgpt:GetGpt",
        "yqcloud": "providers.yqcloud:Yqcloud",
        "aichat": "providers.aichat:AiChat",
        "gptalk": "providers.gptalk:GpTalk",
        "demo": "providers.demo:Demo",
    }
)
"""Where the class of each kind is, as module:name."""


class UnknownKindError(ValueError):
    """There is no such kind of provider; the message names those that there are."""


def kinds() -> tuple[str, ...]:
    """Return every kind there is; imports none of them."""
    return tuple(_CLASSES)


def provider_class(kind: str) -> type[Provider]:
    """Import and return the class of `kind`. Raises UnknownKindError."""
    try:
        module, _, name = _CLASSES[kind].partition(":")
    except KeyError:
        near = get_close_matches(kind.lower(), _CLASSES, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(_CLASSES)}"
        raise UnknownKindError(f'no kind of provider is called "{kind}"; {hint}') from None
    return cast("type[Provider]", getattr(import_module(module), name))


def capabilities(kind: str) -> Capabilities:
    """Return what `kind` says of itself. Raises UnknownKindError."""
    return provider_class(kind).capabilities


def create(settings: ProviderSettings) -> Provider:
    """Return a provider as `settings` describe it; connects to nothing yet.

    Raises UnknownKindError, or ValueError with one line that names the setting to mend.
    """
    return provider_class(settings.kind)(settings)
