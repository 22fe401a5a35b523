"""The control API: what scripts in another process do with the sandbox, as JSON over HTTP.

It is below the server's root, beside /api. Every answer is {"ok": true, …} or {"ok": false,
"error": "…"} with status 400. Ids are integers. `chat_id` is the id of a channel, a thread or a DM;
where `user_id` is given it may be left out, and is that person's DM then.

| request | body or query | answer |
| --- | --- | --- |
| GET /control/info | | bot {id, username}, token, api_url, gateway_url |
| POST /control/users | first_name, id?, username? | user_id, dm_id |
| POST /control/guilds | name, members: [user ids, the owner first], bot? | guild_id |
| POST /control/members | guild_id, user_id | |
| POST /control/channels | guild_id, name, topic?, forum? | chat_id |
| POST /control/roles | guild_id, name, mentionable?, permissions?: [names], members? | role_id |
| POST /control/say | user_id, text, chat_id?, reply_to?, mention? | message_id, chat_id |
| POST /control/edit | user_id, message_id, text, chat_id? | |
| POST /control/delete | chat_id, message_id, user_id?: who does it, else its author | |
| POST /control/type | user_id, chat_id? | |
| POST /control/threads | user_id, chat_id, name, message_id? | chat_id of the thread |
| POST /control/posts | user_id, chat_id, title, text | chat_id of the thread |
| POST /control/archive, unarchive, lock | chat_id of a thread, locked? (archive) | |
| POST /control/remove | chat_id of a channel or thread | |
| POST /control/slash | user_id, name, chat_id?, options?: {name: value} | interaction_id |
| POST /control/press | user_id, message_id, data: custom id, chat_id? | interaction_id |
| GET /control/interaction | interaction_id | answered, deferred, ephemeral, failed, text, … |
| POST /control/close_dms, /control/open_dms | user_id | |
| POST /control/kick, /control/add | guild_id | the bot leaves or joins |
| POST /control/deny, /control/allow | chat_id, permissions: [names], user_id? (the bot) | |
| POST /control/faults | kind, chat_id?, count? (null: endless), status?, code?, … of `Fault` | |
| DELETE /control/faults | | forgets them and releases what hangs |
| POST /control/release | | releases what hangs |
| POST /control/gateway | act: a trouble of `Gateway`, and its arguments | |
| GET /control/gateway | | sessions: [ids], log |
| GET /control/transcript | chat_id | messages |
| GET /control/events | after=N, timeout=S (at most 60), chat_id? | events with n > N, last: N |
| GET /control/calls | after=N | calls from the Nth on |
| GET /control/pings | after=N | pings from the Nth on |

An event is {n, at, kind, chat_id, message_id, from_bot, text, seen_by, entities: []}; its kind is
one of sent, edited, deleted, typing, thread. A message is {message_id, user_id, from_bot, reply_to,
deleted_at, ephemeral, type, components, versions: [{at, text, embeds}]}.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from aiohttp import web

from sandbox.discord.control.acts import ControlActs
from sandbox.discord.control.fields import ControlError, Fields, read_fields
from sandbox.discord.errors import ApiError, Json
from sandbox.discord.limits.faults import Fault
from sandbox.discord.scene.users import ScriptedInteraction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.discord.limits.refusals import Scope
    from sandbox.discord.stage import Stage
    from sandbox.discord.world.model import Change, Message

_MAX_WAIT = 60.0
_TROUBLES = (
    "close",
    "drop",
    "reconnect",
    "invalidate",
    "forget",
    "send_raw",
    "send_text",
    "stop_acking",
    "start_acking",
    "pause",
    "resume",
    "refuse_connections",
    "refuse_identifies",
    "accept",
)


class Control:
    def __init__(self, sandbox: Stage) -> None:
        self._sandbox = sandbox
        self._world = sandbox.world
        self._acts = ControlActs(sandbox)

    def add_routes(self, app: web.Application) -> None:
        acts: dict[str, Callable[[Fields], Json]] = {
            **self._acts.table(),
            "faults": self._add_fault,
            "release": self._release,
            "gateway": self._trouble,
        }
        views: dict[str, Callable[[Fields], Json]] = {
            "info": self._info,
            "interaction": self._interaction,
            "gateway": self._gateway,
            "transcript": self._transcript,
            "calls": self._calls,
            "pings": self._pings,
        }
        for name, act in acts.items():
            app.router.add_post(f"/control/{name}", _handler(act))
        for name, view in views.items():
            app.router.add_get(f"/control/{name}", _handler(view))
        app.router.add_delete("/control/faults", _handler(self._clear_faults))
        app.router.add_get("/control/events", self._events)

    def _info(self, _given: Fields) -> Json:
        bot = self._world.bot
        return {
            "bot": {"id": bot.id, "username": bot.name},
            "token": self._sandbox.token,
            "api_url": self._sandbox.api_url,
            "gateway_url": self._sandbox.gateway_url,
        }

    def _add_fault(self, given: Fields) -> Json:
        unknown = given.values.keys() - {"chat_id"} - {field.name for field in fields(Fault)}
        if unknown:
            raise ControlError(f"a fault has no field {', '.join(sorted(unknown))}")
        endless = "count" in given and given.values["count"] is None
        self._sandbox.fault(
            given.needed("kind"),
            method=given.text("method") or None,
            route=given.text("route") or None,
            channel=given.integer("chat_id") or None,
            count=None if endless else given.integer("count", 1),
            after=given.integer("after"),
            seconds=given.number("seconds"),
            scope=cast("Scope", given.text("scope") or "user"),
            via=given.boolean("via", default=True),
            status=given.integer("status", HTTPStatus.INTERNAL_SERVER_ERROR),
            description=given.text("description"),
            code=given.integer("code"),
            html=given.boolean("html"),
        )
        return {}

    def _clear_faults(self, _given: Fields) -> Json:
        self._sandbox.faults.clear()
        return {}

    def _release(self, _given: Fields) -> Json:
        self._sandbox.faults.release()
        return {}

    def _trouble(self, given: Fields) -> Json:
        act = given.needed("act")
        if act not in _TROUBLES:
            raise ControlError(f"the gateway has no trouble {act}: use {', '.join(_TROUBLES)}")
        arguments = {name: value for name, value in given.values.items() if name != "act"}
        try:
            getattr(self._sandbox.gateway, act)(**arguments)
        except TypeError as error:
            raise ControlError(str(error)) from None
        return {}

    def _gateway(self, _given: Fields) -> Json:
        gateway = self._sandbox.gateway
        return {
            "sessions": [s.id for s in gateway.sessions],
            "log": [asdict(r) for r in gateway.log],
        }

    def _interaction(self, given: Fields) -> Json:
        scene = self._sandbox.scene
        interaction = given.known(scene.interactions.by_id, "interaction_id", "interaction")
        handle = ScriptedInteraction(scene, interaction)
        return {
            "answered": handle.answered,
            "deferred": handle.deferred,
            "ephemeral": handle.ephemeral,
            "failed": handle.failed,
            "text": handle.response,
            "message_id": None if handle.message is None else handle.message.id,
        }

    def _transcript(self, given: Fields) -> Json:
        channel = given.known(self._world.channels, "chat_id", "chat")
        return {"messages": [_message_json(message) for message in channel.messages.values()]}

    def _calls(self, given: Fields) -> Json:
        later = self._sandbox.calls[max(given.integer("after"), 0) :]
        return {"calls": [asdict(call) for call in later]}

    def _pings(self, given: Fields) -> Json:
        later = self._sandbox.pings[max(given.integer("after"), 0) :]
        return {"pings": [asdict(ping) for ping in later]}

    async def _events(self, request: web.Request) -> web.Response:
        try:
            given = await read_fields(request)
            after, chat_id = given.integer("after"), given.integer("chat_id") or None
            seconds = min(given.number("timeout"), _MAX_WAIT)
        except ControlError as error:
            return _refusal(error)

        def later() -> list[Json]:
            return [
                _event_json(change)
                for change in self._world.changes[max(after, 0) :]
                if chat_id in (None, change.channel_id)
            ]

        try:
            events = later() or await self._sandbox.until(later, within=seconds)
        except TimeoutError:
            events = []
        return _answer({"events": events, "last": len(self._world.changes)})


def _event_json(change: Change) -> Json:
    return {
        "n": change.n,
        "at": change.at,
        "kind": change.kind,
        "chat_id": change.channel_id,
        "message_id": change.message_id,
        "from_bot": change.from_bot,
        "text": change.text,
        "seen_by": change.seen_by,
        "entities": [],
    }


def _message_json(message: Message) -> Json:
    reference = message.reference
    return {
        "message_id": message.id,
        "user_id": message.author.id,
        "from_bot": message.from_bot,
        "reply_to": None if reference is None else reference.message_id,
        "deleted_at": message.deleted_at,
        "ephemeral": message.ephemeral,
        "type": int(message.kind),
        "components": list(message.components),
        "versions": [
            {"at": version.at, "text": version.text, "embeds": list(version.embeds)}
            for version in message.versions
        ],
    }


def _handler(act: Callable[[Fields], Json]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return _answer(act(await read_fields(request)))
        except (ValueError, ApiError) as error:
            return _refusal(error)

    return handle


def _answer(result: Json) -> web.Response:
    return web.json_response({"ok": True, **result})


def _refusal(error: Exception) -> web.Response:
    return web.json_response({"ok": False, "error": str(error)}, status=400)
