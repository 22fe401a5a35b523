"""The REST routes of messages: create, edit, delete, read, type, react."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.discord.errors import Code, FormErrors, form_error, refusal
from sandbox.discord.forms import Form
from sandbox.discord.rest.access import (
    check_active,
    check_can_send,
    check_unlocked,
    find_channel,
    find_message,
    require,
)
from sandbox.discord.rest.message_form import MessageForm, parse_message
from sandbox.discord.rest.request import NO_CONTENT, Reply, Request, ok
from sandbox.discord.world.message_wire import message_json
from sandbox.discord.world.model import (
    USER_KINDS,
    Attachment,
    Content,
    Draft,
    MessageFlag,
    MessageKind,
    Reference,
)
from sandbox.discord.world.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.discord.errors import Json
    from sandbox.discord.rest.message_form import ReplyTo
    from sandbox.discord.scene.acts import Acts
    from sandbox.discord.settings import Settings
    from sandbox.discord.world.model import Channel, Message
    from sandbox.discord.world.state import World

MAX_LISTED = 100
DEFAULT_LISTED = 50
MAX_EMOJI = 64


class MessagesApi:
    def __init__(self, acts: Acts, settings: Settings) -> None:
        self._acts = acts
        self._world = acts.world
        self._settings = settings
        self._nonces: dict[tuple[int, str], Message] = {}
        """The bot's last message with a nonce, by channel and nonce."""
        self._old_edits: dict[int, deque[float]] = {}
        """When old messages were edited lately, by channel."""

    def create(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        form = parse_message(request.fields, request.uploads, self._settings)
        check_can_send(self._world, channel)
        if form.uploads:
            require(self._world, channel, Permission.ATTACH_FILES)
        if form.embeds:
            require(self._world, channel, Permission.EMBED_LINKS)
        twin = self._twin(channel, form)
        if twin is not None:
            return self._show(twin)
        parent = self._parent(channel, form.reply_to)
        content = new_content(self._world, form)
        if content.is_empty:
            raise refusal(Code.EMPTY_MESSAGE)
        kind = MessageKind.DEFAULT if parent is None else MessageKind.REPLY
        reference = None if parent is None else Reference(channel.id, channel.guild_id, parent.id)
        draft = Draft(content, kind, reference, form.nonce)
        message = self._acts.post(channel, self._world.bot, draft)
        if form.nonce is not None:
            self._nonces[channel.id, str(form.nonce)] = message
        return self._show(message)

    def edit(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        message = find_message(channel, request.ids["message_id"])
        form = parse_message(request.fields, request.uploads, self._settings)
        check_active(channel)
        check_unlocked(self._world, channel)
        if message.author != self._world.bot:
            return self._edit_flags(channel, message, form)
        if message.kind not in USER_KINDS:
            raise refusal(Code.SYSTEM_MESSAGE)
        self._check_age(message)
        content = edited_content(self._world, message, form)
        if content.is_empty:
            raise refusal(Code.EMPTY_MESSAGE)
        self._acts.edit(message, content)
        return self._show(message)

    def delete(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        message = find_message(channel, request.ids["message_id"])
        if message.author != self._world.bot:
            if channel.guild_id is None:
                raise refusal(Code.NOT_IN_DM)
            require(self._world, channel, Permission.MANAGE_MESSAGES)
        if message.kind is MessageKind.THREAD_STARTER:
            raise refusal(Code.SYSTEM_MESSAGE)
        self._acts.delete(message)
        return NO_CONTENT

    def get(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        require(self._world, channel, Permission.READ_MESSAGE_HISTORY)
        return self._show(find_message(channel, request.ids["message_id"]))

    def get_history(self, request: Request) -> Reply:
        """Newest first; nothing without the permission to read the history."""
        channel = find_channel(self._world, request.ids["channel_id"])
        errors = FormErrors()
        form = Form(request.query, errors)
        limit = form.integer("limit", least=1, most=MAX_LISTED) or DEFAULT_LISTED
        before, after, around = form.id("before"), form.id("after"), form.id("around")
        errors.check()
        if not self._world.may(self._world.bot, channel, Permission.READ_MESSAGE_HISTORY):
            return ok([])
        messages = channel.history
        if around is not None:
            chosen = _around(messages, around, limit)
        elif after is not None:
            chosen = [m for m in messages if m.id > after][:limit]
        else:
            chosen = [m for m in messages if before is None or m.id < before][-limit:]
        return ok([self._json(message) for message in reversed(chosen)])

    def type(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        check_can_send(self._world, channel)
        self._acts.show_typing(channel, self._world.bot)
        return NO_CONTENT

    def react(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        message = find_message(channel, request.ids["message_id"])
        emoji = _emoji(request)
        check_active(channel)
        require(self._world, channel, Permission.READ_MESSAGE_HISTORY)
        if emoji not in message.reactions:
            require(self._world, channel, Permission.ADD_REACTIONS)
        self._acts.react(message, self._world.bot, emoji)
        return NO_CONTENT

    def unreact(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        message = find_message(channel, request.ids["message_id"])
        self._acts.unreact(message, self._world.bot, _emoji(request))
        return NO_CONTENT

    def _show(self, message: Message) -> Reply:
        return ok(self._json(message))

    def _json(self, message: Message) -> Json:
        return message_json(self._world, message, content=self._settings.message_content)

    def _twin(self, channel: Channel, form: MessageForm) -> Message | None:
        """The message that was created with the same nonce not long ago."""
        if not form.enforce_nonce or form.nonce is None:
            return None
        twin = self._nonces.get((channel.id, str(form.nonce)))
        if twin is None or twin.deleted:
            return None
        age = self._world.clock() - twin.at
        return twin if age <= self._settings.nonce_window else None

    def _parent(self, channel: Channel, reply_to: ReplyTo | None) -> Message | None:
        if reply_to is None:
            return None
        if not self._world.may(self._world.bot, channel, Permission.READ_MESSAGE_HISTORY):
            raise refusal(Code.NO_HISTORY_TO_REPLY)
        here = reply_to.channel_id in (None, channel.id)
        parent = channel.message(reply_to.message_id) if here else None
        if parent is not None and parent.kind not in USER_KINDS:
            raise form_error(
                ("message_reference",),
                "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE",
                "Cannot reply to a system message",
            )
        if parent is None and reply_to.fail_if_not_exists:
            raise form_error(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return parent

    def _edit_flags(self, channel: Channel, message: Message, form: MessageForm) -> Reply:
        """Of other people's messages only the embeds can be hidden, by a moderator."""
        changes = (form.content, form.embeds, form.components, form.kept_attachments)
        moderator = self._world.may(self._world.bot, channel, Permission.MANAGE_MESSAGES)
        if form.flags is None or any(item is not None for item in changes) or not moderator:
            raise refusal(Code.EDIT_OF_ANOTHER)
        kept = message.flags & ~MessageFlag.SUPPRESS_EMBEDS
        message.flags = kept | form.flags & MessageFlag.SUPPRESS_EMBEDS
        self._acts.events.message_updated(message)
        return self._show(message)

    def _check_age(self, message: Message) -> None:
        """Of messages older than an hour only a few can be edited in a while."""
        limit = self._settings.old_edits
        now = self._world.clock()
        if limit is None or now - message.at < limit.age:
            return
        recent = self._old_edits.setdefault(message.channel_id, deque())
        while recent and recent[0] <= now - limit.window:
            recent.popleft()
        if len(recent) >= limit.limit:
            wait = round(recent[0] + limit.window - now, 3)
            raise refusal(Code.TOO_MANY_OLD_EDITS, **{"retry_after": wait, "global": False})
        recent.append(now)


def new_content(world: World, form: MessageForm) -> Content:
    """A new message's content."""
    return Content(
        form.content or "",
        form.embeds or (),
        form.components or (),
        _attachments(world, form),
        form.flags or MessageFlag.NONE,
        form.allowed,
    )


def edited_content(world: World, message: Message, form: MessageForm) -> Content:
    """A message's content after an edit; what the request is silent about stays.

    Files that come with an edit are added to those there are.
    """
    kept = message.attachments
    if form.kept_attachments is not None:
        kept = tuple(a for a in kept if a.id in form.kept_attachments)
    v2 = message.flags & MessageFlag.COMPONENTS_V2
    return replace(
        new_content(world, form),
        text=message.text if form.content is None else form.content,
        embeds=message.embeds if form.embeds is None else form.embeds,
        components=message.components if form.components is None else form.components,
        attachments=(*kept, *_attachments(world, form)),
        flags=message.flags if form.flags is None else form.flags | v2,
    )


def _attachments(world: World, form: MessageForm) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            world.new_id(),
            upload.filename,
            upload.content,
            upload.content_type,
            form.descriptions.get(upload.number, ""),
        )
        for upload in form.uploads
    )


def _around(messages: Sequence[Message], middle: int, limit: int) -> list[Message]:
    """At most `limit` messages, half of them before the one in the middle."""
    older = [m for m in messages if m.id < middle]
    newer = [m for m in messages if m.id >= middle]
    half = limit // 2
    return [*older[len(older) - min(half, len(older)) :], *newer[: limit - half]]


def _emoji(request: Request) -> str:
    emoji = request.words["emoji"]
    if not emoji or len(emoji) > MAX_EMOJI or (emoji.isascii() and ":" not in emoji):
        raise refusal(Code.UNKNOWN_EMOJI)
    return emoji
