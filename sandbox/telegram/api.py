"""The Bot API's methods over the world: each checks its parameters, applies, and returns a result.

A method here is synchronous and atomic; waiting (latency, flood control, long polling) and faults
are the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.telegram import access
from sandbox.telegram.commands import (
    CommandMenus,
    Scope,
    parse_commands,
    parse_language,
    parse_scope,
)
from sandbox.telegram.entities import FormattedText, format_text
from sandbox.telegram.entity_json import parse_entities
from sandbox.telegram.errors import bad_request
from sandbox.telegram.flood import CallKind
from sandbox.telegram.state import Content, Message
from sandbox.telegram.text import utf16_length
from sandbox.telegram.webhook_api import WebhookApi
from sandbox.telegram.wire import bot_json, full_chat_json, member_json, message_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.telegram.params import Params
    from sandbox.telegram.scene import Scene
    from sandbox.telegram.settings import Settings

CHAT_ACTIONS = frozenset(
    {
        "cancel",
        "typing",
        "record_video",
        "upload_video",
        "record_audio",
        "record_voice",
        "upload_audio",
        "upload_voice",
        "upload_photo",
        "upload_document",
        "choose_sticker",
        "pick_up_location",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)
MAX_DELETED_AT_ONCE = 100
_PARSE_MODES = ("", "none", "markdown", "markdownv2", "html")
_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)


class BotApi:
    def __init__(self, scene: Scene, settings: Settings) -> None:
        self._scene = scene
        self._world = scene.world
        self._settings = settings
        self.webhooks = WebhookApi(scene.updates, settings, scene.world.clock)
        self._menus = CommandMenus()

    def call(self, method: str, params: Params) -> object:
        """Apply a method, named in lower case, and return its result; raises ApiError."""
        function, _ = METHODS[method]
        return function(self, params)

    def get_me(self, _params: Params) -> object:
        return bot_json(self._world.bot, reads_groups=not self._settings.group_privacy)

    def send_message(self, params: Params) -> object:
        formatted = self._text(params, too_long="message is too long")
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        place = access.check_place(self._world, chat, params)
        access.check_not_blocked(self._world, chat)
        markup = _reply_markup(params)
        content = Content(formatted, place.reply_to, place.thread_id, reply_markup=markup)
        return message_json(self._world, self._world.post(chat, self._world.bot, content))

    def edit_message_text(self, params: Params) -> object:
        formatted = self._text(params, too_long="MESSAGE_TOO_LONG")
        markup = _reply_markup(params)
        message = self._own_message(params)
        current = FormattedText(message.text, message.entities)
        if formatted == current and markup == message.reply_markup:
            raise bad_request(_NOT_MODIFIED)
        self._world.edit(message, formatted, markup)
        return message_json(self._world, message, with_reply=False)

    def edit_message_reply_markup(self, params: Params) -> object:
        message, markup = self._own_message(params), _reply_markup(params)
        if markup == message.reply_markup:
            raise bad_request(_NOT_MODIFIED)
        self._world.edit(message, FormattedText(message.text, message.entities), markup)
        return message_json(self._world, message, with_reply=False)

    def delete_message(self, params: Params) -> object:
        if not params.integer("message_id"):
            raise bad_request("Message identifier is not specified")
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        message = chat.message(params.integer("message_id"))
        if message is None:
            raise bad_request("message to delete not found")
        self._check_deletable(message)
        self._world.delete(message)
        return True

    def delete_messages(self, params: Params) -> object:
        """Those that can't be found are skipped."""
        wanted = params.json("message_ids")
        if not isinstance(wanted, list) or not wanted:
            raise bad_request("Message identifiers are not specified")
        if len(wanted) > MAX_DELETED_AT_ONCE:
            raise bad_request("Too many message identifiers specified")
        if not all(isinstance(item, int) and item > 0 for item in wanted):
            raise bad_request("Invalid message identifier specified")
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        found = [message for item in wanted if (message := chat.message(item)) is not None]
        for message in found:
            self._check_deletable(message)
        for message in found:
            self._world.delete(message)
        return True

    def send_chat_action(self, params: Params) -> object:
        action = params.text("action").lower()
        if action not in CHAT_ACTIONS:
            raise bad_request("Wrong parameter action in request")
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        access.check_thread(self._world, chat, params)
        access.check_not_blocked(self._world, chat)
        if action != "cancel":
            self._world.show_typing(chat)
        return True

    def send_message_draft(self, params: Params) -> object:
        formatted = self._format(params)
        if utf16_length(formatted.text) > self._settings.text_limit:
            raise bad_request("MESSAGE_TOO_LONG")
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        if chat.type != "private":
            raise bad_request("TEXTDRAFT_PEER_INVALID")
        if not params.integer("draft_id"):
            raise bad_request("RANDOM_ID_INVALID")
        access.check_thread(self._world, chat, params)
        access.check_not_blocked(self._world, chat)
        self._world.show_draft(chat, formatted)
        return True

    def answer_callback_query(self, params: Params) -> object:
        if not self._scene.answer_callback(params.text("callback_query_id")):
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        return True

    def get_chat(self, params: Params) -> object:
        chat = access.find_chat(self._world, params)
        if chat.migrated_to is None:
            access.check_member(self._world, chat)
        return full_chat_json(chat)

    def get_chat_member(self, params: Params) -> object:
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        user = self._world.users.get(params.integer("user_id"))
        if user is None:
            raise bad_request("PARTICIPANT_ID_INVALID")
        return member_json(user, chat.members.get(user.id, "left"))

    def get_chat_administrators(self, params: Params) -> object:
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        if chat.type == "private":
            raise bad_request("there are no administrators in the private chat")
        return [
            member_json(self._world.users[user_id], status)
            for user_id, status in chat.members.items()
            if status in ("creator", "administrator")
        ]

    def get_file(self, _params: Params) -> object:
        """The sandbox stores no files."""
        raise bad_request("wrong file_id or the file is temporarily unavailable")

    def set_my_commands(self, params: Params) -> object:
        commands = parse_commands(params.json("commands"))
        self._menus.set(*self._menu(params), commands)
        return True

    def get_my_commands(self, params: Params) -> object:
        return self._menus.get(*self._menu(params))

    def delete_my_commands(self, params: Params) -> object:
        self._menus.delete(*self._menu(params))
        return True

    def _menu(self, params: Params) -> tuple[Scope, str]:
        scope = parse_scope(params.json("scope"))
        if scope.chat_id is not None and scope.chat_id not in self._world.chats:
            raise bad_request("chat not found")
        return scope, parse_language(params.text("language_code"))

    def _text(self, params: Params, *, too_long: str) -> FormattedText:
        """The text of a message; `too_long` is said where only the UTF-16 count is over."""
        if not params.text("text"):
            raise bad_request("Message text is empty")
        formatted = self._format(params)
        if not formatted.text:
            raise bad_request("Text must be non-empty")
        if len(formatted.text) > self._settings.text_limit:
            raise bad_request("message is too long")
        if utf16_length(formatted.text) > self._settings.text_limit:
            raise bad_request(too_long)
        return formatted

    def _format(self, params: Params) -> FormattedText:
        if params.text("parse_mode").lower() not in _PARSE_MODES:
            raise bad_request("unsupported parse_mode")
        text = params.text("text")
        if len(text.encode(errors="surrogatepass")) > self._settings.request_text_limit:
            raise bad_request("Text is too long")
        return format_text(text, parse_entities(params.json("entities")))

    def _own_message(self, params: Params) -> Message:
        if not params.text("chat_id") and not params.integer("message_id"):
            raise bad_request("Message identifier is not specified")
        chat = access.find_chat(self._world, params)
        access.check_member(self._world, chat)
        message = chat.message(params.integer("message_id"))
        if message is None:
            raise bad_request("message to edit not found")
        if message.sender != self._world.bot:
            raise bad_request("message can't be edited")
        if not self._settings.edits_when_blocked:
            access.check_not_blocked(self._world, chat)
        return message

    def _check_deletable(self, message: Message) -> None:
        """In groups a bot deletes others' messages only as an administrator."""
        chat = self._world.chats[message.chat_id]
        rights = chat.members.get(self._world.bot.id)
        if message.from_bot or chat.type == "private" or rights == "administrator":
            return
        raise bad_request("message can't be deleted")


