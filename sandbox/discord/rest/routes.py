"""Routes: an HTTP method and a path's template, with names in braces for what varies. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.discord.errors import form_error, method_not_allowed, not_found
from sandbox.discord.snowflake import snowflake

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Match:
    route: str
    """The method and the template, as in "GET /channels/{channel_id}"."""
    ids: Mapping[str, int]
    """The parts whose names end in _id."""
    words: Mapping[str, str]
    """The other parts."""


class Routes:
    def __init__(self, routes: Iterable[str]) -> None:
        """The first of `routes` whose template matches a path is its route."""
        self._patterns = [(route, *_compiled(route)) for route in routes]

    def match(self, method: str, path: str) -> Match:
        """Find a path's route; raises ApiError where there is none."""
        other_method = False
        for route, wanted, pattern in self._patterns:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if wanted == method:
                return _match(route, found.groupdict())
            other_method = True
        raise method_not_allowed() if other_method else not_found()


def _compiled(route: str) -> tuple[str, re.Pattern[str]]:
    method, _, template = route.partition(" ")
    parts = _NAME.split(template)
    pattern = "".join(
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return method, re.compile(pattern)


def _match(route: str, parts: dict[str, str]) -> Match:
    ids = {}
    for name, value in parts.items():
        if not name.endswith("_id"):
            continue
        found = snowflake(value)
        if found is None:
            raise form_error((name,), "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
        ids[name] = found
    return Match(route, ids, {name: value for name, value in parts.items() if name not in ids})
