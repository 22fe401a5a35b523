"""The REST routes of users, guilds, channels and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.errors import Code, FormErrors, form_error, refusal
from sandbox.discord.forms import Form
from sandbox.discord.rest.access import (
    check_unlocked,
    find_channel,
    find_guild,
    find_message,
    require,
)
from sandbox.discord.rest.message_form import parse_message
from sandbox.discord.rest.messages_api import new_content
from sandbox.discord.rest.request import NO_CONTENT, Reply, Request, created, ok
from sandbox.discord.world.message_wire import message_json
from sandbox.discord.world.model import DAY, USER_KINDS, ChannelKind, NewThread
from sandbox.discord.world.permissions import Permission
from sandbox.discord.world.wire import (
    application_json,
    channel_json,
    guild_json,
    member_json,
    own_user_json,
    thread_member_json,
    user_json,
)

if TYPE_CHECKING:
    from sandbox.discord.scene.acts import Acts
    from sandbox.discord.settings import Settings
    from sandbox.discord.world.model import Channel

MAX_NAME = 100
MAX_SLOWMODE = 21_600
_ARCHIVE_AFTER = (60, DAY, 3 * DAY, 7 * DAY)


class ChannelsApi:
    def __init__(self, acts: Acts, settings: Settings) -> None:
        self._acts = acts
        self._world = acts.world
        self._settings = settings

    def get_me(self, _request: Request) -> Reply:
        return ok(own_user_json(self._world.bot))

    def get_application(self, _request: Request) -> Reply:
        bot, message_content = self._world.bot, self._settings.message_content
        return ok(application_json(bot, message_content=message_content))

    def get_user(self, request: Request) -> Reply:
        user = self._world.users.get(request.ids["user_id"])
        if user is None:
            raise refusal(Code.UNKNOWN_USER)
        return ok(user_json(user))

    def open_dm(self, request: Request) -> Reply:
        errors = FormErrors()
        form = Form(request.fields, errors)
        user_id = form.id("recipient_id")
        if user_id is None and form.get("recipient_id") is None:
            form.refuse("recipient_id", "BASE_TYPE_REQUIRED", "This field is required")
        errors.check()
        user = self._world.users.get(user_id or 0)
        if user is None or user.is_bot:
            raise refusal(Code.INVALID_RECIPIENT)
        return ok(channel_json(self._world, self._world.dm(user)))

    def get_guild(self, request: Request) -> Reply:
        return ok(guild_json(find_guild(self._world, request.ids["guild_id"])))

    def list_channels(self, request: Request) -> Reply:
        guild = find_guild(self._world, request.ids["guild_id"])
        channels = [self._world.channels[channel_id] for channel_id in guild.channel_ids]
        return ok([channel_json(self._world, channel) for channel in channels])

    def get_member(self, request: Request) -> Reply:
        guild = find_guild(self._world, request.ids["guild_id"])
        member = guild.members.get(request.ids["user_id"])
        if member is None:
            raise refusal(Code.UNKNOWN_MEMBER)
        return ok(member_json(member))

    def list_active_threads(self, request: Request) -> Reply:
        guild, bot = find_guild(self._world, request.ids["guild_id"]), self._world.bot
        seen = [t for t in self._world.threads(guild) if self._world.sees(bot, t)]
        joined = [
            thread_member_json(thread, bot, thread.thread)
            for thread in seen
            if thread.thread is not None and bot.id in thread.thread.member_ids
        ]
        threads = [channel_json(self._world, thread) for thread in seen]
        return ok({"threads": threads, "members": joined})

    def get_channel(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        return ok(channel_json(self._world, channel))

    def edit_channel(self, request: Request) -> Reply:
        """Change a thread; other channels can't be changed here."""
        channel = find_channel(self._world, request.ids["channel_id"])
        if channel.thread is None:
            raise refusal(Code.WRONG_CHANNEL_TYPE)
        errors = FormErrors()
        form = Form(request.fields, errors)
        name = form.text("name", least=1, most=MAX_NAME)
        archived, locked = form.boolean("archived"), form.boolean("locked")
        duration = form.choice("auto_archive_duration", _ARCHIVE_AFTER)
        errors.check()
        owner = channel.thread.owner_id == self._world.bot.id
        if locked is not None or not owner:
            require(self._world, channel, Permission.MANAGE_THREADS)
        check_unlocked(self._world, channel)
        if channel.thread.archived and archived is not False:
            raise refusal(Code.THREAD_ARCHIVED)
        self._acts.set_thread(
            channel,
            name=name,
            archived=archived,
            locked=locked,
            auto_archive_duration=duration,
        )
        return ok(channel_json(self._world, channel))

    def delete_channel(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        shown = channel_json(self._world, channel)
        if channel.kind is not ChannelKind.DM:
            thread = channel.thread is not None
            permission = Permission.MANAGE_THREADS if thread else Permission.MANAGE_CHANNELS
            require(self._world, channel, permission)
            self._acts.remove_channel(channel)
        return ok(shown)

    def join_thread(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        if channel.thread is None:
            raise refusal(Code.WRONG_CHANNEL_TYPE)
        if channel.thread.archived:
            raise refusal(Code.THREAD_ARCHIVED)
        if self._world.bot.id not in channel.thread.member_ids:
            channel.thread.member_ids.append(self._world.bot.id)
        return NO_CONTENT

    def open_thread_from_message(self, request: Request) -> Reply:
        channel = find_channel(self._world, request.ids["channel_id"])
        new = self._new_thread(request)
        if channel.kind is not ChannelKind.TEXT:
            raise refusal(Code.WRONG_CHANNEL_TYPE)
        message = find_message(channel, request.ids["message_id"])
        require(self._world, channel, Permission.CREATE_PUBLIC_THREADS)
        require(self._world, channel, Permission.READ_MESSAGE_HISTORY)
        if message.id in self._world.channels:
            raise refusal(Code.THREAD_EXISTS)
        if message.kind not in USER_KINDS:
            raise refusal(Code.SYSTEM_MESSAGE)
        thread = self._acts.thread_from_message(message, new)
        return created(channel_json(self._world, thread))

    def open_thread(self, request: Request) -> Reply:
        """Open a thread from no message, or a post in a forum."""
        channel = find_channel(self._world, request.ids["channel_id"])
        if channel.kind is ChannelKind.FORUM:
            return self._open_post(channel, request)
        new = self._new_thread(request, default=ChannelKind.PRIVATE_THREAD)
        if channel.kind is not ChannelKind.TEXT:
            raise refusal(Code.WRONG_CHANNEL_TYPE)
        public = new.kind is ChannelKind.PUBLIC_THREAD
        require(
            self._world,
            channel,
            Permission.CREATE_PUBLIC_THREADS if public else Permission.CREATE_PRIVATE_THREADS,
        )
        thread = self._acts.thread_alone(channel, new)
        return created(channel_json(self._world, thread))

    def _open_post(self, forum: Channel, request: Request) -> Reply:
        new = self._new_thread(request)
        fields = request.fields.get("message")
        if not isinstance(fields, dict):
            raise form_error(("message",), "BASE_TYPE_REQUIRED", "This field is required")
        form = parse_message(fields, request.uploads, self._settings, path=("message",))
        require(self._world, forum, Permission.SEND_MESSAGES)
        content = new_content(self._world, form)
        if content.is_empty:
            raise refusal(Code.EMPTY_MESSAGE)
        thread, message = self._acts.forum_post(forum, new, content)
        shown = message_json(self._world, message, content=self._settings.message_content)
        return created({**channel_json(self._world, thread), "message": shown})

    def _new_thread(
        self, request: Request, *, default: ChannelKind = ChannelKind.PUBLIC_THREAD
    ) -> NewThread:
        errors = FormErrors()
        form = Form(request.fields, errors)
        name = form.text("name", least=1, most=MAX_NAME, required=True)
        kind = form.choice("type", (ChannelKind.PUBLIC_THREAD, ChannelKind.PRIVATE_THREAD))
        duration = form.choice("auto_archive_duration", _ARCHIVE_AFTER)
        form.integer("rate_limit_per_user", least=0, most=MAX_SLOWMODE)
        errors.check()
        return NewThread(
            (name or "").strip(),
            self._world.bot,
            default if kind is None else ChannelKind(kind),
            duration or DAY,
        )
