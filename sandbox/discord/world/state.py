"""The sandbox's world: what there is, who may do what, and the log of what changed. No I/O."""

from __future__ import annotations

from functools import reduce
from itertools import count
from operator import or_
from typing import TYPE_CHECKING

from sandbox.discord.snowflake import Snowflakes
from sandbox.discord.world.mentions import find_mentions
from sandbox.discord.world.model import (
    Change,
    Channel,
    ChannelKind,
    Guild,
    Member,
    Mentions,
    Role,
    Thread,
    User,
)
from sandbox.discord.world.permissions import ALL, IN_DM, Permission, resolve, with_implied

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.discord.world.mentions import AllowedMentions
    from sandbox.discord.world.model import ChangeKind, Message, NewThread, Ping


class World:
    """Everything that exists; `clock` gives monotonic seconds, `unix` the wall clock's."""

    def __init__(self, bot: User, clock: Callable[[], float], unix: Callable[[], float]) -> None:
        self.bot = bot
        self.users: dict[int, User] = {bot.id: bot}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        """DMs, guild channels and threads."""
        self.closed_dms: set[int] = set()
        """Users who take no direct messages from the bot."""
        self.changes: list[Change] = []
        self.pings: list[Ping] = []
        self.on_change: Callable[[], None] = lambda: None
        self.cdn_url = ""
        """Where attachments can be fetched, without a trailing slash; known once it is served."""
        self.clock = clock
        self.unix = unix
        self._ids = Snowflakes(unix)
        self._dms: dict[int, int] = {}

    def new_id(self) -> int:
        return self._ids.next()

    def add_user(self, display_name: str, user_id: int | None = None, name: str = "") -> User:
        """Make a person and the DM with the bot, in which nobody has written yet."""
        if user_id is None:
            user_id = self.new_id()
        if user_id <= 0 or user_id in self.users:
            raise ValueError(f"user id {user_id} is taken or not positive: choose another")
        user = User(user_id, self._free_name(name or display_name), display_name)
        self.users[user_id] = user
        dm = Channel(self.new_id(), ChannelKind.DM, recipient=user)
        self.channels[dm.id] = dm
        self._dms[user_id] = dm.id
        return user

    def dm(self, user: User) -> Channel:
        """The DM between a person and the bot."""
        return self.channels[self._dms[user.id]]

    def add_guild(self, name: str, owner: User, guild_id: int | None = None) -> Guild:
        guild = Guild(guild_id or self.new_id(), name, owner.id)
        self.guilds[guild.id] = guild
        self.join(guild, owner)
        return guild

    def join(self, guild: Guild, user: User) -> Member:
        """Make a user a member; a bot gets a role of its own."""
        member = guild.members.setdefault(user.id, Member(user, self.unix()))
        if user.is_bot and not member.role_ids:
            role = self.add_role(guild, user.display_name)
            role.managed = True
            member.role_ids.append(role.id)
        return member

    def add_role(self, guild: Guild, name: str) -> Role:
        role = Role(self.new_id(), name, position=len(guild.roles))
        guild.roles[role.id] = role
        return role

    def add_channel(self, guild: Guild, name: str, kind: ChannelKind, topic: str = "") -> Channel:
        channel = Channel(
            self.new_id(), kind, guild.id, name, topic, position=len(guild.channel_ids)
        )
        self.channels[channel.id] = channel
        guild.channel_ids.append(channel.id)
        return channel

    def add_thread(self, parent: Channel, new: NewThread, thread_id: int | None) -> Channel:
        """Make a thread; one from a message has the message's id."""
        now = self.unix()
        thread = Channel(
            self.new_id() if thread_id is None else thread_id,
            new.kind,
            parent.guild_id,
            new.name,
            parent_id=parent.id,
            thread=Thread(
                new.owner.id, now, now, new.auto_archive_duration, member_ids=[new.owner.id]
            ),
        )
        self.channels[thread.id] = thread
        return thread

    def threads(self, guild: Guild, *, archived: bool = False) -> list[Channel]:
        return [
            channel
            for channel in self.channels.values()
            if channel.thread is not None
            and channel.guild_id == guild.id
            and channel.thread.archived is archived
        ]

    def guild_of(self, channel: Channel) -> Guild | None:
        return None if channel.guild_id is None else self.guilds[channel.guild_id]

    def member_of(self, channel: Channel, user: User) -> Member | None:
        """The user as a member of the channel's guild; None outside it and in DMs."""
        guild = self.guild_of(channel)
        return None if guild is None else guild.members.get(user.id)

    def permissions(self, user: User, channel: Channel) -> Permission:
        """What a user may do in a channel: nothing where they have no place."""
        guild = self.guild_of(channel)
        if guild is None:
            present = user in (channel.recipient, self.bot)
            return IN_DM if present else Permission.NONE
        member = guild.members.get(user.id)
        if member is None:
            return Permission.NONE
        if guild.owner_id == user.id:
            return ALL
        place = channel if channel.parent_id is None else self.channels[channel.parent_id]
        granted = resolve(
            self.granted(guild, member),
            place.overwrites,
            guild_id=guild.id,
            role_ids=member.role_ids,
            member_id=user.id,
        )
        if channel.kind is ChannelKind.PRIVATE_THREAD and not self._invited(user, channel, granted):
            return Permission.NONE
        return with_implied(granted, thread=channel.thread is not None)

    def granted(self, guild: Guild, member: Member) -> Permission:
        """What the member's roles give in the whole guild."""
        roles = [guild.roles[guild.id], *(guild.roles[role_id] for role_id in member.role_ids)]
        return reduce(or_, (role.permissions for role in roles), Permission.NONE)

    def may(self, user: User, channel: Channel, permission: Permission) -> bool:
        return bool(self.permissions(user, channel) & permission)

    def sees(self, user: User, channel: Channel) -> bool:
        return self.may(user, channel, Permission.VIEW_CHANNEL)

    def people_of(self, channel: Channel) -> list[User]:
        """The people, not bots, who see a channel."""
        guild = self.guild_of(channel)
        if guild is None:
            return [] if channel.recipient is None else [channel.recipient]
        users = [member.user for member in guild.members.values()]
        return [user for user in users if not user.is_bot and self.sees(user, channel)]

    def mentions(
        self, author: User, channel: Channel, text: str, allowed: AllowedMentions
    ) -> Mentions:
        """Whom a text mentions so that it notifies: what it names, is allowed, and may be named."""
        named = find_mentions(text)
        users = tuple(
            self.users[user_id]
            for user_id in named.users
            if user_id in self.users and allowed.user(user_id)
        )
        guild = self.guild_of(channel)
        if guild is None:
            return Mentions(users)
        anyone = self.may(author, channel, Permission.MENTION_EVERYONE)
        role_ids = tuple(
            role_id
            for role_id in named.roles
            if role_id in guild.roles
            and role_id != guild.id
            and allowed.role(role_id)
            and (anyone or guild.roles[role_id].mentionable)
        )
        return Mentions(users, role_ids, named.everyone and allowed.everyone and anyone)

    def referenced(self, message: Message) -> Message | None:
        """The message that one replies to, if it is still there."""
        reference = message.reference
        if reference is None or reference.message_id is None:
            return None
        channel = self.channels.get(reference.channel_id)
        return None if channel is None else channel.message(reference.message_id)

    def log(
        self,
        kind: ChangeKind,
        channel: Channel,
        by: User,
        message: Message | None = None,
        text: str = "",
    ) -> None:
        """Note what became visible, and tell who waits."""
        n = len(self.changes) + 1
        change = Change(
            n,
            self.clock(),
            kind,
            channel.id,
            None if message is None else message.id,
            by.is_bot,
            text,
            None if message is None else message.seen_by,
        )
        self.changes.append(change)
        self.on_change()

    def _free_name(self, wanted: str) -> str:
        name = wanted.lower().replace(" ", "_")
        taken = {user.name for user in self.users.values()}
        numbered = (f"{name}{n}" for n in count(2))
        return name if name not in taken else next(n for n in numbered if n not in taken)

    @staticmethod
    def _invited(user: User, thread: Channel, granted: Permission) -> bool:
        assert thread.thread is not None
        manages = bool(granted & Permission.MANAGE_THREADS)
        return manages or user.id in thread.thread.member_ids
