"""The REST routes of application commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.errors import Code, refusal
from sandbox.discord.rest.access import find_guild
from sandbox.discord.rest.request import NO_CONTENT, Reply, Request, created, ok

if TYPE_CHECKING:
    from sandbox.discord.scene.commands import CommandMenus
    from sandbox.discord.world.state import World


class CommandsApi:
    """Each route exists twice: for the global commands and, with a guild_id, for a guild's."""

    def __init__(self, world: World, menus: CommandMenus) -> None:
        self._world = world
        self._menus = menus

    def get_all(self, request: Request) -> Reply:
        return ok(self._menus.menu(self._scope(request)))

    def get(self, request: Request) -> Reply:
        return ok(self._menus.get(self._scope(request), request.ids["command_id"]))

    def replace(self, request: Request) -> Reply:
        if not isinstance(request.body, list):
            raise refusal(Code.INVALID_JSON)
        return ok(self._menus.replace(self._scope(request), request.body))

    def upsert(self, request: Request) -> Reply:
        command, is_new = self._menus.upsert(self._scope(request), request.fields)
        return created(command) if is_new else ok(command)

    def edit(self, request: Request) -> Reply:
        scope = self._scope(request)
        return ok(self._menus.edit(scope, request.ids["command_id"], request.fields))

    def delete(self, request: Request) -> Reply:
        self._menus.delete(self._scope(request), request.ids["command_id"])
        return NO_CONTENT

    def _scope(self, request: Request) -> int | None:
        if request.ids["application_id"] != self._world.bot.id:
            raise refusal(Code.UNKNOWN_APPLICATION)
        guild_id = request.ids.get("guild_id")
        return None if guild_id is None else find_guild(self._world, guild_id).id
