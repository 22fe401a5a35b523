"""What clients send over the gateway, read and checked: pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sandbox.discord.gateway.intents import ALL_INTENTS, PRIVILEGED, Intent
from sandbox.discord.gateway.protocol import CloseCode, GatewayCloseError, Opcode

_FROM_CLIENTS = frozenset(
    {
        Opcode.HEARTBEAT,
        Opcode.IDENTIFY,
        Opcode.PRESENCE_UPDATE,
        Opcode.VOICE_STATE_UPDATE,
        Opcode.RESUME,
        Opcode.REQUEST_GUILD_MEMBERS,
        Opcode.REQUEST_SOUNDBOARD_SOUNDS,
    }
)
_SHARD_PARTS = 2


@dataclass(frozen=True, slots=True)
class Identify:
    intents: Intent
    shard: tuple[int, int] | None
    """The shard's number and how many there are."""


@dataclass(frozen=True, slots=True)
class Resume:
    session_id: str
    seq: int


def read_payload(text: str) -> tuple[Opcode, object]:
    """The opcode and the data of a payload; raises GatewayCloseError."""
    try:
        payload = json.loads(text)
    except ValueError:
        raise GatewayCloseError(CloseCode.DECODE_ERROR) from None
    if not isinstance(payload, dict) or not _is_int(payload.get("op")):
        raise GatewayCloseError(CloseCode.DECODE_ERROR)
    if payload["op"] not in _FROM_CLIENTS:
        raise GatewayCloseError(CloseCode.UNKNOWN_OPCODE)
    return Opcode(payload["op"]), payload.get("d")


def read_identify(data: object, token: str, enabled: Intent) -> Identify:
    """An IDENTIFY's data; `enabled` are the privileged intents that are allowed.

    Raises GatewayCloseError.
    """
    fields = _fields(data)
    _check_token(fields, token)
    if not isinstance(fields.get("properties"), dict):
        raise GatewayCloseError(CloseCode.DECODE_ERROR)
    return Identify(_intents(fields.get("intents"), enabled), _shard(fields.get("shard")))


def read_resume(data: object, token: str) -> Resume:
    """A RESUME's data; raises GatewayCloseError."""
    fields = _fields(data)
    _check_token(fields, token)
    session_id, seq = fields.get("session_id"), fields.get("seq")
    if not isinstance(session_id, str):
        raise GatewayCloseError(CloseCode.DECODE_ERROR)
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise GatewayCloseError(CloseCode.INVALID_SEQ)
    return Resume(session_id, seq)


def _fields(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise GatewayCloseError(CloseCode.DECODE_ERROR)
    return data


def _check_token(fields: dict[str, object], token: str) -> None:
    if fields.get("token") != token:
        raise GatewayCloseError(CloseCode.AUTHENTICATION_FAILED)


def _intents(value: object, enabled: Intent) -> Intent:
    if not isinstance(value, int) or isinstance(value, bool) or value & ~ALL_INTENTS.value:
        raise GatewayCloseError(CloseCode.INVALID_INTENTS)
    if value & PRIVILEGED & ~enabled:
        raise GatewayCloseError(CloseCode.DISALLOWED_INTENTS)
    return Intent(value)


def _shard(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != _SHARD_PARTS or not all(map(_is_int, value)):
        raise GatewayCloseError(CloseCode.INVALID_SHARD)
    number, shards = value
    if not 0 <= number < shards:
        raise GatewayCloseError(CloseCode.INVALID_SHARD)
    return number, shards


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
