"""What people do in the world; each act is applied at once and announced through the gateway."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

from sandbox.discord.scene.commands import CommandMenus
from sandbox.discord.scene.components import custom_ids
from sandbox.discord.scene.interactions import InteractionKind, Interactions, interaction_json
from sandbox.discord.world.message_wire import message_json
from sandbox.discord.world.model import (
    Attachment,
    ChannelKind,
    Content,
    Draft,
    MessageFlag,
    MessageKind,
    NewThread,
    Reference,
    Snapshot,
)
from sandbox.discord.world.permissions import Overwrite, OverwriteKind, Permission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.discord.errors import Json
    from sandbox.discord.scene.acts import Acts
    from sandbox.discord.scene.interactions import Interaction
    from sandbox.discord.settings import Settings
    from sandbox.discord.world.model import Channel, Guild, Message, Role, User

_STRING, _INTEGER, _BOOLEAN, _USER, _NUMBER = 3, 4, 5, 6, 10
_GUILD_CONTEXT, _DM_CONTEXT = 0, 1


class SceneError(ValueError):
    """Something a person can't do in Discord's own apps either."""


class Scene:
    def __init__(self, acts: Acts, settings: Settings) -> None:
        self.acts = acts
        self.world = acts.world
        self.interactions = Interactions(acts.world, settings)
        self.menus = CommandMenus(acts.world.bot.id, acts.world.new_id)
        self._settings = settings

    def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        reply_to: Message | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Message:
        """Post a message of `user`; `files` are contents by file name."""
        content = self._content(text, files or {})
        self._check_may_write(user, channel)
        if reply_to is None:
            return self.acts.post(channel, user, Draft(content))
        if channel.message(reply_to.id) is None:
            raise SceneError(f"there is no message {reply_to.id} in the channel {channel.id}")
        reference = Reference(channel.id, channel.guild_id, reply_to.id)
        return self.acts.post(channel, user, Draft(content, MessageKind.REPLY, reference))

    def forward(self, user: User, message: Message, channel: Channel) -> Message:
        """Post what a message shows now in another channel; Discord's apps add no text to it."""
        self._check_may_write(user, channel)
        origin = self.world.channels[message.channel_id]
        if origin.message(message.id) is None or not self.world.sees(user, origin):
            raise SceneError(f"there is no message {message.id} that {user.display_name} sees")
        snapshot = Snapshot(
            message.kind,
            message.created,
            message.edited,
            message.flags,
            message.mentions,
            message.versions[-1],
            message.attachments,
        )
        content = Content(flags=MessageFlag.HAS_SNAPSHOT)
        reference = Reference(origin.id, origin.guild_id, message.id)
        return self.acts.post(channel, user, Draft(content, reference=reference, snapshot=snapshot))

    def edit(self, user: User, message: Message, text: str) -> None:
        if message.author != user or message.deleted:
            raise SceneError("only one's own messages can be edited")
        content = self._content(text, {}, kept=message.attachments)
        self.acts.edit(message, content)

    def delete(self, user: User, message: Message) -> None:
        """Delete one's own message, or, with the permission to manage messages, another's."""
        channel = self.world.channels[message.channel_id]
        if message.deleted:
            raise SceneError(f"message {message.id} is deleted already")
        manages = self.world.may(user, channel, Permission.MANAGE_MESSAGES)
        if message.author != user and not manages:
            raise SceneError(f"{user.display_name} can't delete messages of others here")
        self.acts.delete(message)

    def open_thread(
        self, user: User, channel: Channel, name: str, message: Message | None = None
    ) -> Channel:
        """Open a public thread, from a message or from none."""
        if channel.kind is not ChannelKind.TEXT:
            raise SceneError(f"in the channel {channel.id} no thread can be opened")
        self._check_may(user, channel, Permission.CREATE_PUBLIC_THREADS)
        new = NewThread(name, user)
        if message is None:
            return self.acts.thread_alone(channel, new)
        if message.deleted or message.channel_id != channel.id:
            raise SceneError(f"there is no message {message.id} in the channel {channel.id}")
        if message.id in self.world.channels:
            raise SceneError(f"message {message.id} has a thread already")
        return self.acts.thread_from_message(message, new)

    def post(self, user: User, forum: Channel, title: str, text: str) -> Channel:
        """Open a post in a forum."""
        if forum.kind is not ChannelKind.FORUM:
            raise SceneError(f"the channel {forum.id} is no forum: make it with forum()")
        self._check_may(user, forum, Permission.SEND_MESSAGES)
        thread, _ = self.acts.forum_post(forum, NewThread(title, user), self._content(text, {}))
        return thread

    def slash(
        self, user: User, channel: Channel, name: str, options: Mapping[str, object]
    ) -> Interaction:
        """Use a slash command of the bot; raises SceneError where the menu has no such command."""
        self._check_may(user, channel, Permission.VIEW_CHANNEL)
        if channel.guild_id is not None:
            self._check_may(user, channel, Permission.USE_APPLICATION_COMMANDS)
        command = self.menus.find(channel.guild_id, name)
        if command is None or not _offered(command, channel):
            raise SceneError(f"there is no command /{name} here: has the bot registered it?")
        data: Json = {
            "id": command["id"],
            "name": name,
            "type": command["type"],
            "options": _options(command, options),
        }
        return self._interact(InteractionKind.COMMAND, user, channel, data)

    def press(self, user: User, message: Message, custom_id: str) -> Interaction:
        """Press the button with this custom id."""
        channel = self.world.channels[message.channel_id]
        if message.deleted or message.seen_by not in (None, user.id):
            raise SceneError(f"{user.display_name} does not see the message {message.id}")
        if custom_id not in custom_ids(message.components):
            raise SceneError(f"message {message.id} has no button with the id {custom_id!r}")
        self._check_may(user, channel, Permission.VIEW_CHANNEL)
        data: Json = {"custom_id": custom_id, "component_type": 2}
        return self._interact(InteractionKind.COMPONENT, user, channel, data, message)

    def type(self, user: User, channel: Channel) -> None:
        self._check_may_write(user, channel)
        self.acts.show_typing(channel, user)

    def set_dms(self, user: User, *, closed: bool) -> None:
        if closed:
            self.world.closed_dms.add(user.id)
        else:
            self.world.closed_dms.discard(user.id)

    def add_guild(self, name: str, owner: User, guild_id: int | None = None) -> Guild:
        return self.world.add_guild(name, owner, guild_id)

    def add_channel(self, guild: Guild, name: str, kind: ChannelKind, topic: str = "") -> Channel:
        channel = self.world.add_channel(guild, name, kind, topic)
        self.acts.events.channel("CHANNEL_CREATE", channel)
        return channel

    def add_role(
        self, guild: Guild, name: str, permissions: Permission, *, mentionable: bool
    ) -> Role:
        role = self.world.add_role(guild, name)
        role.permissions, role.mentionable = permissions, mentionable
        self.acts.events.role_created(guild, role)
        return role

    def set_permission(
        self, channel: Channel, user: User, permission: Permission, *, allowed: bool | None
    ) -> None:
        """Allow or deny a member something in a channel; None: as the roles have it."""
        place = channel if channel.parent_id is None else self.world.channels[channel.parent_id]
        old = next(
            (o for o in place.overwrites if (o.kind, o.id) == (OverwriteKind.MEMBER, user.id)),
            Overwrite(user.id, OverwriteKind.MEMBER),
        )
        allow, deny = old.allow & ~permission, old.deny & ~permission
        if allowed is not None:
            allow, deny = (allow | permission, deny) if allowed else (allow, deny | permission)
        others = [o for o in place.overwrites if o is not old]
        place.overwrites = [*others, Overwrite(user.id, OverwriteKind.MEMBER, allow, deny)]
        self.acts.events.channel("CHANNEL_UPDATE", place)

    def _interact(
        self,
        kind: InteractionKind,
        user: User,
        channel: Channel,
        data: Json,
        pressed: Message | None = None,
    ) -> Interaction:
        interaction = self.interactions.open(kind, user, channel, data, pressed)
        message = None
        if pressed is not None:
            message = message_json(self.world, pressed, content=True)
        self.acts.events.interaction(interaction_json(self.world, interaction, message))
        return interaction

    def _content(
        self, text: str, files: Mapping[str, bytes], kept: tuple[Attachment, ...] = ()
    ) -> Content:
        stripped = text.strip()
        if not (stripped or files or kept):
            raise SceneError("a message needs some text")
        if len(stripped) > self._settings.content_limit:
            raise SceneError("the text is too long for one message: use paste")
        new = tuple(
            Attachment(
                self.world.new_id(),
                name,
                content,
                mimetypes.guess_type(name)[0] or "application/octet-stream",
            )
            for name, content in files.items()
        )
        return Content(stripped, attachments=(*kept, *new))

    def _check_may_write(self, user: User, channel: Channel) -> None:
        if channel.kind is ChannelKind.FORUM:
            raise SceneError("in a forum one can only post")
        thread = channel.thread
        if thread is not None and thread.locked:
            self._check_may(user, channel, Permission.MANAGE_THREADS)
        self._check_may(
            user,
            channel,
            Permission.SEND_MESSAGES if thread is None else Permission.SEND_MESSAGES_IN_THREADS,
        )

    def _check_may(self, user: User, channel: Channel, permission: Permission) -> None:
        if not self.world.may(user, channel, permission):
            what = (permission.name or str(int(permission))).lower()
            raise SceneError(f"{user.display_name} lacks {what} in the channel {channel.id}")


