"""What anybody, a person or the bot, does: applied to the world, announced, and its pings noted.

Whether somebody may do it is checked before: by the API for the bot, by the scene for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.world.mentions import find_mentions
from sandbox.discord.world.model import (
    Channel,
    ChannelKind,
    Content,
    Draft,
    Mentions,
    Message,
    MessageFlag,
    MessageKind,
    Ping,
    Reference,
    Version,
)

if TYPE_CHECKING:
    from sandbox.discord.scene.events import Events
    from sandbox.discord.world.model import Guild, NewThread, PingReason, User
    from sandbox.discord.world.state import World


class Acts:
    def __init__(self, world: World, events: Events) -> None:
        self.world = world
        self.events = events

    def post(self, channel: Channel, author: User, draft: Draft) -> Message:
        """Post a message; in an archived thread this opens it again."""
        content = draft.content
        if channel.thread is not None and channel.thread.archived:
            self.set_thread(channel, archived=False)
        message = Message(
            self.world.new_id() if draft.message_id is None else draft.message_id,
            channel.id,
            author,
            self.world.clock(),
            self.world.unix(),
            [self._version(content)],
            kind=draft.kind,
            flags=content.flags,
            reference=draft.reference,
            attachments=content.attachments,
            nonce=draft.nonce,
            source=draft.source,
            snapshot=draft.snapshot,
            seen_by=draft.seen_by,
        )
        message.mentions = self._mentions(message, content)
        channel.messages[message.id] = message
        if not message.ephemeral:
            channel.last_message_id = message.id
            self._count(channel, message)
        self.world.log("sent", channel, author, message, message.text)
        self.events.message_created(message)
        self._notify(message, by_edit=False)
        return message

    def edit(self, message: Message, content: Content) -> None:
        """Show something else in a message, whose mentions are read anew.

        A deferred answer that gets its first text is not marked as edited.
        """
        channel = self.world.channels[message.channel_id]
        kept = message.flags & MessageFlag.HAS_THREAD | message.flags & MessageFlag.EPHEMERAL
        if not message.flags & MessageFlag.LOADING:
            message.edited = self.world.unix()
        message.flags = content.flags & ~MessageFlag.LOADING | kept
        message.attachments = content.attachments
        message.versions.append(self._version(content))
        message.mentions = self._mentions(message, content)
        self.world.log("edited", channel, message.author, message, message.text)
        self.events.message_updated(message)
        self._notify(message, by_edit=True)

    def delete(self, message: Message) -> None:
        channel = self.world.channels[message.channel_id]
        message.deleted_at = self.world.clock()
        if channel.thread is not None and _counts(channel, message):
            channel.thread.message_count -= 1
        self.world.log("deleted", channel, message.author, message)
        self.events.message_deleted(message)

    def show_typing(self, channel: Channel, user: User) -> None:
        self.world.log("typing", channel, user)
        self.events.typing(channel, user)

    def react(self, message: Message, user: User, emoji: str) -> None:
        users = message.reactions.setdefault(emoji, [])
        if user.id not in users:
            users.append(user.id)
            self.events.reaction(message, user, emoji, added=True)

    def unreact(self, message: Message, user: User, emoji: str) -> None:
        users = message.reactions.get(emoji, [])
        if user.id not in users:
            return
        users.remove(user.id)
        if not users:
            del message.reactions[emoji]
        self.events.reaction(message, user, emoji, added=False)

    def thread_from_message(self, message: Message, new: NewThread) -> Channel:
        """Open a thread with the message's id; a system message in it points back."""
        parent = self.world.channels[message.channel_id]
        thread = self._open(parent, new, message.id)
        message.flags |= MessageFlag.HAS_THREAD
        self.events.message_updated(message)
        reference = Reference(parent.id, parent.guild_id, message.id)
        draft = Draft(Content(), MessageKind.THREAD_STARTER, reference)
        self.post(thread, new.owner, draft)
        return thread

    def thread_alone(self, parent: Channel, new: NewThread) -> Channel:
        """Open a thread from no message; of a public one a system message tells the channel."""
        thread = self._open(parent, new)
        if new.kind is ChannelKind.PUBLIC_THREAD:
            reference = Reference(thread.id, thread.guild_id)
            draft = Draft(Content(new.name), MessageKind.THREAD_CREATED, reference)
            self.post(parent, new.owner, draft)
        return thread

    def forum_post(
        self, forum: Channel, new: NewThread, content: Content
    ) -> tuple[Channel, Message]:
        """Open a thread in a forum; its first message has the thread's id."""
        thread = self._open(forum, new)
        forum.last_message_id = thread.id
        return thread, self.post(thread, new.owner, Draft(content, message_id=thread.id))

    def set_thread(
        self,
        thread: Channel,
        *,
        name: str | None = None,
        archived: bool | None = None,
        locked: bool | None = None,
        auto_archive_duration: int | None = None,
    ) -> None:
        """Change what is not None."""
        state = thread.thread
        assert state is not None
        if name is not None:
            thread.name = name
        if archived is not None and archived is not state.archived:
            state.archived = archived
            state.archive_timestamp = self.world.unix()
        if locked is not None:
            state.locked = locked
        if auto_archive_duration is not None:
            state.auto_archive_duration = auto_archive_duration
        self.events.thread_updated(thread)

    def remove_channel(self, channel: Channel) -> None:
        """Delete a guild's channel with its threads, or one thread."""
        for thread in [c for c in self.world.channels.values() if c.parent_id == channel.id]:
            self.remove_channel(thread)
        if channel.thread is not None:
            self.events.thread_deleted(channel)
        else:
            self.events.channel("CHANNEL_DELETE", channel)
            guild = self.world.guild_of(channel)
            assert guild is not None
            guild.channel_ids.remove(channel.id)
        del self.world.channels[channel.id]

    def add_bot(self, guild: Guild) -> None:
        self.world.join(guild, self.world.bot)
        self.events.guild_joined(guild)

    def remove_bot(self, guild: Guild) -> None:
        if guild.members.pop(self.world.bot.id, None) is not None:
            self.events.guild_left(guild)

    def _open(self, parent: Channel, new: NewThread, thread_id: int | None = None) -> Channel:
        thread = self.world.add_thread(parent, new, thread_id)
        self.world.log("thread", thread, new.owner, text=new.name)
        self.events.thread_created(thread)
        return thread

    def _version(self, content: Content) -> Version:
        return Version(self.world.clock(), content.text, content.embeds, content.components)

    def _mentions(self, message: Message, content: Content) -> Mentions:
        channel = self.world.channels[message.channel_id]
        found = self.world.mentions(message.author, channel, content.text, content.allowed)
        parent = self._replied_to(message)
        if parent is None or not content.allowed.replied_user or parent.author in found.users:
            return found
        return Mentions((*found.users, parent.author), found.role_ids, found.everyone)

    def _replied_to(self, message: Message) -> Message | None:
        return self.world.referenced(message) if message.kind is MessageKind.REPLY else None

    def _count(self, channel: Channel, message: Message) -> None:
        thread = channel.thread
        if thread is None:
            return
        if message.author.id not in thread.member_ids:
            thread.member_ids.append(message.author.id)
        message.position = thread.total_message_sent
        if _counts(channel, message):
            thread.message_count += 1
            thread.total_message_sent += 1

    def _notify(self, message: Message, *, by_edit: bool) -> None:
        """Note whom a message notifies who was not notified by it before."""
        notified = {} if message.ephemeral else self._notified(message)
        if not notified:
            return
        before = {ping.user_id for ping in self.world.pings if ping.message_id == message.id}
        self.world.pings.extend(
            Ping(
                self.world.clock(),
                message.id,
                message.channel_id,
                message.author.id,
                user.id,
                reason,
                by_edit,
            )
            for user, reason in notified.items()
            if user.id not in before
        )

    def _notified(self, message: Message) -> dict[User, PingReason]:
        """The people, other than the author, who see the message and whom it mentions."""
        mentions = message.mentions
        if not (mentions.users or mentions.role_ids or mentions.everyone):
            return {}
        channel = self.world.channels[message.channel_id]
        named = find_mentions(message.text).users
        found: dict[User, PingReason] = {}
        for user in self.world.people_of(channel):
            member = self.world.member_of(channel, user)
            role_ids = [] if member is None else member.role_ids
            if user == message.author:
                continue
            if user in mentions.users:
                found[user] = "user" if user.id in named else "reply"
            elif set(role_ids) & set(mentions.role_ids):
                found[user] = "role"
            elif mentions.everyone:
                found[user] = "everyone"
        return found


def _counts(channel: Channel, message: Message) -> bool:
    """Whether a thread counts the message: not what it was opened with."""
    return message.kind is not MessageKind.THREAD_STARTER and message.id != channel.id
