"""The answer to a request for a guild's members.

https://discord.com/developers/docs/events/gateway-events#request-guild-members

Only those members are known that the guild's GUILD_CREATE holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.snowflake import snowflake

if TYPE_CHECKING:
    from sandbox.discord.errors import Json

MOST = 100
"""How many members a request by name or by id is answered with."""
_NONCE_BYTES = 32


def wants_all(request: Json) -> bool:
    """Whether a request is for the whole list, which needs the intent GUILD_MEMBERS."""
    return request.get("query") == "" and request.get("limit") == 0


def members_chunk(guild: Json, request: Json) -> Json:
    """The GUILD_MEMBERS_CHUNK, always a single one, that answers a request; `guild` has members."""
    members = guild.get("members")
    known = [m for m in members if isinstance(m, dict)] if isinstance(members, list) else []
    chunk: Json = {"guild_id": guild["id"], "chunk_index": 0, "chunk_count": 1}
    if "user_ids" in request:
        asked = _ids(request["user_ids"])
        found = [member for member in known if _user_id(member) in asked][:MOST]
        missing = asked - {_user_id(member) for member in found}
        chunk["not_found"] = [str(user_id) for user_id in sorted(missing)]
    else:
        found = known if wants_all(request) else _named(known, request)
    nonce = request.get("nonce")
    if isinstance(nonce, str) and len(nonce.encode()) <= _NONCE_BYTES:
        chunk["nonce"] = nonce
    return {**chunk, "members": found}


def _named(members: list[Json], request: Json) -> list[Json]:
    query, limit = request.get("query"), request.get("limit")
    if not isinstance(query, str) or not isinstance(limit, int):
        return []
    prefix = query.lower()
    found = [member for member in members if _username(member).lower().startswith(prefix)]
    return found[: min(limit, MOST) or MOST]


def _ids(value: object) -> set[int]:
    values = value if isinstance(value, list) else [value]
    return {found for found in map(snowflake, values) if found is not None}


def _user_id(member: Json) -> int | None:
    user = member.get("user")
    return snowflake(user.get("id")) if isinstance(user, dict) else None


def _username(member: Json) -> str:
    user = member.get("user")
    return str(user.get("username", "")) if isinstance(user, dict) else ""
