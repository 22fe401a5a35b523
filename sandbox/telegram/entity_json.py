"""MessageEntity objects from a request, field by field, with the server's words for what is wrong.

Source: tdlib/telegram-bot-api Client.cpp (get_text_entity), tdlib/td MessageEntity.cpp
(get_message_entities), JsonBuilder.cpp.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sandbox.telegram.entities import AUTOMATIC, TYPES, Entity
from sandbox.telegram.errors import bad_request
from sandbox.telegram.links import LinkError, check_link

_USER_LINK = re.compile(r"tg:(?://)?user/?\?(?:[^#]*&)?id=(?P<id>\d+)(?:[&#]|$)", re.IGNORECASE)


def parse_entities(raw: object) -> list[Entity]:
    """MessageEntity objects as they came; what is no array counts as none, as on the server.

    Raises ApiError for an object that is no MessageEntity.
    """
    if not isinstance(raw, list):
        return []
    parsed = (_parse_entity(item) for item in raw)
    return [entity for entity in parsed if entity.type not in AUTOMATIC]


def _parse_entity(item: object) -> Entity:
    try:
        return _read(item)
    except FieldError as error:
        raise bad_request(f"Can't parse MessageEntity: {error}") from None


def _read(item: object) -> Entity:
    if not isinstance(item, dict):
        raise FieldError("expected an Object")
    offset, length = _integer(item, "offset"), _integer(item, "length")
    return replace(_typed(_string(item, "type"), item), offset=offset, length=length)


def _typed(kind: str, item: dict[str, object]) -> Entity:
    if not kind:
        raise FieldError("Type is not specified")
    bare = Entity(kind, 0, 0)
    if kind == "pre":
        return replace(bare, language=_string(item, "language", optional=True))
    if kind == "text_link":
        return _link(_string(item, "url"))
    if kind == "text_mention":
        user = item.get("user")
        if not isinstance(user, dict):
            raise FieldError('Can\'t find field "user"')
        return replace(bare, user_id=_integer(user, "id"))
    if kind == "custom_emoji":
        return replace(bare, custom_emoji_id=str(_integer(item, "custom_emoji_id")))
    if kind == "date_time":
        return replace(bare, unix_time=_integer(item, "unix_time"))
    if kind not in TYPES:
        raise FieldError("Unsupported type specified")
    return bare


def _link(url: str) -> Entity:
    user = _USER_LINK.match(url)
    if user:
        return Entity("text_mention", 0, 0, user_id=int(user["id"]))
    try:
        return Entity("text_link", 0, 0, url=check_link(url))
    except LinkError as error:
        raise bad_request(f"Entity URL '{url}' is invalid: {error}") from None


class FieldError(Exception):
    """What is wrong with a field of an object, as the server words it."""


def _integer(item: dict[str, object], name: str) -> int:
    if name not in item:
        raise FieldError(f'Can\'t find field "{name}"')
    value = item[name]
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise FieldError(f'Field "{name}" must be a Number')
    try:
        return int(str(value))
    except ValueError:
        raise FieldError(f'Field "{name}" must be a valid Number') from None


def _string(item: dict[str, object], name: str, *, optional: bool = False) -> str:
    if name not in item:
        if optional:
            return ""
        raise FieldError(f'Can\'t find field "{name}"')
    value = item[name]
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise FieldError(f'Field "{name}" must be of type String')
    return str(value)
