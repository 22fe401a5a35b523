"""The REST API's routes over the world: each checks its request, applies it, and replies.

A handler is synchronous and atomic; waiting (latency) and refusing (faults, rate limits) are the
work of `pipeline`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.rest.channels_api import ChannelsApi
from sandbox.discord.rest.commands_api import CommandsApi
from sandbox.discord.rest.interactions_api import InteractionsApi
from sandbox.discord.rest.messages_api import MessagesApi
from sandbox.discord.rest.request import Reply, Request, ok
from sandbox.discord.rest.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.discord.gateway.gateway import Gateway
    from sandbox.discord.rest.routes import Match
    from sandbox.discord.scene.scene import Scene
    from sandbox.discord.settings import Settings

    Handler = Callable[[Request], Reply]

_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = _MESSAGES + "/{message_id}"
_COMMANDS = "/applications/{application_id}/commands"
_GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"
_WEBHOOK = "/webhooks/{application_id}/{interaction_token}"

CREATE_MESSAGE = f"POST {_MESSAGES}"
EDIT_MESSAGE = f"PATCH {_MESSAGE}"
DELETE_MESSAGE = f"DELETE {_MESSAGE}"
TYPING = "POST /channels/{channel_id}/typing"
CALLBACK = "POST /interactions/{interaction_id}/{interaction_token}/callback"
EDIT_ORIGINAL = f"PATCH {_WEBHOOK}/messages/@original"
FOLLOW_UP = f"POST {_WEBHOOK}"
OPEN = frozenset({"GET /gateway"})
"""The routes that need no token in the headers, besides those with one in the path."""


class RestApi:
    def __init__(
        self, scene: Scene, gateway: Gateway, settings: Settings, gateway_url: Callable[[], str]
    ) -> None:
        self._gateway = gateway
        self._gateway_url = gateway_url
        messages = MessagesApi(scene.acts, settings)
        channels = ChannelsApi(scene.acts, settings)
        interactions = InteractionsApi(scene.acts, scene.interactions, settings)
        commands = CommandsApi(scene.world, scene.menus)
        self._handlers: dict[str, Handler] = {
            "GET /gateway": self._get_gateway,
            "GET /gateway/bot": self._get_gateway_bot,
            **_channel_routes(channels),
            **_message_routes(messages),
            **_command_routes(commands, _COMMANDS),
            **_command_routes(commands, _GUILD_COMMANDS),
            **_interaction_routes(interactions),
        }
        self._routes = Routes(self._handlers)

    def match(self, method: str, path: str) -> Match:
        """Find the route of a path that begins after /api/v10; raises ApiError."""
        return self._routes.match(method, path)

    def call(self, route: str, request: Request) -> Reply:
        """Apply a call; raises ApiError."""
        return self._handlers[route](request)

    def _get_gateway(self, _request: Request) -> Reply:
        return ok({"url": self._gateway_url()})

    def _get_gateway_bot(self, _request: Request) -> Reply:
        return ok({"url": self._gateway_url(), **self._gateway.start_advice()})


def _channel_routes(channels: ChannelsApi) -> dict[str, Handler]:
    return {
        "GET /users/@me": channels.get_me,
        "POST /users/@me/channels": channels.open_dm,
        "GET /users/{user_id}": channels.get_user,
        "GET /oauth2/applications/@me": channels.get_application,
        "GET /applications/@me": channels.get_application,
        "GET /guilds/{guild_id}": channels.get_guild,
        "GET /guilds/{guild_id}/channels": channels.list_channels,
        "GET /guilds/{guild_id}/members/{user_id}": channels.get_member,
        "GET /guilds/{guild_id}/threads/active": channels.list_active_threads,
        "GET /channels/{channel_id}": channels.get_channel,
        "PATCH /channels/{channel_id}": channels.edit_channel,
        "DELETE /channels/{channel_id}": channels.delete_channel,
        "POST /channels/{channel_id}/threads": channels.open_thread,
        "PUT /channels/{channel_id}/thread-members/@me": channels.join_thread,
        f"POST {_MESSAGE}/threads": channels.open_thread_from_message,
    }


def _message_routes(messages: MessagesApi) -> dict[str, Handler]:
    return {
        CREATE_MESSAGE: messages.create,
        f"GET {_MESSAGES}": messages.get_history,
        f"GET {_MESSAGE}": messages.get,
        EDIT_MESSAGE: messages.edit,
        DELETE_MESSAGE: messages.delete,
        TYPING: messages.type,
        f"PUT {_MESSAGE}/reactions/{{emoji}}/@me": messages.react,
        f"DELETE {_MESSAGE}/reactions/{{emoji}}/@me": messages.unreact,
    }


def _command_routes(commands: CommandsApi, place: str) -> dict[str, Handler]:
    return {
        f"GET {place}": commands.get_all,
        f"PUT {place}": commands.replace,
        f"POST {place}": commands.upsert,
        f"GET {place}/{{command_id}}": commands.get,
        f"PATCH {place}/{{command_id}}": commands.edit,
        f"DELETE {place}/{{command_id}}": commands.delete,
    }


def _interaction_routes(interactions: InteractionsApi) -> dict[str, Handler]:
    return {
        CALLBACK: interactions.respond,
        f"GET {_WEBHOOK}/messages/@original": interactions.get_original,
        EDIT_ORIGINAL: interactions.edit_original,
        f"DELETE {_WEBHOOK}/messages/@original": interactions.delete_original,
        FOLLOW_UP: interactions.follow_up,
        f"GET {_WEBHOOK}/messages/{{message_id}}": interactions.get_follow_up,
        f"PATCH {_WEBHOOK}/messages/{{message_id}}": interactions.edit_follow_up,
        f"DELETE {_WEBHOOK}/messages/{{message_id}}": interactions.delete_follow_up,
    }
