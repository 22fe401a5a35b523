"""Scripted people and groups: handles for tests, over the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.telegram.text import split_utf16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.telegram.entities import Entity
    from sandbox.telegram.scene import Scene
    from sandbox.telegram.state import Chat, Message, User

PASTE_SIZE = 4096
"""Where Telegram's apps split a long text, in UTF-16 units."""


@dataclass(frozen=True, slots=True)
class ScriptedGroup:
    """A group; `owner` is who acts where no one is named."""

    scene: Scene
    chat: Chat
    owner: User

    @property
    def id(self) -> int:
        return self.chat.id

    def kick_bot(self) -> None:
        self.scene.set_bot_status(self.chat, self.owner, "kicked")

    def add_bot(self) -> None:
        self.scene.set_bot_status(self.chat, self.owner, "member")

    def promote_bot(self) -> None:
        self.scene.set_bot_status(self.chat, self.owner, "administrator")

    def open_topic(self, name: str) -> int:
        """The new topic's message_thread_id."""
        return self.scene.open_topic(self.chat, self.owner, name)

    def close_topic(self, thread: int) -> None:
        self.scene.close_topic(self.chat, self.owner, thread)

    def reopen_topic(self, thread: int) -> None:
        self.scene.close_topic(self.chat, self.owner, thread, closed=False)

    def migrate(self) -> ScriptedGroup:
        """Turn a basic group into a supergroup and return that."""
        return ScriptedGroup(self.scene, self.scene.migrate(self.chat, self.owner), self.owner)


@dataclass(frozen=True, slots=True)
class ScriptedUser:
    """A person with a private chat; that chat's id is the person's."""

    scene: Scene
    user: User

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def first_name(self) -> str:
        return self.user.first_name

    async def say(
        self,
        text: str,
        *,
        chat: ScriptedGroup | None = None,
        reply_to: Message | None = None,
        thread: int | None = None,
        entities: Sequence[Entity] = (),
    ) -> Message:
        """Write in the private chat with the bot, or in a group."""
        return self.scene.say(
            self.user,
            self._place(chat),
            text,
            entities=entities,
            reply_to=None if reply_to is None else reply_to.message_id,
            thread_id=thread,
        )

    async def paste(self, text: str, *, chat: ScriptedGroup | None = None) -> list[Message]:
        """Send a text of any length, split as Telegram's apps do."""
        return [await self.say(part, chat=chat) for part in split_utf16(text, PASTE_SIZE)]

    async def send_photo(
        self, caption: str = "", *, chat: ScriptedGroup | None = None, album: str = ""
    ) -> Message:
        """Send a photo; photos of one `album` carry the same media_group_id."""
        return self.scene.send_photo(self.user, self._place(chat), caption, album)

    async def forward(
        self, message: Message, *, chat: ScriptedGroup | None = None, hidden: bool = False
    ) -> Message:
        """Forward to the private chat with the bot, or to a group.

        `hidden`: its sender lets nobody link to them, so that only their name comes along.
        """
        return self.scene.forward(self.user, message, self._place(chat), hidden=hidden)

    async def edit(self, message: Message, text: str) -> None:
        self.scene.edit(self.user, message, text)

    async def delete(self, message: Message) -> None:
        """Delete a message, one's own or the bot's, for both sides."""
        self.scene.delete(message)

    async def press(self, message: Message, data: str) -> str:
        """Press the inline button that carries `data`; returns the callback query's id."""
        return self.scene.press(self.user, message, data)

    async def stop_generation(self, draft_id: int) -> None:
        """Press Stop on a draft in the private chat."""
        self.scene.stop_generation(self._place(None), draft_id)

    async def block(self) -> None:
        self.scene.set_bot_status(self._place(None), self.user, "kicked")

    async def unblock(self) -> None:
        self.scene.set_bot_status(self._place(None), self.user, "member")

    def _place(self, group: ScriptedGroup | None) -> Chat:
        return self.scene.world.chats[self.user.id] if group is None else group.chat
