"""The files of attachments, at the addresses that their messages give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from sandbox.discord.world.state import World


class Cdn:
    def __init__(self, world: World) -> None:
        self._world = world

    def add_routes(self, app: web.Application) -> None:
        path = r"/attachments/{channel_id:\d+}/{attachment_id:\d+}/{filename}"
        app.router.add_get(path, self._get)

    async def _get(self, request: web.Request) -> web.Response:
        channel = self._world.channels.get(int(request.match_info["channel_id"]))
        wanted = int(request.match_info["attachment_id"])
        for message in [] if channel is None else channel.messages.values():
            for attachment in message.attachments:
                if attachment.id == wanted and not message.deleted:
                    return web.Response(
                        body=attachment.content, content_type=attachment.content_type
                    )
        raise web.HTTPNotFound(text="This content is no longer available.")
