"""The control API: what scripts in another process do with the sandbox, as JSON over HTTP.

Every answer is {"ok": true, …} or {"ok": false, "error": "…"} with status 400. `chat_id` of a
private chat is the user's id and may be left out where `user_id` is given.

| request | body or query | answer |
| --- | --- | --- |
| GET /control/info | | bot {id, username}, token |
| POST /control/users | first_name, id?, username? | user_id |
| POST /control/chats | title, members: [user ids], forum?, supergroup?, bot? | chat_id |
| POST /control/say | user_id, text, chat_id?, reply_to?, thread_id? | message_id |
| POST /control/photo | user_id, caption?, chat_id?, album? | message_id |
| POST /control/edit | user_id, message_id, text, chat_id? | |
| POST /control/delete | chat_id, message_id | |
| POST /control/press | user_id, message_id, data, chat_id? | callback_query_id |
| POST /control/block, /control/unblock | user_id | |
| POST /control/kick, /control/add, /control/promote | chat_id, user_id: who does it | |
| POST /control/topics | chat_id, user_id, name | thread_id |
| POST /control/close_topic, /control/reopen_topic | chat_id, user_id, thread_id | |
| POST /control/migrate | chat_id, user_id | chat_id of the supergroup |
| POST /control/faults | kind, method?, chat_id?, count? (null: endless), after?, … of `Fault` | |
| DELETE /control/faults | | forgets them and releases what hangs |
| POST /control/release | | releases what hangs |
| POST /control/penalty | chat_id, seconds | |
| POST /control/renumber | next_id of the updates, as after a week without one | |
| GET /control/transcript | chat_id | messages |
| GET /control/events | after=N, timeout=S (at most 60), chat_id? | events with n > N, last: N |
| GET /control/calls | after=N | calls from the Nth on |
| GET /control/deliveries | after=N | posts to the webhook from the Nth on |

An event is {n, at, kind, chat_id, message_id, from_bot, text, entities}; its kind is one of sent,
edited, deleted, typing, draft. A message is {message_id, user_id, from_bot, reply_to, thread_id,
deleted_at, reply_markup, versions: [{at, text, entities}]}. Entities are as in the Bot API.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from sandbox.telegram.errors import ApiError
from sandbox.telegram.faults import Fault, FaultKind
from sandbox.telegram.params import Params, read_params
from sandbox.telegram.wire import Json, entities_json, user_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.telegram.stage import Stage
    from sandbox.telegram.state import Chat, MemberStatus, Message, User

_MAX_WAIT = 60.0
Kept = TypeVar("Kept")


class ControlError(ValueError):
    """A request that names what is not there, or lacks a field."""


class Control:
    def __init__(self, sandbox: Stage) -> None:
        self._sandbox = sandbox
        self._scene = sandbox.scene
        self._world = sandbox.world

    def add_routes(self, app: web.Application) -> None:
        acts: dict[str, Callable[[Params], Json]] = {
            "users": self._add_user,
            "chats": self._add_chat,
            "say": self._say,
            "photo": self._photo,
            "edit": self._edit,
            "delete": self._delete,
            "press": self._press,
            "block": lambda params: self._block(params, "kicked"),
            "unblock": lambda params: self._block(params, "member"),
            "kick": lambda params: self._set_membership(params, "kicked"),
            "add": lambda params: self._set_membership(params, "member"),
            "promote": lambda params: self._set_membership(params, "administrator"),
            "topics": self._open_topic,
            "close_topic": lambda params: self._close_topic(params, closed=True),
            "reopen_topic": lambda params: self._close_topic(params, closed=False),
            "migrate": self._migrate,
            "faults": self._add_fault,
            "release": self._release,
            "penalty": self._penalize,
            "renumber": self._renumber,
        }
        views: dict[str, Callable[[Params], Json]] = {
            "info": self._info,
            "transcript": self._transcript,
            "calls": self._calls,
            "deliveries": self._deliveries,
        }
        for name, act in acts.items():
            app.router.add_post(f"/control/{name}", _handler(act))
        for name, view in views.items():
            app.router.add_get(f"/control/{name}", _handler(view))
        app.router.add_delete("/control/faults", _handler(self._clear_faults))
        app.router.add_get("/control/events", self._events)

    def _info(self, _params: Params) -> Json:
        return {"bot": user_json(self._world.bot), "token": self._sandbox.token}

    def _add_user(self, params: Params) -> Json:
        user_id = params.integer("id") or None
        user = self._world.add_user(_text(params, "first_name"), user_id, params.text("username"))
        return {"user_id": user.id}

    def _add_chat(self, params: Params) -> Json:
        members = params.json("members")
        if not isinstance(members, list) or not members:
            raise ControlError("members must be a list of user ids, the owner first")
        users = [_known(self._world.users, member, "user") for member in members]
        group = self._sandbox.group(
            _text(params, "title"),
            members=[self._sandbox.handle(user) for user in users],
            forum=params.boolean("forum"),
            supergroup=params.boolean("supergroup"),
            bot=params.boolean("bot") if "bot" in params else True,
        )
        return {"chat_id": group.id}

    def _say(self, params: Params) -> Json:
        message = self._scene.say(
            self._user(params),
            self._chat(params),
            _text(params, "text"),
            reply_to=params.integer("reply_to") or None,
            thread_id=params.integer("thread_id") or None,
        )
        return {"message_id": message.message_id}

    def _photo(self, params: Params) -> Json:
        message = self._scene.send_photo(
            self._user(params), self._chat(params), params.text("caption"), params.text("album")
        )
        return {"message_id": message.message_id}

    def _edit(self, params: Params) -> Json:
        self._scene.edit(self._user(params), self._message(params), _text(params, "text"))
        return {}

    def _delete(self, params: Params) -> Json:
        self._scene.delete(self._message(params))
        return {}

    def _press(self, params: Params) -> Json:
        query_id = self._scene.press(
            self._user(params), self._message(params), _text(params, "data")
        )
        return {"callback_query_id": query_id}

    def _block(self, params: Params, status: MemberStatus) -> Json:
        user = self._user(params)
        self._scene.set_bot_status(self._world.chats[user.id], user, status)
        return {}

    def _set_membership(self, params: Params, status: MemberStatus) -> Json:
        chat = self._chat(params)
        if chat.type == "private":
            raise ControlError("chat_id must name a group")
        self._scene.set_bot_status(chat, self._user(params), status)
        return {}

    def _open_topic(self, params: Params) -> Json:
        name = _text(params, "name")
        return {"thread_id": self._scene.open_topic(self._chat(params), self._user(params), name)}

    def _close_topic(self, params: Params, *, closed: bool) -> Json:
        thread_id = params.integer("thread_id")
        self._scene.close_topic(self._chat(params), self._user(params), thread_id, closed=closed)
        return {}

    def _migrate(self, params: Params) -> Json:
        return {"chat_id": self._scene.migrate(self._chat(params), self._user(params)).id}

    def _add_fault(self, params: Params) -> Json:
        unknown = params.decoded().keys() - {field.name for field in fields(Fault)}
        if unknown:
            raise ControlError(f"a fault has no field {', '.join(sorted(unknown))}")
        endless = "count" in params and params.json("count") is None
        fault = Fault(
            kind=FaultKind(params.text("kind")),
            method=params.text("method") or None,
            chat_id=params.integer("chat_id") or None,
            count=None if endless else params.integer("count", 1),
            after=params.integer("after"),
            seconds=params.number("seconds"),
            penalty=params.boolean("penalty") if "penalty" in params else True,
            status=params.integer("status", HTTPStatus.INTERNAL_SERVER_ERROR),
            description=params.text("description"),
            body=params.text("body"),
            containing=params.text("containing"),
        )
        self._sandbox.faults.add(fault)
        return {}

    def _clear_faults(self, _params: Params) -> Json:
        self._sandbox.faults.clear()
        return {}

    def _release(self, _params: Params) -> Json:
        self._sandbox.faults.release()
        return {}

    def _penalize(self, params: Params) -> Json:
        self._sandbox.penalize(self._chat(params).id, params.number("seconds"))
        return {}

    def _renumber(self, params: Params) -> Json:
        next_id = params.integer("next_id")
        if next_id <= 0:
            raise ControlError("next_id must be greater than 0")
        self._sandbox.updates.renumber(next_id)
        return {}

    def _transcript(self, params: Params) -> Json:
        messages = self._chat(params).messages.values()
        return {"messages": [self._message_json(message) for message in messages]}

    def _calls(self, params: Params) -> Json:
        return {"calls": [asdict(call) for call in self._sandbox.calls[params.integer("after") :]]}

    def _deliveries(self, params: Params) -> Json:
        later = self._sandbox.deliveries[params.integer("after") :]
        return {"deliveries": [asdict(delivery) for delivery in later]}

    async def _events(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        after, chat_id = params.integer("after"), params.integer("chat_id") or None

        def later() -> list[Json]:
            return [
                {**asdict(change), "entities": entities_json(change.entities, self._world.users)}
                for change in self._world.changes[max(after, 0) :]
                if chat_id in (None, change.chat_id)
            ]

        try:
            seconds = min(params.number("timeout"), _MAX_WAIT)
            events = later() or await self._sandbox.until(later, within=seconds)
        except TimeoutError:
            events = []
        return _answer({"events": events, "last": len(self._world.changes)})

    def _message_json(self, message: Message) -> Json:
        return {
            "message_id": message.message_id,
            "user_id": message.sender.id,
            "from_bot": message.from_bot,
            "reply_to": message.reply_to,
            "thread_id": message.thread_id,
            "deleted_at": message.deleted_at,
            "reply_markup": message.reply_markup,
            "versions": [
                {
                    "at": version.at,
                    "text": version.text,
                    "entities": entities_json(version.entities, self._world.users),
                }
                for version in message.versions
            ],
        }

    def _user(self, params: Params) -> User:
        return _known(self._world.users, params.integer("user_id"), "user")

    def _chat(self, params: Params) -> Chat:
        chat_id = params.integer("chat_id") or params.integer("user_id")
        return _known(self._world.chats, chat_id, "chat")

    def _message(self, params: Params) -> Message:
        return _known(self._chat(params).messages, params.integer("message_id"), "message")


def _known(items: dict[int, Kept], item_id: int, what: str) -> Kept:
    if item_id not in items:
        raise ControlError(f"there is no {what} {item_id}")
    return items[item_id]


def _text(params: Params, name: str) -> str:
    if not params.text(name):
        raise ControlError(f"{name} is missing")
    return params.text(name)


def _handler(act: Callable[[Params], Json]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return _answer(act(await read_params(request)))
        except (ValueError, ApiError) as error:
            return _refusal(error)

    return handle


def _answer(result: Json) -> web.Response:
    return web.json_response({"ok": True, **result})


def _refusal(error: Exception) -> web.Response:
    return web.json_response({"ok": False, "error": str(error)}, status=400)
