"""Mentions: whom a text names, and whom of them it may notify. Pure.

https://discord.com/developers/docs/resources/message#allowed-mentions-object
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.discord.snowflake import snowflake

if TYPE_CHECKING:
    from sandbox.discord.errors import FormErrors

MAX_IDS = 100
_TYPES = ("users", "roles", "everyone")
_CODE = re.compile(r"```.*?```|(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_USER = re.compile(r"<@!?(\d{1,20})>")
_ROLE = re.compile(r"<@&(\d{1,20})>")
_EVERYONE = re.compile(r"@(?:everyone|here)\b")


@dataclass(frozen=True, slots=True)
class AllowedMentions:
    """Which of a message's mentions notify; `users` and `roles` None: all of them."""

    everyone: bool = True
    users: frozenset[int] | None = None
    roles: frozenset[int] | None = None
    replied_user: bool = True

    def user(self, user_id: int) -> bool:
        return self.users is None or user_id in self.users

    def role(self, role_id: int) -> bool:
        return self.roles is None or role_id in self.roles


DEFAULT = AllowedMentions()
"""Where a request has no allowed_mentions: everything notifies."""
USERS_ONLY = AllowedMentions(everyone=False, roles=frozenset())
"""The same in answers to interactions."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a text mentions outside of code, in order and once each."""

    users: tuple[int, ...]
    roles: tuple[int, ...]
    everyone: bool


def find_mentions(text: str) -> Named:
    prose = _CODE.sub(" ", text)
    return Named(
        tuple(dict.fromkeys(int(found) for found in _USER.findall(prose))),
        tuple(dict.fromkeys(int(found) for found in _ROLE.findall(prose))),
        bool(_EVERYONE.search(prose)),
    )


def parse_allowed_mentions(
    raw: object, errors: FormErrors, *, default: AllowedMentions
) -> AllowedMentions:
    """Read a request's allowed_mentions; what is wrong with it is added to `errors`."""
    path = "allowed_mentions"
    if raw is None:
        return default
    if not isinstance(raw, dict):
        errors.add((path,), "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        return default
    parse = raw.get("parse") or []
    if not isinstance(parse, list):
        errors.add((path, "parse"), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        parse = []
    for index, kind in enumerate(parse):
        if kind not in _TYPES:
            errors.add(
                (path, "parse", index),
                "BASE_TYPE_CHOICES",
                f"Value must be one of {set(_TYPES)}.",
            )
    return AllowedMentions(
        everyone="everyone" in parse,
        users=_ids(raw, "users", parse, errors),
        roles=_ids(raw, "roles", parse, errors),
        replied_user=bool(raw.get("replied_user", False)),
    )


def _ids(
    raw: dict[str, object], field: str, parse: list[object], errors: FormErrors
) -> frozenset[int] | None:
    """The ids listed; None where `parse` names the whole kind."""
    path = ("allowed_mentions", field)
    listed = raw.get(field) or []
    if not isinstance(listed, list):
        errors.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return frozenset()
    if len(listed) > MAX_IDS:
        errors.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_IDS} or fewer in length.")
    if field in parse:
        if listed:
            errors.add(
                ("allowed_mentions",),
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{field}"] and {field}: [ids...] are mutually exclusive.',
            )
        return None
    ids = [snowflake(item) for item in listed]
    for index, found in enumerate(ids):
        if found is None:
            errors.add(
                (*path, index),
                "NUMBER_TYPE_COERCE",
                f'Value "{listed[index]}" is not snowflake.',
            )
    return frozenset(found for found in ids if found is not None)
