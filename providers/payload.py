"""JSON objects of an answer, read with care: a server may put anything anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.base import BadResponseError
from providers.errors import error_from_payload, is_error, plain_text
from providers.surrogates import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.sse import SseEvent

Payload = dict[object, object]

_SIGNS_OF_LIFE = frozenset({"ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"})


def read_object(data: bytes) -> Payload:
    """Return the JSON object `data`, or the first of an array of them.

    Raises BadResponseError where there is none, and the error that the object reports.
    """
    return read_objects(data)[0]


def read_event(event: SseEvent) -> Payload | None:
    """Return the JSON object of an event, or None for one that says nothing.

    Servers keep a connection alive with events of their own: blank, null, a ping, a heartbeat.
    Raises as `read_object` does.
    """
    if event.type.lower() in _SIGNS_OF_LIFE:
        return None
    return read_line(event.data)


def read_line(data: bytes) -> Payload | None:
    """Return the JSON object `data`; None if it says nothing. Raises as `read_object` does."""
    if not data.startswith(b"{") and _says_nothing(data):
        return None
    return read_object(data)


def is_done(data: bytes) -> bool:
    """Tell whether `data` is OpenAI's end marker, `[DONE]`, however it is written."""
    return data[:1] != b"{" and data.strip(b' \t"').lower().startswith(b"[done]")


def read_objects(data: bytes) -> list[Payload]:
    """Return the JSON object `data`, or those of an array; raises as `read_object` does."""
    try:
        value = parse_json(data)
    except ValueError:
        raise BadResponseError(_not_json(data)) from None
    found = objects(value if isinstance(value, list) else [value])
    for one in found:
        if is_error(one) and not _is_sign_of_life(one):
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


def _says_nothing(data: bytes) -> bool:
    """Tell whether `data` is blank, a bare ping, or JSON with nothing in it: null, "", [], true."""
    word = data.strip().strip(b'"').strip()
    if not word or word.decode("utf-8", "replace").lower() in _SIGNS_OF_LIFE:
        return True
    try:
        value = parse_json(word)
    except ValueError:
        return False
    return isinstance(value, bool) or value in (None, [], {})


def _is_sign_of_life(payload: Payload) -> bool:
    """Tell whether an object is a heartbeat, which may carry a message."""
    kinds = (payload.get(name) for name in ("type", "event", "object"))
    return any(isinstance(kind, str) and kind.lower() in _SIGNS_OF_LIFE for kind in kinds)


def _not_json(data: bytes) -> str:
    if not data.lstrip().startswith(b"<"):
        return "the server sent malformed JSON"
    page = plain_text(data.decode("utf-8", "replace"))
    return f"the server answered with a web page (check base_url): {page}"
