"""setMyCommands and its kin: the command menus of a bot, per scope and language. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.telegram.errors import bad_request

MAX_COMMANDS = 100
MAX_NAME = 32
MAX_DESCRIPTION = 256
_NAME = re.compile(r"[a-z0-9_]+")
_LANGUAGE = re.compile(r"[a-z]{2}")
_SCOPES = ("default", "all_private_chats", "all_group_chats", "all_chat_administrators")
_CHAT_SCOPES = ("chat", "chat_administrators", "chat_member")


@dataclass(frozen=True, slots=True)
class Scope:
    type: str = "default"
    chat_id: int | None = None
    user_id: int | None = None


Command = dict[str, str]


class CommandMenus:
    def __init__(self) -> None:
        self._menus: dict[tuple[Scope, str], list[Command]] = {}

    def set(self, scope: Scope, language: str, commands: list[Command]) -> None:
        self._menus[scope, language] = commands

    def get(self, scope: Scope, language: str) -> list[Command]:
        return self._menus.get((scope, language), [])

    def delete(self, scope: Scope, language: str) -> None:
        self._menus.pop((scope, language), None)


def parse_commands(raw: object) -> list[Command]:
    """Raises ApiError for a menu the server refuses."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise bad_request("Expected an Array of BotCommand")
    if len(raw) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    return [_parse_command(item) for item in raw]


def _parse_command(item: object) -> Command:
    if not isinstance(item, dict):
        raise bad_request("Can't parse BotCommand: expected an Object")
    for field in ("command", "description"):
        if field not in item:
            raise bad_request(f"Can't parse BotCommand: Can't find field \"{field}\"")
    name = str(item["command"]).strip().removeprefix("/")
    description = str(item["description"]).strip()
    if not name:
        raise bad_request("Command must be non-empty")
    if len(name) > MAX_NAME:
        raise bad_request(f"Command length must not exceed {MAX_NAME}")
    if not description:
        raise bad_request("Command description must be non-empty")
    if len(description) > MAX_DESCRIPTION:
        raise bad_request(f"Command description length must not exceed {MAX_DESCRIPTION}")
    if not _NAME.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    return {"command": name, "description": description}


def parse_language(code: str) -> str:
    """A two-letter ISO 639-1 code or ""; raises ApiError for anything else."""
    if code and not _LANGUAGE.fullmatch(code):
        raise bad_request("Invalid language code specified")
    return code


def parse_scope(raw: object) -> Scope:
    """Raises ApiError where `raw` is no BotCommandScope."""
    if raw is None:
        return Scope()
    if not isinstance(raw, dict):
        raise _scope_error("BotCommandScope must be an Object")
    kind = raw.get("type")
    if kind in _SCOPES:
        return Scope(str(kind))
    if kind not in _CHAT_SCOPES:
        raise _scope_error("Unsupported type specified")
    chat_id = _integer(raw, "chat_id")
    user_id = _integer(raw, "user_id") if kind == "chat_member" else None
    return Scope(str(kind), chat_id, user_id)


def _integer(raw: dict[str, object], field: str) -> int:
    try:
        return int(str(raw[field]))
    except (KeyError, ValueError):
        raise _scope_error(f'Can\'t find field "{field}"') from None


def _scope_error(reason: str) -> Exception:
    return bad_request(f"Can't parse BotCommandScope: {reason}")
