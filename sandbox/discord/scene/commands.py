"""Application commands: the menus of a bot, the global one and those of guilds. Pure.

https://discord.com/developers/docs/interactions/application-commands
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from sandbox.discord.errors import Code, FormErrors, Json, refusal
from sandbox.discord.forms import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_COMMANDS = 100
MAX_OPTIONS = 25
MAX_NAME = 32
MAX_DESCRIPTION = 100
SLASH = 1
SUBCOMMAND, SUBCOMMAND_GROUP = 1, 2
_KINDS = (SLASH, 2, 3)
_OPTION_KINDS = tuple(range(1, 12))
_PUNCTUATION = "-_'"
_KEPT = (
    "name_localizations",
    "description_localizations",
    "default_member_permissions",
    "dm_permission",
    "contexts",
    "integration_types",
    "nsfw",
)


class CommandMenus:
    """The commands by guild; None is the global menu."""

    def __init__(self, application_id: int, new_id: Callable[[], int]) -> None:
        self._application_id = application_id
        self._new_id = new_id
        self._menus: dict[int | None, dict[int, Json]] = {}

    def menu(self, guild_id: int | None) -> list[Json]:
        return list(self._menus.get(guild_id, {}).values())

    def get(self, guild_id: int | None, command_id: int) -> Json:
        """Raises ApiError where there is no such command."""
        command = self._menus.get(guild_id, {}).get(command_id)
        if command is None:
            raise refusal(Code.UNKNOWN_COMMAND)
        return command

    def find(self, guild_id: int | None, name: str) -> Json | None:
        """The slash command that a person in the guild means; a guild's own comes first."""
        menus = (
            [self.menu(guild_id), self.menu(None)] if guild_id is not None else [self.menu(None)]
        )
        for menu in menus:
            for command in menu:
                if command["name"] == name and command["type"] == SLASH:
                    return command
        return None

    def replace(self, guild_id: int | None, bodies: Sequence[object]) -> list[Json]:
        """Make these the whole menu; a command that was in it keeps its id."""
        errors = FormErrors()
        parsed = [
            parse_command(body if isinstance(body, dict) else {}, errors, (index,))
            for index, body in enumerate(bodies)
        ]
        names = [(command["type"], command["name"]) for command in parsed]
        for index, name in enumerate(names):
            if name in names[:index]:
                errors.add(
                    (index,),
                    "APPLICATION_COMMANDS_DUPLICATE_NAME",
                    "Application command names must be unique",
                )
        errors.check()
        if len(parsed) > MAX_COMMANDS:
            raise refusal(Code.TOO_MANY_COMMANDS)
        old = self._menus.pop(guild_id, {})
        self._menus[guild_id] = {}
        for command in parsed:
            self._store(guild_id, command, old)
        return self.menu(guild_id)

    def upsert(self, guild_id: int | None, body: Json) -> tuple[Json, bool]:
        """Add a command or replace the one of the same name; True: it is new."""
        errors = FormErrors()
        command = parse_command(body, errors, ())
        errors.check()
        menu = self._menus.setdefault(guild_id, {})
        before = len(menu)
        stored = self._store(guild_id, command, menu)
        return stored, len(menu) > before

    def edit(self, guild_id: int | None, command_id: int, body: Json) -> Json:
        old = self.get(guild_id, command_id)
        errors = FormErrors()
        command = parse_command({**old, **body}, errors, ())
        errors.check()
        stored = self._shown(guild_id, command_id, command)
        self._menus[guild_id][command_id] = stored
        return stored

    def delete(self, guild_id: int | None, command_id: int) -> None:
        self.get(guild_id, command_id)
        del self._menus[guild_id][command_id]

    def _store(self, guild_id: int | None, command: Json, old: dict[int, Json]) -> Json:
        name = (command["type"], command["name"])
        known = (key for key, o in old.items() if (o["type"], o["name"]) == name)
        command_id = next(known, None) or self._new_id()
        stored = self._shown(guild_id, command_id, command)
        self._menus[guild_id][command_id] = stored
        return stored

    def _shown(self, guild_id: int | None, command_id: int, command: Json) -> Json:
        shown = {
            "id": str(command_id),
            "application_id": str(self._application_id),
            "version": str(self._new_id()),
            **command,
        }
        return shown if guild_id is None else {**shown, "guild_id": str(guild_id)}


def parse_command(body: Json, errors: FormErrors, path: tuple[str | int, ...]) -> Json:
    """A command as it is stored; what is wrong with it is added to `errors`."""
    form = Form(body, errors, path)
    kind = form.choice("type", _KINDS) or SLASH
    name = form.text("name", least=1, most=MAX_NAME, required=True) or ""
    if kind == SLASH:
        _check_name(form, name)
        least = 1
    else:
        least = 0
    description = form.text(
        "description", least=least, most=MAX_DESCRIPTION, required=kind == SLASH
    )
    _check_options(form)
    command: Json = {"type": kind, "name": name, "description": description or ""}
    options = form.get("options")
    if isinstance(options, list) and options:
        command["options"] = options
    kept = {key: body[key] for key in _KEPT if body.get(key) is not None}
    return {**command, "default_member_permissions": None, "nsfw": False, **kept}


def _check_options(form: Form) -> None:
    options = form.objects("options", most=MAX_OPTIONS)
    names: list[object] = []
    optional_seen = False
    for option in options:
        kind = option.choice("type", _OPTION_KINDS)
        name = option.text("name", least=1, most=MAX_NAME, required=True) or ""
        _check_name(option, name)
        option.text("description", least=1, most=MAX_DESCRIPTION, required=True)
        if name in names:
            message = "Option names must be unique"
            option.refuse("name", "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", message)
        names.append(name)
        if kind in (SUBCOMMAND, SUBCOMMAND_GROUP):
            _check_options(option)
            continue
        required = bool(option.get("required"))
        if required and optional_seen:
            option.refuse(
                "required",
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                "Required options must be placed before non-required options",
            )
        optional_seen = optional_seen or not required


def _check_name(form: Form, name: str) -> None:
    if name and not is_name(name):
        form.refuse("name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def is_name(name: str) -> bool:
    r"""Whether it matches ^[-_'\p{L}\p{N}]+$ and is in lower case."""
    characters = all(c in _PUNCTUATION or unicodedata.category(c)[0] in "LN" for c in name)
    return characters and name == name.lower()
