"""What answers a Bot API call, looked at before the library takes it apart.

The library trusts every answer to have the documented shape
(https://core.telegram.org/bots/api#making-requests). A proxy on the way has other shapes.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from telegram.error import NetworkError, RetryAfter

if TYPE_CHECKING:
    from collections.abc import Mapping

LONG_WAIT = 30
"""Seconds to wait if a refusal for the rate names none."""


class ForeignAnswerError(NetworkError):
    """Refused by something on the way, not by a Bot API server: surely not applied."""


class NoResultError(NetworkError):
    """Nothing in the answer says whether the call was applied."""


def checked(status: int, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """The status and body of an answer that the library can read.

    Raises ForeignAnswerError, NoResultError, RetryAfter.
    """
    answer = _read(body)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _success(answer, body)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RetryAfter(_retry_after(answer, headers))
    if not isinstance(answer.get("ok"), bool):
        said = f"status {status}, and not from a Bot API server: check telegram.api_url and proxies"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise NoResultError(said)
        raise ForeignAnswerError(said)
    return status, _readable(answer)


def _success(answer: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    if answer.get("ok") is True and answer.get("result") is not None:
        return HTTPStatus.OK, body
    if answer.get("ok") is False:
        code = answer.get("error_code")
        if not isinstance(code, int) or code < HTTPStatus.BAD_REQUEST:
            code = HTTPStatus.INTERNAL_SERVER_ERROR
        return code, _readable(answer)
    raise NoResultError("the answer has no result")


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _readable(answer: dict[str, Any]) -> bytes:
    """A refusal with its description and its parameters, in the types that the library expects."""
    refusal: dict[str, object] = {"ok": False, "description": str(answer.get("description") or "")}
    moved_to = _parameters(answer).get("migrate_to_chat_id")
    with suppress(TypeError, ValueError):
        refusal["parameters"] = {"migrate_to_chat_id": int(moved_to or "")}
    return json.dumps(refusal).encode()


def _retry_after(answer: dict[str, Any], headers: Mapping[str, str]) -> int:
    named: Any = _parameters(answer).get("retry_after")
    for said in (named, headers.get("Retry-After", "")):
        try:
            return max(1, math.ceil(float(said)))
        except (OverflowError, TypeError, ValueError):
            continue
    return LONG_WAIT


def _parameters(answer: dict[str, Any]) -> dict[str, Any]:
    parameters = answer.get("parameters")
    return parameters if isinstance(parameters, dict) else {}
