"""A request to the REST API, read and taken apart, and what a handler replies."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.discord.errors import Code, Json, form_error, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FILE = re.compile(r"files?\[?(\d*)\]?")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a request; `number` is the n of its field files[n]."""

    number: int
    filename: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Request:
    ids: Mapping[str, int]
    """The snowflakes in the path, by their names in the route's template."""
    words: Mapping[str, str]
    """The other variable parts of the path."""
    query: Mapping[str, str]
    body: object = None
    """The decoded JSON; None where there was no body."""
    uploads: Sequence[Upload] = ()

    @property
    def fields(self) -> Json:
        """The body's fields; raises ApiError where it is no object."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise refusal(Code.INVALID_JSON)
        return self.body


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Json | list[Json] | None = None
    """None: no body."""


def ok(body: Json | list[Json]) -> Reply:
    return Reply(HTTPStatus.OK, body)


def created(body: Json) -> Reply:
    return Reply(HTTPStatus.CREATED, body)


NO_CONTENT = Reply(HTTPStatus.NO_CONTENT)


async def read_body(request: web.Request) -> tuple[object, list[Upload]]:
    """The JSON of a request and its files; raises ApiError for a body of any other kind."""
    try:
        if request.content_type == "multipart/form-data":
            return await _read_multipart(request)
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise refusal(Code.REQUEST_TOO_LARGE) from None
    if not raw:
        return None, []
    if request.content_type != "application/json":
        message = "Expected \"Content-Type\" header to be one of {'application/json'}."
        raise form_error((), "CONTENT_TYPE_INVALID", message)
    return _decode(raw), []


async def _read_multipart(request: web.Request) -> tuple[object, list[Upload]]:
    form = await request.post()
    body: object = {}
    uploads = []
    for name, value in form.items():
        matched = _FILE.fullmatch(name)
        if name == "payload_json":
            raw = value.file.read() if isinstance(value, web.FileField) else str(value)
            body = _decode(raw)
        elif matched and isinstance(value, web.FileField):
            number = int(matched[1] or 0)
            uploads.append(Upload(number, value.filename, value.file.read(), value.content_type))
    return body, uploads


def _decode(raw: bytes | str) -> object:
    try:
        decoded: object = json.loads(raw)
    except ValueError:
        raise refusal(Code.INVALID_JSON) from None
    return decoded
