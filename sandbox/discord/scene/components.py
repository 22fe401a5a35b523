"""Message components, checked as far as a chat bot uses them: rows of buttons and selects, text.

https://discord.com/developers/docs/components/reference
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.world.model import MessageFlag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.discord.errors import Json
    from sandbox.discord.forms import Form

ACTION_ROW = 1
BUTTON = 2
TEXT_DISPLAY = 10
LINK_STYLE = 5
MAX_ROWS = 5
MAX_BUTTONS = 5
MAX_V2_COMPONENTS = 40
MAX_V2_TEXT = 4000
_SELECTS = (3, 5, 6, 7, 8)
_STYLES = (1, 2, 3, 4, LINK_STYLE, 6)


def check_components(form: Form) -> tuple[Json, ...] | None:
    """The components of a message; None where the request is silent."""
    if "components" not in form:
        return None
    flags = form.get("flags")
    v2 = isinstance(flags, int) and bool(flags & MessageFlag.COMPONENTS_V2)
    components = form.objects("components", most=MAX_V2_COMPONENTS if v2 else MAX_ROWS)
    for component in components:
        if v2:
            continue
        if component.choice("type", (ACTION_ROW,)) is not None:
            _check_row(component)
    raw = tuple(component.raw() for component in components)
    if v2:
        _check_v2(form, raw)
    _check_ids(form, raw)
    return raw


def _check_row(row: Form) -> None:
    for item in row.objects("components", most=MAX_BUTTONS):
        kind = item.choice("type", (BUTTON, *_SELECTS))
        if kind == BUTTON:
            _check_button(item)
        elif kind is not None:
            item.text("custom_id", least=1, most=100, required=True)


def _check_button(button: Form) -> None:
    style = button.choice("style", _STYLES)
    button.text("label", most=80)
    if style == LINK_STYLE:
        button.text("url", least=1, most=512, required=True)
    else:
        button.text("custom_id", least=1, most=100, required=True)
    if not button.get("label") and not button.get("emoji"):
        button.refuse("label", "BUTTON_COMPONENT_LABEL_OR_EMOJI", "A label or emoji is required")


def _check_v2(form: Form, components: tuple[Json, ...]) -> None:
    every = list(_walk(components))
    if len(every) > MAX_V2_COMPONENTS:
        form.refuse(
            "components",
            "BASE_TYPE_BAD_LENGTH",
            f"Must be between 1 and {MAX_V2_COMPONENTS} in length.",
        )
    texts = (str(c.get("content") or "") for c in every if c.get("type") == TEXT_DISPLAY)
    if sum(map(len, texts)) > MAX_V2_TEXT:
        form.refuse(
            "components",
            "COMPONENT_MAX_TOTAL_COMPONENTS_TEXT_LENGTH_EXCEEDED",
            f"The total text length can't exceed {MAX_V2_TEXT}",
        )


def _check_ids(form: Form, components: tuple[Json, ...]) -> None:
    ids = custom_ids(components)
    if len(set(ids)) < len(ids):
        form.refuse(
            "components",
            "COMPONENT_CUSTOM_ID_DUPLICATED",
            "Component custom id cannot be duplicated",
        )


def custom_ids(components: tuple[Json, ...]) -> list[str]:
    """The custom ids of all buttons and selects."""
    return [str(c["custom_id"]) for c in _walk(components) if c.get("custom_id")]


def _walk(components: object) -> Iterator[Json]:
    for component in components if isinstance(components, list | tuple) else ():
        if isinstance(component, dict):
            yield component
            yield from _walk(component.get("components"))
