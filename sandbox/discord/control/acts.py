"""The part of the control API in which people act; its table is in `control`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.control.fields import ControlError, Fields, known
from sandbox.discord.scene.users import ScriptedUser, to_permission
from sandbox.discord.world.model import Channel, ChannelKind
from sandbox.discord.world.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.discord.errors import Json
    from sandbox.discord.stage import Stage
    from sandbox.discord.world.model import Guild, Message, User


class ControlActs:
    def __init__(self, sandbox: Stage) -> None:
        self._sandbox = sandbox
        self._scene = sandbox.scene
        self._world = sandbox.world

    def table(self) -> dict[str, Callable[[Fields], Json]]:
        """Each act by its name in the path."""
        return {
            "users": self._add_user,
            "guilds": self._add_guild,
            "members": self._add_member,
            "channels": self._add_channel,
            "roles": self._add_role,
            "say": self._say,
            "edit": self._edit,
            "delete": self._delete,
            "type": self._type,
            "threads": self._open_thread,
            "posts": self._post,
            "archive": self._archive,
            "unarchive": self._unarchive,
            "lock": self._lock,
            "remove": self._remove,
            "slash": self._slash,
            "press": self._press,
            "close_dms": lambda given: self._set_dms(given, closed=True),
            "open_dms": lambda given: self._set_dms(given, closed=False),
            "kick": self._kick,
            "add": self._add_bot,
            "deny": lambda given: self._set_permissions(given, allowed=False),
            "allow": lambda given: self._set_permissions(given, allowed=True),
        }

    def _add_user(self, given: Fields) -> Json:
        user_id = given.integer("id") or None
        user = self._world.add_user(given.needed("first_name"), user_id, given.text("username"))
        return {"user_id": user.id, "dm_id": self._world.dm(user).id}

    def _add_guild(self, given: Fields) -> Json:
        members = self._users(given)
        if not members:
            raise ControlError("members must be a list of user ids, the owner first")
        bot = given.boolean("bot", default=True)
        return {"guild_id": self._sandbox.guild(given.needed("name"), members=members, bot=bot).id}

    def _add_member(self, given: Fields) -> Json:
        self._world.join(self._guild(given), self._user(given))
        return {}

    def _add_channel(self, given: Fields) -> Json:
        kind = ChannelKind.FORUM if given.boolean("forum") else ChannelKind.TEXT
        channel = self._scene.add_channel(
            self._guild(given), given.needed("name"), kind, given.text("topic")
        )
        return {"chat_id": channel.id}

    def _add_role(self, given: Fields) -> Json:
        guild, permissions = self._guild(given), Permission.NONE
        for permission in self._permissions(given):
            permissions |= permission
        members = self._users(given)
        for member in members:
            known(guild.members, member.id, "member")
        role = self._scene.add_role(
            guild, given.needed("name"), permissions, mentionable=given.boolean("mentionable")
        )
        for member in members:
            guild.members[member.id].role_ids.append(role.id)
        return {"role_id": role.id}

    def _say(self, given: Fields) -> Json:
        channel, text = self._channel(given), given.needed("text")
        if given.boolean("mention"):
            text = f"<@{self._world.bot.id}> {text}"
        parent = None
        if given.integer("reply_to"):
            parent = given.known(channel.messages, "reply_to", "message")
        message = self._scene.say(self._user(given), channel, text, reply_to=parent)
        return {"message_id": message.id, "chat_id": channel.id}

    def _edit(self, given: Fields) -> Json:
        self._scene.edit(self._user(given), self._message(given), given.needed("text"))
        return {}

    def _delete(self, given: Fields) -> Json:
        message = self._message(given)
        user = self._user(given) if "user_id" in given else message.author
        self._scene.delete(user, message)
        return {}

    def _type(self, given: Fields) -> Json:
        self._scene.type(self._user(given), self._channel(given))
        return {}

    def _open_thread(self, given: Fields) -> Json:
        message = self._message(given) if given.integer("message_id") else None
        thread = self._scene.open_thread(
            self._user(given), self._channel(given), given.needed("name"), message
        )
        return {"chat_id": thread.id}

    def _post(self, given: Fields) -> Json:
        user, forum = self._user(given), self._channel(given)
        thread = self._scene.post(user, forum, given.needed("title"), given.needed("text"))
        return {"chat_id": thread.id}

    def _archive(self, given: Fields) -> Json:
        locked = given.boolean("locked")
        self._scene.acts.set_thread(self._thread(given), archived=True, locked=locked)
        return {}

    def _unarchive(self, given: Fields) -> Json:
        self._scene.acts.set_thread(self._thread(given), archived=False, locked=False)
        return {}

    def _lock(self, given: Fields) -> Json:
        self._scene.acts.set_thread(self._thread(given), locked=True)
        return {}

    def _remove(self, given: Fields) -> Json:
        channel = self._channel(given)
        if channel.guild_id is None:
            raise ControlError("chat_id must name a channel or a thread of a guild")
        self._scene.acts.remove_channel(channel)
        return {}

    def _slash(self, given: Fields) -> Json:
        interaction = self._scene.slash(
            self._user(given), self._channel(given), given.needed("name"), given.mapping("options")
        )
        return {"interaction_id": interaction.id}

    def _press(self, given: Fields) -> Json:
        interaction = self._scene.press(
            self._user(given), self._message(given), given.needed("data")
        )
        return {"interaction_id": interaction.id}

    def _set_dms(self, given: Fields, *, closed: bool) -> Json:
        self._scene.set_dms(self._user(given), closed=closed)
        return {}

    def _kick(self, given: Fields) -> Json:
        self._scene.acts.remove_bot(self._guild(given))
        return {}

    def _add_bot(self, given: Fields) -> Json:
        self._scene.acts.add_bot(self._guild(given))
        return {}

    def _set_permissions(self, given: Fields, *, allowed: bool) -> Json:
        channel = known(self._world.channels, given.integer("chat_id"), "chat")
        if channel.guild_id is None:
            raise ControlError("chat_id must name a channel or a thread of a guild")
        user = self._user(given) if "user_id" in given else self._world.bot
        for permission in self._permissions(given):
            self._scene.set_permission(channel, user, permission, allowed=allowed)
        return {}

    def _user(self, given: Fields) -> User:
        return given.known(self._world.users, "user_id", "user")

    def _users(self, given: Fields) -> list[ScriptedUser]:
        users = (known(self._world.users, item, "user") for item in given.items("members"))
        return [self._sandbox.handle(user) for user in users]

    def _guild(self, given: Fields) -> Guild:
        return given.known(self._world.guilds, "guild_id", "guild")

    def _channel(self, given: Fields) -> Channel:
        if "chat_id" not in given:
            return self._world.dm(self._user(given))
        return given.known(self._world.channels, "chat_id", "chat")

    def _thread(self, given: Fields) -> Channel:
        channel = self._channel(given)
        if channel.thread is None:
            raise ControlError("chat_id must name a thread")
        return channel

    def _message(self, given: Fields) -> Message:
        return given.known(self._channel(given).messages, "message_id", "message")

    def _permissions(self, given: Fields) -> list[Permission]:
        return [to_permission(str(name)) for name in given.items("permissions")]
