"""Kind of provider → class. A provider's module is imported when its kind is asked for.

Other packages add kinds through the entry point group `parlance.providers`, in which the name is
the kind and the value its class. They are looked up only for a kind that is not built in, and
where all kinds are listed.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from inspect import isabstract
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from providers.base import Capabilities, Provider
from providers.redact import one_line, redact, shorten
from providers.secret_forms import url_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint

    from providers.base import ProviderSettings

PLUGIN_GROUP: Final = "parlance.providers"

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
"""Where the class of each built-in kind is, as module:name. No plug-in can replace one."""


class UnknownKindError(ValueError):
    """There is no such kind of provider; the message names those that there are."""


class BrokenPluginError(ValueError):
    """The plug-in for this kind can't be used; the message is one line that says why."""


def kinds() -> tuple[str, ...]:
    """Return every kind there is, those of plug-ins last; imports none of them."""
    return (*_CLASSES, *sorted(_plugins()))


def provider_class(kind: str) -> type[Provider]:
    """Import and return the class of `kind`. Raises UnknownKindError or BrokenPluginError."""
    if kind not in _CLASSES:
        return _plugin_class(kind)
    module, _, name = _CLASSES[kind].partition(":")
    return cast("type[Provider]", getattr(import_module(module), name))


def capabilities(kind: str) -> Capabilities:
    """Return what `kind` says of itself. Raises as `provider_class` does."""
    return provider_class(kind).capabilities


def create(settings: ProviderSettings) -> Provider:
    """Return a provider as `settings` describe it; connects to nothing yet.

    Raises as `provider_class` does, or ValueError with one line that names the setting to mend.
    """
    made_by = provider_class(settings.kind)
    try:
        return made_by(settings)
    except Exception as error:  # a stranger's constructor can raise anything
        if settings.kind in _CLASSES:
            raise
        raise _not_made(settings, error) from error


def _plugins() -> dict[str, list[EntryPoint]]:
    """Return who offers each kind that is not built in."""
    offers: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=PLUGIN_GROUP):
        if point.name not in _CLASSES:
            offers.setdefault(point.name, []).append(point)
    return offers


def _plugin_class(kind: str) -> type[Provider]:
    offers = _plugins().get(kind)
    if not offers:
        raise _unknown(kind)
    names = [_package(point) for point in offers]
    if len(offers) > 1:
        listed = " and ".join(sorted(names))
        raise BrokenPluginError(f'kind "{kind}" is offered by {listed}; uninstall one of them')
    try:
        loaded = offers[0].load()
    except Exception as error:  # importing a stranger's module can raise anything
        raise _broken(kind, names[0], f"{type(error).__name__}: {error}") from error
    if problem := _problem(loaded, kind):
        raise _broken(kind, names[0], problem)
    return cast("type[Provider]", loaded)


def _not_made(settings: ProviderSettings, error: Exception) -> ValueError:
    """Return what to say where a plug-in's class could not be set up."""
    hidden = (settings.api_key, *url_secrets(settings.proxy), *url_secrets(settings.base_url))
    secrets = tuple(filter(None, hidden))
    if isinstance(error, ValueError):
        return ValueError(_plain(str(error), secrets))
    (point, *_) = _plugins()[settings.kind]
    reason = _plain(f"{type(error).__name__}: {error}", secrets)
    return _broken(settings.kind, _package(point), reason)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _plain(text: str, secrets: Iterable[str] = ()) -> str:
    return shorten(redact(one_line(text), secrets), 200)


def _problem(loaded: object, kind: str) -> str:
    """Return what keeps `loaded` from being the provider of `kind`; empty where nothing does."""
    if not isinstance(loaded, type) or not issubclass(loaded, Provider):
        return "its entry point names no subclass of providers.base.Provider"
    if isabstract(loaded):
        return f"its class {loaded.__name__} has no method stream"
    if getattr(loaded, "kind", None) != kind:
        return f'its class {loaded.__name__} does not say kind = "{kind}"'
    if not isinstance(getattr(loaded, "capabilities", None), Capabilities):
        return f"its class {loaded.__name__} has no capabilities"
    return ""


def _broken(kind: str, package: str, reason: str) -> BrokenPluginError:
    said = f'the plug-in for kind "{kind}" ({package}) can\'t be used: {_plain(reason)}'
    return BrokenPluginError(said)


def _unknown(kind: str) -> UnknownKindError:
    known = kinds()
    near = get_close_matches(kind.lower(), known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
    return UnknownKindError(f'no kind of provider is called "{kind}"; {hint}')