def _offered(command: Json, channel: Channel) -> bool:
    """Whether Discord's apps offer a command in such a channel."""
    contexts = command.get("contexts")
    in_dm = channel.guild_id is None
    if isinstance(contexts, list):
        return (_DM_CONTEXT if in_dm else _GUILD_CONTEXT) in contexts
    return not in_dm or command.get("dm_permission") is not False


def _options(command: Json, given: Mapping[str, object]) -> list[Json]:
    """The options as an interaction gives them, in the order in which they were filled in."""
    listed = command.get("options")
    known = {o["name"]: o for o in listed} if isinstance(listed, list) else {}
    for name in given:
        if name not in known:
            raise SceneError(f"the command /{command['name']} has no option {name}")
    for name, option in known.items():
        if option.get("required") and name not in given:
            raise SceneError(f"the command /{command['name']} needs the option {name}")
    return [
        {"name": name, "type": known[name]["type"], "value": _value(known[name], value)}
        for name, value in given.items()
    ]


def _value(option: Json, value: object) -> object:
    wanted: dict[object, type | tuple[type, ...]] = {
        _STRING: str,
        _INTEGER: int,
        _BOOLEAN: bool,
        _NUMBER: (int, float),
    }
    kind = wanted.get(option["type"])
    if kind is None:
        raise SceneError(f"options of type {option['type']} can't be filled in here")
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SceneError(f"the option {option['name']} can't be {value!r}")
    return value