def _reply_markup(params: Params) -> object:
    if not params.text("reply_markup"):
        return None
    markup = params.json("reply_markup")
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    rows = markup.get("inline_keyboard")
    return markup if rows else None


def kind_of(method: str) -> CallKind:
    return METHODS[method][1]


METHODS: dict[str, tuple[Callable[[BotApi, Params], object], CallKind]] = {
    "getme": (BotApi.get_me, CallKind.EXEMPT),
    "sendmessage": (BotApi.send_message, CallKind.MESSAGE),
    "editmessagetext": (BotApi.edit_message_text, CallKind.MESSAGE),
    "editmessagereplymarkup": (BotApi.edit_message_reply_markup, CallKind.MESSAGE),
    "deletemessage": (BotApi.delete_message, CallKind.OTHER),
    "deletemessages": (BotApi.delete_messages, CallKind.OTHER),
    "sendchataction": (BotApi.send_chat_action, CallKind.ACTION),
    "sendmessagedraft": (BotApi.send_message_draft, CallKind.ACTION),
    "answercallbackquery": (BotApi.answer_callback_query, CallKind.EXEMPT),
    "getchat": (BotApi.get_chat, CallKind.EXEMPT),
    "getchatmember": (BotApi.get_chat_member, CallKind.EXEMPT),
    "getchatadministrators": (BotApi.get_chat_administrators, CallKind.EXEMPT),
    "getfile": (BotApi.get_file, CallKind.EXEMPT),
    "setmycommands": (BotApi.set_my_commands, CallKind.OTHER),
    "getmycommands": (BotApi.get_my_commands, CallKind.EXEMPT),
    "deletemycommands": (BotApi.delete_my_commands, CallKind.OTHER),
    "setwebhook": (lambda api, params: api.webhooks.set(params), CallKind.EXEMPT),
    "deletewebhook": (lambda api, params: api.webhooks.delete(params), CallKind.EXEMPT),
    "getwebhookinfo": (lambda api, params: api.webhooks.info(params), CallKind.EXEMPT),
}
