"""Discord's gateway protocol, spoken by hand over real WebSockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from gateway_wire import STANDARD, TOKEN, Server, World, serving

from sandbox.discord.gateway.intents import PRIVILEGED, Intent
from sandbox.discord.gateway.protocol import GatewaySettings, Opcode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GUILD = 7 << 22


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(world=World([GUILD])) as server:
        yield server


async def test_hello_names_the_heartbeat_interval_and_each_heartbeat_is_acknowledged(
    server: Server,
) -> None:
    wire = await server.open()
    hello = await wire.receive()
    assert (hello["op"], hello["d"]) == (Opcode.HELLO, {"heartbeat_interval": 41_250})
    await wire.send(Opcode.HEARTBEAT)
    await wire.send(Opcode.HEARTBEAT, 3)
    assert [(await wire.receive())["op"] for _ in range(2)] == [Opcode.HEARTBEAT_ACK] * 2


@pytest.mark.parametrize("compress", ["", "&compress=zlib-stream"])
async def test_ready_comes_first_and_then_each_guild(server: Server, compress: str) -> None:
    wire = await server.connect(f"?v=10&encoding=json{compress}")
    ready = await wire.identify()
    assert ready["user"]["username"] == "parlance"
    assert ready["v"] == 10
    assert ready["guilds"] == [{"id": str(GUILD), "unavailable": True}]
    assert ready["resume_gateway_url"] == server.url
    assert "shard" not in ready
    created = await wire.receive()
    assert (created["t"], created["s"], created["d"]["name"]) == (
        "GUILD_CREATE",
        2,
        f"guild {GUILD}",
    )


async def test_one_zlib_stream_runs_through_the_whole_connection(server: Server) -> None:
    wire = await server.connect("?v=10&encoding=json&compress=zlib-stream")
    await wire.identify()
    await wire.receive()
    for number in range(50):
        server.gateway.dispatch("NEWS", {"text": "ä" * 1000, "n": number})
    assert [(await wire.receive())["d"]["n"] for _ in range(50)] == list(range(50))


async def test_a_compression_that_is_not_offered_leaves_frames_of_text(server: Server) -> None:
    wire = await server.connect("?v=10&encoding=json&compress=zstd-stream")
    assert (await wire.identify())["v"] == 10


async def test_guilds_can_come_with_ready() -> None:
    settings = GatewaySettings(guilds_unavailable_first=False)
    async with serving(settings, World([GUILD])) as server:
        ready = await (await server.connect()).identify()
        assert [guild["name"] for guild in ready["guilds"]] == [f"guild {GUILD}"]


async def test_without_the_intent_no_guild_follows_ready(server: Server) -> None:
    wire = await server.join(Intent.DIRECT_MESSAGES)
    server.gateway.dispatch("LATER", {})
    assert await wire.events(1) == ["LATER"]


async def test_a_request_for_no_websocket_is_a_bad_request(server: Server) -> None:
    async with aiohttp.request("GET", server.url.replace("ws:", "http:")) as response:
        assert response.status == 400
    assert server.gateway.log == []


@pytest.mark.parametrize("query", ["", "?v=9&encoding=json", "?v=10&encoding=etf"])
async def test_another_version_or_encoding_is_closed_with_4012(server: Server, query: str) -> None:
    assert await (await server.open(query)).close_code() == 4012


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no JSON", 4002),
        ("[]", 4002),
        ('{"op": "1"}', 4002),
        ('{"op": true}', 4002),
        ('{"op": 2}', 4002),
        ('{"op": 1, "d": "' + "x" * 4096 + '"}', 4002),
        ('{"op": 5}', 4001),
        ('{"op": 0, "t": "READY", "d": {}}', 4001),
        ('{"op": 3, "d": {}}', 4003),
        ('{"op": 8, "d": {}}', 4003),
    ],
)
async def test_what_a_client_may_not_send_closes_its_socket(
    server: Server, text: str, code: int
) -> None:
    wire = await server.connect()
    await wire.socket.send_str(text)
    assert await wire.close_code() == code


async def test_a_binary_frame_is_no_payload(server: Server) -> None:
    wire = await server.connect()
    await wire.socket.send_bytes(b'{"op": 1}')
    assert await wire.close_code() == 4002


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"token": "wrong"}, 4004),
        ({"token": f"Bot {TOKEN}"}, 4004),
        ({"properties": None}, 4002),
        ({"intents": None}, 4013),
        ({"intents": 1 << 17}, 4013),
        ({"intents": -1}, 4013),
        ({"intents": int(Intent.MESSAGE_CONTENT)}, 4014),
        ({"shard": [1, 1]}, 4010),
        ({"shard": [0]}, 4010),
        ({"shard": "0/1"}, 4010),
    ],
)
async def test_an_identify_that_is_wrong_is_closed(fields: dict[str, Any], code: int) -> None:
    enabled = PRIVILEGED & ~Intent.MESSAGE_CONTENT
    async with serving(GatewaySettings(privileged=enabled)) as server:
        wire = await server.connect()
        await wire.send_identify(**fields)
        assert await wire.close_code() == code
        assert server.gateway.sessions == []


@pytest.mark.parametrize("again", [Opcode.IDENTIFY, Opcode.RESUME])
async def test_who_has_a_session_gets_no_second_one(server: Server, again: Opcode) -> None:
    wire = await server.join(Intent.DIRECT_MESSAGES)
    await wire.send(again, {})
    assert await wire.close_code() == 4005


async def test_a_token_is_never_in_the_log(server: Server) -> None:
    wire = await server.connect()
    await wire.send_identify(token="a-secret")
    await wire.close_code()
    await server.join()
    assert TOKEN not in str(server.gateway.log)
    assert "a-secret" not in str(server.gateway.log)


async def test_too_many_payloads_in_a_minute_close_the_socket() -> None:
    now = 0.0
    async with serving(GatewaySettings(payloads_per_minute=3), clock=lambda: now) as server:
        wire = await server.connect()
        for at in (0.0, 1.0, 2.0, 60.0):
            now = at
            await wire.send(Opcode.HEARTBEAT)
            assert (await wire.receive())["op"] == Opcode.HEARTBEAT_ACK
        await wire.send(Opcode.HEARTBEAT)
        assert await wire.close_code() == 4008


async def test_a_client_without_heartbeats_is_closed_and_keeps_its_session() -> None:
    settings = GatewaySettings(heartbeat_interval=0.2, heartbeat_grace=0.1)
    async with serving(settings) as server:
        assert await (await server.join()).close_code() == 4009
        assert len(server.gateway.sessions) == 1


async def test_a_client_that_never_identifies_is_closed() -> None:
    async with serving(GatewaySettings(identify_timeout=0.02)) as server:
        assert await (await server.connect()).close_code() == 4009


async def test_events_are_numbered_and_come_in_order(server: Server) -> None:
    wire = await server.join(Intent.DIRECT_MESSAGES)
    for number in range(20):
        server.gateway.dispatch("NEWS", {"n": number})
    got = [await wire.receive() for _ in range(20)]
    assert [payload["d"]["n"] for payload in got] == list(range(20))
    assert [payload["s"] for payload in got] == list(range(2, 22))


async def test_an_event_is_what_it_was_when_it_was_dispatched(server: Server) -> None:
    wire = await server.join(Intent.DIRECT_MESSAGES)
    data: dict[str, object] = {"content": "one"}
    server.gateway.dispatch("NEWS", data)
    data["content"] = "two"
    assert (await wire.receive())["d"] == {"content": "one"}


async def test_a_session_gets_what_its_intents_ask_for(server: Server) -> None:
    wire = await server.join(Intent.DIRECT_MESSAGES)
    server.gateway.dispatch("GUILD_NEWS", {}, intent=Intent.GUILD_MESSAGES)
    server.gateway.dispatch("NEWS", {}, intent=Intent.DIRECT_MESSAGES)
    server.gateway.dispatch("INTERACTION", {})
    assert await wire.events(2) == ["NEWS", "INTERACTION"]


async def test_content_is_for_those_with_the_intent(server: Server) -> None:
    plain = await server.join(Intent.DIRECT_MESSAGES)
    privileged = await server.join(Intent.DIRECT_MESSAGES | Intent.MESSAGE_CONTENT)
    server.gateway.dispatch("SAID", {"content": "hi"}, redacted={"content": ""})
    server.gateway.dispatch("SAID", {"content": "to you"})
    assert [(await plain.receive())["d"]["content"] for _ in range(2)] == ["", "to you"]
    assert [(await privileged.receive())["d"]["content"] for _ in range(2)] == ["hi", "to you"]


async def test_a_guild_is_told_to_its_shard_alone_and_all_else_to_the_first() -> None:
    even, odd = 4 << 22, 5 << 22
    async with serving(world=World([even, odd])) as server:
        first = await server.connect()
        ready = await first.identify(shard=[0, 2])
        assert ready["shard"] == [0, 2]
        assert [guild["id"] for guild in ready["guilds"]] == [str(even)]
        second = await server.join(shard=[1, 2])
        assert [(await wire.receive())["d"]["id"] for wire in (first, second)] == [
            str(even),
            str(odd),
        ]
        server.gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(odd)})
        server.gateway.dispatch("GUILD_DELETE", {"id": str(odd)})
        server.gateway.dispatch("MESSAGE_CREATE", {"channel_id": "1"})
        assert await second.events(2) == ["MESSAGE_CREATE", "GUILD_DELETE"]
        assert "guild_id" not in (await first.receive())["d"]


async def test_a_shard_with_too_many_guilds_is_refused() -> None:
    guilds = [4 << 22, 5 << 22, 6 << 22]
    async with serving(GatewaySettings(guilds_per_shard=2), world=World(guilds)) as server:
        for shard in (None, [0, 1]):
            wire = await server.connect()
            await wire.send_identify(**({"shard": shard} if shard else {}))
            assert await wire.close_code() == 4011
        for shard in ([0, 2], [1, 2]):
            await server.join(shard=shard)
        assert len(server.gateway.sessions) == 2


async def test_presence_is_noted_and_other_requests_are_taken(server: Server) -> None:
    wire = await server.join(Intent.DIRECT_MESSAGES)
    await wire.send(Opcode.PRESENCE_UPDATE, {"status": "idle"})
    await wire.send(Opcode.VOICE_STATE_UPDATE, {"guild_id": "1"})
    await wire.send(Opcode.HEARTBEAT, 1)
    assert (await wire.receive())["op"] == Opcode.HEARTBEAT_ACK
    assert [record.details for record in server.noted("presence")] == [{"sent": {"status": "idle"}}]


ADA, BEN = ({"user": {"id": str(n), "username": name}} for n, name in ((11, "ada"), (12, "Ben")))


@pytest.mark.parametrize(
    ("request_", "found", "missing"),
    [
        ({"query": "b", "limit": 10}, [BEN], None),
        ({"user_ids": ["12", 13]}, [BEN], ["13"]),
        ({"user_ids": "11"}, [ADA], []),
        ({"query": "", "limit": 0}, [ADA, BEN], None),
        ({"query": "", "limit": 1}, [ADA], None),
    ],
)
async def test_members_are_told_on_request(
    request_: dict[str, Any], found: list[Any], missing: list[str] | None
) -> None:
    async with serving(world=World([GUILD], [ADA, BEN])) as server:
        wire = await server.join(STANDARD | Intent.GUILD_MEMBERS)
        await wire.receive()
        asked = {"guild_id": str(GUILD), "nonce": "n", **request_}
        await wire.send(Opcode.REQUEST_GUILD_MEMBERS, asked)
        chunk = (await wire.receive())["d"]
        assert (chunk["members"], chunk.get("not_found"), chunk["nonce"]) == (found, missing, "n")


async def test_the_whole_list_of_members_needs_the_intent(server: Server) -> None:
    wire = await server.join(Intent.DIRECT_MESSAGES)
    asked = {"guild_id": str(GUILD), "query": "", "limit": 0}
    await wire.send(Opcode.REQUEST_GUILD_MEMBERS, asked)
    await wire.send(Opcode.HEARTBEAT)
    assert (await wire.receive())["op"] == Opcode.HEARTBEAT_ACK


async def test_identifies_in_quick_succession_are_invalid_sessions() -> None:
    now = 0.0
    settings = GatewaySettings(identify_interval=5.0, max_concurrency=2)
    async with serving(settings, clock=lambda: now) as server:
        await server.join(shard=[0, 4])
        await server.join(shard=[1, 4])
        late = await server.connect()
        await late.send_identify(shard=[2, 4])
        refused = await late.receive()
        assert (refused["op"], refused["d"]) == (Opcode.INVALID_SESSION, False)
        now = 5.0
        await late.identify(shard=[2, 4])
        assert len(server.gateway.sessions) == 3


async def test_past_the_session_start_limit_the_token_is_void() -> None:
    async with serving(GatewaySettings(session_start_limit=2)) as server:
        wires = [await server.join() for _ in range(2)]
        assert server.gateway.start_advice()["session_start_limit"]["remaining"] == 0
        third = await server.connect()
        await third.send_identify()
        assert [await wire.close_code() for wire in (third, *wires)] == [4004] * 3
        assert server.gateway.sessions == []
