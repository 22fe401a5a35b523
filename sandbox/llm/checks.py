"""Strict reading of requests: every refusal names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import orjson

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import CIMultiDictProxy

JsonObject = dict[str, object]
Problem = Literal["missing", "unknown", "invalid", "too_long"]


class RefusalError(Exception):
    """A request the server does not take, as HTTP status, offending field and one line."""

    def __init__(
        self, status: int, field: str | None, message: str, problem: Problem | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.message = message
        self.problem = problem
        """What is wrong with it, for protocols that have words or codes of their own for that."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be."""

    expected: str
    accepts: Callable[[object], bool]


Rules = Mapping[str, Rule]
NO_RULES: Rules = MappingProxyType({})

ANY = Rule("anything", lambda _: True)
BOOLEAN = Rule("a boolean", lambda value: isinstance(value, bool))
TRUE = Rule("true", lambda value: value is True)
FALSE = Rule("false", lambda value: value is False)
TEXT = Rule("a string", lambda value: isinstance(value, str))
NON_EMPTY_TEXT = Rule(
    "a string that is not empty", lambda value: isinstance(value, str) and value != ""
)
NON_EMPTY_LIST = Rule(
    "a list that is not empty", lambda value: isinstance(value, list) and value != []
)
LIST = Rule("a list", lambda value: isinstance(value, list))
TEXT_OR_LIST = Rule("a string or a list", lambda value: isinstance(value, str | list))
OBJECT = Rule("an object", lambda value: isinstance(value, dict))


def exactly(wanted: str | int) -> Rule:
    """The value itself: 1.0 is 1, as JSON has it, but `true` is not."""
    return Rule(repr(wanted), lambda value: value == wanted and not isinstance(value, bool))


def one_of(*wanted: str) -> Rule:
    return Rule(f"one of {', '.join(wanted)}", lambda value: value in wanted)


def matching(pattern: str, expected: str) -> Rule:
    compiled = re.compile(pattern)
    return Rule(
        expected, lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None
    )


def number(low: float, high: float) -> Rule:
    return Rule(
        f"a number from {low} to {high}",
        lambda value: (
            isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        ),
    )


def integer(low: int) -> Rule:
    return Rule(
        f"an integer of at least {low}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= low,
    )


def or_null(rule: Rule) -> Rule:
    return Rule(f"{rule.expected}, or null", lambda value: value is None or rule.accepts(value))


BROWSER = matching(r"Mozilla/5\.0 .+", "a browser's user agent")
URL = matching(r"https?://[^/]+(/.*)?", "a URL")


def check_object(
    body: object,
    required: Rules,
    optional: Rules = NO_RULES,
    *,
    within: str = "",
    others: bool = False,
) -> JsonObject:
    """`body` as a JSON object that has the required fields, and no others but the optional ones.

    `within` is the path of the object in the request, as in `messages[0].`. With `others` unknown
    fields are passed over. Raises RefusalError (400).
    """
    if not isinstance(body, dict):
        name = within.rstrip(".") or "body"
        raise RefusalError(400, name, f"Invalid {name}: expected a JSON object.", "invalid")
    for name in required:
        if name not in body:
            field = within + name
            raise RefusalError(400, field, f"Missing required field: {field}.", "missing")
    for name, value in body.items():
        field = within + name
        rule = required.get(name) or optional.get(name)
        if rule is None and not others:
            raise RefusalError(400, field, f"Unknown field: {field}.", "unknown")
        if rule is not None and not rule.accepts(value):
            message = f"Invalid {field}: expected {rule.expected}."
            raise RefusalError(400, field, message, "invalid")
    return body


def check_headers(headers: CIMultiDictProxy[str], required: Rules) -> None:
    """Raises RefusalError (403) for the first header that is missing or wrong."""
    for name, rule in required.items():
        value = headers.get(name)
        if value is None or not rule.accepts(value):
            raise RefusalError(403, name, f"Invalid header {name}: expected {rule.expected}.")


def bearer(headers: CIMultiDictProxy[str]) -> str | None:
    """The key of `Authorization: Bearer KEY`; None where there is none."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key if scheme == "Bearer" and key else None


def check_bearer(headers: CIMultiDictProxy[str], wanted: str | None) -> None:
    """Check OpenAI's key; None takes any, though not none. Raises RefusalError (401)."""
    key = bearer(headers)
    if key is None:
        raise RefusalError(401, "Authorization", "You didn't provide an API key.")
    if wanted is not None and key != wanted:
        raise RefusalError(401, "Authorization", "Incorrect API key provided.")


async def read_json(request: web.Request) -> object:
    """The body of a request. Raises RefusalError (400) where it is not JSON, or not declared so."""
    if request.content_type != "application/json":
        message = "Invalid header Content-Type: expected application/json."
        raise RefusalError(400, "Content-Type", message)
    return parse_json(await request.read())


def parse_json(body: bytes) -> object:
    """Raises RefusalError (400) where it is not JSON."""
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusalError(400, "body", "Invalid body: expected JSON.") from None
    return parsed
