"""A call's parameters, from whichever part of the request they came.

The Bot API takes them as query, form, multipart or JSON body; outside a JSON body, lists and
objects are JSON in a string. They are read as the server reads them: leniently, what is missing
is "".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.telegram.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping


class Params:
    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def integer(self, name: str, default: int = 0) -> int:
        """The number, or `default` where there is none."""
        try:
            return int(self.text(name))
        except ValueError:
            return default

    def number(self, name: str) -> float:
        try:
            return float(self.text(name))
        except ValueError:
            return 0.0

    def boolean(self, name: str) -> bool:
        return self.text(name).strip().lower() in ("true", "yes", "1")

    def json(self, name: str) -> object:
        """The decoded value; None where it is missing or no JSON."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        try:
            decoded: object = json.loads(value)
        except ValueError:
            return None
        return decoded

    def decoded(self) -> dict[str, object]:
        """All parameters for the record, lists and objects decoded."""
        return {name: self._readable(name) for name in self._values}

    def _readable(self, name: str) -> object:
        value = self._values[name]
        if isinstance(value, str) and value[:1] in ("[", "{") and name != "text":
            return self.json(name)
        return value


async def read_params(request: web.Request) -> Params:
    """Raises ApiError for a JSON body that is none."""
    values: dict[str, object] = dict(request.query)
    if request.content_type == "application/json":
        body = await request.read()
        try:
            decoded = json.loads(body or b"{}")
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            raise bad_request("Can't parse JSON object")
        return Params(values | decoded)
    form = await request.post()
    return Params(values | {name: _field(value) for name, value in form.items()})


def _field(value: object) -> object:
    return value.filename if isinstance(value, web.FileField) else value
