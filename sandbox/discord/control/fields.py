"""The fields of a request to the control API: of its query and its JSON body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

Kept = TypeVar("Kept")


class ControlError(ValueError):
    """A request that names what is not there, or lacks a field."""


class Fields:
    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """The string; "" where there is none."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def needed(self, name: str) -> str:
        if not self.text(name):
            raise ControlError(f"{name} is missing")
        return self.text(name)

    def integer(self, name: str, default: int = 0) -> int:
        return default if name not in self else int(self._number(name))

    def number(self, name: str) -> float:
        return 0.0 if name not in self else float(self._number(name))

    def boolean(self, name: str, *, default: bool = False) -> bool:
        return self.text(name).lower() in ("true", "1") if name in self else default

    def items(self, name: str) -> list[object]:
        value = self.values.get(name, [])
        if not isinstance(value, list):
            raise ControlError(f"{name} must be a list")
        return value

    def mapping(self, name: str) -> dict[str, object]:
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            raise ControlError(f"{name} must be an object")
        return value

    def known(self, items: Mapping[int, Kept], name: str, what: str) -> Kept:
        """The item whose id the field holds."""
        return known(items, self.integer(name), what)

    def _number(self, name: str) -> int | float:
        text = self.text(name)
        try:
            return int(text)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise ControlError(f"{name} must be a number") from None


def known(items: Mapping[int, Kept], item_id: object, what: str) -> Kept:
    if not isinstance(item_id, int) or item_id not in items:
        raise ControlError(f"there is no {what} {item_id}")
    return items[item_id]


async def read_fields(request: web.Request) -> Fields:
    """Raises ControlError for a body that is no JSON object."""
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return Fields({**request.query, **body})
