"""What each kind of provider supports, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from providers.base import Option
from providers.registry import BrokenPluginError, capabilities, kinds

_ALWAYS: Final = (Option("model", "str"), Option("messages", "list"), Option("stream", "bool"))


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of provider as a line of a table; every cell is ready to be shown."""

    kind: str
    url: str
    models: str
    stream: str
    images: str
    auth: str
    working: str


def params_line(kind: str) -> str:
    """Return `providers.KIND supports: (model: str, messages: list, stream: bool, …)`.

    Of a plug-in that can't be used, the line says why.
    """
    try:
        options = (*_ALWAYS, *capabilities(kind).options)
    except BrokenPluginError as error:
        return f"providers.{kind}: {error}"
    listed = ", ".join(f"{option.name}: {option.type}" for option in options)
    return f"providers.{kind} supports: ({listed})"


def table() -> list[Row]:
    """Return a row for every kind, in the order of the registry.

    Of a plug-in that can't be used, the row says why, and nothing else.
    """
    return [_row(kind) for kind in kinds()]


def _row(kind: str) -> Row:
    try:
        has = capabilities(kind)
    except BrokenPluginError as error:
        return Row(kind, "", "", "", "", "", working=f"no: {error}")
    return Row(
        kind=kind,
        url=has.url,
        models=", ".join(has.models) or "any",
        stream=_yes_no(has.supports_stream),
        images=_yes_no(has.takes_images),
        auth="optional" if has.optional_key else _yes_no(has.needs_auth),
        working=_yes_no(has.working),
    )


def _yes_no(value: bool) -> str:  # noqa: FBT001 (the value is what it is about)
    return "yes" if value else "no"
