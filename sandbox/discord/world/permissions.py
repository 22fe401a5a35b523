"""Permissions: what a member may do in a channel. Pure.

https://discord.com/developers/docs/topics/permissions#permission-overwrites
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Permission(IntFlag):
    """The bits that matter here, with Discord's numbers."""

    NONE = 0
    CREATE_INSTANT_INVITE = 1 << 0
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38


ALL = Permission((1 << 53) - 1)
EVERYONE_DEFAULT = (
    Permission.CREATE_INSTANT_INVITE
    | Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.SEND_TTS_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.MENTION_EVERYONE
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)
"""What @everyone may do in a new guild."""
IN_DM = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.ADD_REACTIONS
    | Permission.USE_EXTERNAL_EMOJIS
)
_NEEDS_SENDING = (
    Permission.SEND_TTS_MESSAGES
    | Permission.MENTION_EVERYONE
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
)


class OverwriteKind(IntEnum):
    ROLE = 0
    MEMBER = 1


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a channel changes for a role or a member; @everyone is the role with the guild's id."""

    id: int
    kind: OverwriteKind
    allow: Permission = Permission.NONE
    deny: Permission = Permission.NONE

    def apply(self, permissions: Permission) -> Permission:
        return permissions & ~self.deny | self.allow


def resolve(
    granted: Permission,
    overwrites: Sequence[Overwrite],
    *,
    guild_id: int,
    role_ids: Iterable[int],
    member_id: int,
) -> Permission:
    """A member's permissions in a channel; `granted` is what all the member's roles give."""
    if granted & Permission.ADMINISTRATOR:
        return ALL
    roles = set(role_ids) - {guild_id}
    for overwrite in overwrites:
        if overwrite.kind is OverwriteKind.ROLE and overwrite.id == guild_id:
            granted = overwrite.apply(granted)
    of_roles = [o for o in overwrites if o.kind is OverwriteKind.ROLE and o.id in roles]
    for overwrite in of_roles:
        granted &= ~overwrite.deny
    for overwrite in of_roles:
        granted |= overwrite.allow
    for overwrite in overwrites:
        if overwrite.kind is OverwriteKind.MEMBER and overwrite.id == member_id:
            granted = overwrite.apply(granted)
    return granted


def with_implied(granted: Permission, *, thread: bool) -> Permission:
    """Without VIEW_CHANNEL nothing is left; who can't send can't embed or mention either."""
    if not granted & Permission.VIEW_CHANNEL:
        return Permission.NONE
    sending = Permission.SEND_MESSAGES_IN_THREADS if thread else Permission.SEND_MESSAGES
    return granted if granted & sending else granted & ~_NEEDS_SENDING
