"""JSON objects of an answer, read with care: a server may put anything anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.base import BadResponseError
from providers.errors import error_from_payload, is_error, plain_text
from providers.surrogates import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Payload = dict[object, object]


def read_object(data: bytes) -> Payload:
    """Return the JSON object `data`, or the first of an array of them.

    Raises BadResponseError where there is none, and the error that the object reports.
    """
    return read_objects(data)[0]


def read_objects(data: bytes) -> list[Payload]:
    """Return the JSON object `data`, or those of an array; raises as `read_object` does."""
    try:
        value = parse_json(data)
    except ValueError:
        raise BadResponseError(_not_json(data)) from None
    found = objects(value if isinstance(value, list) else [value])
    for one in found:
        if is_error(one):
            raise error_from_payload(one)
    if not found:
        raise BadResponseError("the server sent JSON that is no part of an answer")
    return found


def inner(payload: Mapping[object, object], *names: str) -> Payload:
    """Return the object at `payload[name][name]…`; empty where there is none."""
    value: object = payload
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Payload]:
    """Return the objects in the list `value`; empty where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def count(value: object) -> int | None:
    """Return `value` where it is a number of tokens."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _not_json(data: bytes) -> str:
    if not data.lstrip().startswith(b"<"):
        return "the server sent malformed JSON"
    page = plain_text(data.decode("utf-8", "replace"))
    return f"the server answered with a web page (check base_url): {page}"
