"""The error answers of Discord's REST API.

The codes and their messages: https://discord.com/developers/docs/topics/opcodes-and-status-codes;
the statuses as bots have met them.
"""

from __future__ import annotations

from enum import IntEnum
from http import HTTPStatus

Json = dict[str, object]


class Code(IntEnum):
    UNKNOWN_APPLICATION = 10002
    UNKNOWN_CHANNEL = 10003
    UNKNOWN_GUILD = 10004
    UNKNOWN_MEMBER = 10007
    UNKNOWN_MESSAGE = 10008
    UNKNOWN_USER = 10013
    UNKNOWN_EMOJI = 10014
    UNKNOWN_WEBHOOK = 10015
    UNKNOWN_INTERACTION = 10062
    UNKNOWN_COMMAND = 10063
    TOO_MANY_COMMANDS = 30032
    TOO_MANY_OLD_EDITS = 30046
    REQUEST_TOO_LARGE = 40005
    SEND_IN_FORUM = 40058
    ALREADY_ACKNOWLEDGED = 40060
    MISSING_ACCESS = 50001
    NOT_IN_DM = 50003
    EDIT_OF_ANOTHER = 50005
    EMPTY_MESSAGE = 50006
    CANNOT_DM = 50007
    MISSING_PERMISSIONS = 50013
    SYSTEM_MESSAGE = 50021
    WRONG_CHANNEL_TYPE = 50024
    INVALID_WEBHOOK_TOKEN = 50027
    INVALID_RECIPIENT = 50033
    INVALID_FORM = 50035
    INVALID_API_VERSION = 50041
    THREAD_ARCHIVED = 50083
    INVALID_JSON = 50109
    NO_HISTORY_TO_REPLY = 160002
    THREAD_EXISTS = 160004
    THREAD_LOCKED = 160005


_KNOWN: dict[Code, tuple[HTTPStatus, str]] = {
    Code.UNKNOWN_APPLICATION: (HTTPStatus.NOT_FOUND, "Unknown Application"),
    Code.UNKNOWN_CHANNEL: (HTTPStatus.NOT_FOUND, "Unknown Channel"),
    Code.UNKNOWN_GUILD: (HTTPStatus.NOT_FOUND, "Unknown Guild"),
    Code.UNKNOWN_MEMBER: (HTTPStatus.NOT_FOUND, "Unknown Member"),
    Code.UNKNOWN_MESSAGE: (HTTPStatus.NOT_FOUND, "Unknown Message"),
    Code.UNKNOWN_USER: (HTTPStatus.NOT_FOUND, "Unknown User"),
    Code.UNKNOWN_EMOJI: (HTTPStatus.BAD_REQUEST, "Unknown Emoji"),
    Code.UNKNOWN_WEBHOOK: (HTTPStatus.NOT_FOUND, "Unknown Webhook"),
    Code.UNKNOWN_INTERACTION: (HTTPStatus.NOT_FOUND, "Unknown interaction"),
    Code.UNKNOWN_COMMAND: (HTTPStatus.NOT_FOUND, "Unknown application command"),
    Code.TOO_MANY_COMMANDS: (
        HTTPStatus.BAD_REQUEST,
        "Maximum number of application commands reached (100).",
    ),
    Code.TOO_MANY_OLD_EDITS: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "Maximum number of edits to messages older than 1 hour reached. Try again later.",
    ),
    Code.REQUEST_TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request entity too large"),
    Code.SEND_IN_FORUM: (HTTPStatus.BAD_REQUEST, "Cannot send a message in a forum channel"),
    Code.ALREADY_ACKNOWLEDGED: (
        HTTPStatus.BAD_REQUEST,
        "Interaction has already been acknowledged.",
    ),
    Code.MISSING_ACCESS: (HTTPStatus.FORBIDDEN, "Missing Access"),
    Code.NOT_IN_DM: (HTTPStatus.FORBIDDEN, "Cannot execute action on a DM channel"),
    Code.EDIT_OF_ANOTHER: (
        HTTPStatus.FORBIDDEN,
        "Cannot edit a message authored by another user",
    ),
    Code.EMPTY_MESSAGE: (HTTPStatus.BAD_REQUEST, "Cannot send an empty message"),
    Code.CANNOT_DM: (HTTPStatus.FORBIDDEN, "Cannot send messages to this user"),
    Code.MISSING_PERMISSIONS: (HTTPStatus.FORBIDDEN, "Missing Permissions"),
    Code.SYSTEM_MESSAGE: (HTTPStatus.FORBIDDEN, "Cannot execute action on a system message"),
    Code.WRONG_CHANNEL_TYPE: (
        HTTPStatus.BAD_REQUEST,
        "Cannot execute action on this channel type",
    ),
    Code.INVALID_WEBHOOK_TOKEN: (HTTPStatus.UNAUTHORIZED, "Invalid Webhook Token"),
    Code.INVALID_RECIPIENT: (HTTPStatus.BAD_REQUEST, "Invalid Recipient(s)"),
    Code.INVALID_API_VERSION: (HTTPStatus.BAD_REQUEST, "Invalid API version"),
    Code.THREAD_ARCHIVED: (HTTPStatus.BAD_REQUEST, "Thread is archived"),
    Code.INVALID_JSON: (HTTPStatus.BAD_REQUEST, "The request body contains invalid JSON."),
    Code.NO_HISTORY_TO_REPLY: (
        HTTPStatus.FORBIDDEN,
        "Cannot reply without permission to read message history",
    ),
    Code.THREAD_EXISTS: (
        HTTPStatus.BAD_REQUEST,
        "A thread has already been created for this message",
    ),
    Code.THREAD_LOCKED: (HTTPStatus.FORBIDDEN, "Thread is locked"),
}


class ApiError(Exception):
    """A call that is refused; `details` are further fields of the answer."""

    def __init__(self, status: int, message: str, code: int = 0, **details: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def answer(self) -> Json:
        return {"message": self.message, "code": int(self.code), **self.details}


def refusal(code: Code, **details: object) -> ApiError:
    """The error with this code, in Discord's words."""
    status, message = _KNOWN[code]
    return ApiError(status, message, code, **details)


def unauthorized() -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "401: Unauthorized")


def not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "404: Not Found")


def method_not_allowed() -> ApiError:
    return ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "405: Method Not Allowed")


class FormErrors:
    """What is wrong with a request's fields, gathered into one answer with code 50035."""

    def __init__(self) -> None:
        self._errors: Json = {}

    def add(self, path: tuple[str | int, ...], code: str, message: str) -> None:
        """Note an error at a path such as ("embeds", 0, "title"); () is the whole request."""
        place = self._errors
        for step in path:
            inner = place.setdefault(str(step), {})
            assert isinstance(inner, dict)
            place = inner
        found = place.setdefault("_errors", [])
        assert isinstance(found, list)
        found.append({"code": code, "message": message})

    def check(self) -> None:
        """Raise ApiError if there was any error."""
        if self._errors:
            raise self.refusal()

    def refusal(self) -> ApiError:
        return ApiError(
            HTTPStatus.BAD_REQUEST, "Invalid Form Body", Code.INVALID_FORM, errors=self._errors
        )


def form_error(path: tuple[str | int, ...], code: str, message: str) -> ApiError:
    """The answer to a request with one wrong field."""
    errors = FormErrors()
    errors.add(path, code, message)
    return errors.refusal()
