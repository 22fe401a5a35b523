"""Resuming, and the troubles a gateway makes on demand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from gateway_wire import Server, Wire, World, serving

from sandbox.discord.gateway.intents import Intent
from sandbox.discord.gateway.protocol import GatewaySettings, Opcode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DMS = int(Intent.DIRECT_MESSAGES)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


def news(server: Server, *numbers: int) -> None:
    for number in numbers:
        server.gateway.dispatch("NEWS", {"n": number})


async def resumed(server: Server, session_id: str, seq: int) -> Wire:
    wire = await server.connect()
    await wire.resume(session_id, seq)
    return wire


async def invalid(wire: Wire) -> bool:
    """Whether the next payload says that the session is invalid for good."""
    payload = await wire.receive()
    assert payload["op"] == Opcode.INVALID_SESSION
    return payload["d"] is False


async def test_a_resumed_session_gets_what_it_missed_and_then_what_is_new(server: Server) -> None:
    wire = await server.join(DMS)
    news(server, 1, 2)
    await wire.events(2)
    server.gateway.drop()
    await wire.close_code()
    news(server, 3)
    again = await resumed(server, wire.session_id, 2)
    got = [await again.receive() for _ in range(3)]
    assert [(p["s"], p["t"], p["d"]) for p in got] == [
        (3, "NEWS", {"n": 2}),
        (4, "NEWS", {"n": 3}),
        (5, "RESUMED", {}),
    ]
    news(server, 4)
    assert (await again.receive())["s"] == 6
    (record,) = server.noted("resumed")
    assert (record.session, record.details) == (wire.session_id, {"seq": 2, "replayed": 2})


async def test_nothing_is_replayed_to_a_session_that_missed_nothing(server: Server) -> None:
    wire = await server.join(DMS)
    await wire.socket.close(code=4000)
    assert await (await resumed(server, wire.session_id, 1)).events(1) == ["RESUMED"]


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_client_that_says_goodbye_ends_its_session(server: Server, code: int) -> None:
    wire = await server.join(DMS)
    await wire.socket.close(code=code)
    assert await invalid(await resumed(server, wire.session_id, 1))


async def test_after_an_invalid_session_the_same_socket_may_identify(server: Server) -> None:
    wire = await resumed(server, "no-such-session", 1)
    assert await invalid(wire)
    assert (await wire.identify(DMS))["session_id"]


async def test_a_sequence_number_yet_to_come_is_closed_and_ends_the_session(
    server: Server,
) -> None:
    wire = await server.join(DMS)
    await wire.socket.close(code=4000)
    assert await (await resumed(server, wire.session_id, 99)).close_code() == 4007
    assert await invalid(await resumed(server, wire.session_id, 1))


async def test_resuming_needs_the_token(server: Server) -> None:
    wire = await server.join(DMS)
    other = await server.connect()
    await other.resume(wire.session_id, 1, token="wrong")
    assert await other.close_code() == 4004


async def test_resuming_closes_the_socket_that_is_still_open(server: Server) -> None:
    wire = await server.join(DMS)
    again = await resumed(server, wire.session_id, 1)
    assert await again.events(1) == ["RESUMED"]
    assert await wire.close_code() == 4000
    news(server, 1)
    assert await again.events(1) == ["NEWS"]


async def test_a_session_waits_for_its_client_as_long_as_the_window() -> None:
    now = 0.0
    async with serving(GatewaySettings(resume_window=120.0), clock=lambda: now) as server:
        first, second = await server.join(DMS), await server.join(DMS)
        server.gateway.drop()
        await server.until(lambda: len(server.noted("closed")) == 2)
        now = 120.0
        news(server, 1)
        assert await (await resumed(server, first.session_id, 1)).events(2) == ["NEWS", "RESUMED"]
        now = 120.5
        assert await invalid(await resumed(server, second.session_id, 1))


async def test_more_missed_events_than_are_kept_make_the_session_invalid() -> None:
    async with serving(GatewaySettings(replay_limit=3)) as server:
        first, second = await server.join(DMS), await server.join(DMS)
        server.gateway.drop()
        await server.until(lambda: len(server.noted("closed")) == 2)
        news(server, 1, 2, 3)
        got = await resumed(server, first.session_id, 1)
        assert await got.events(4) == ["NEWS", "NEWS", "NEWS", "RESUMED"]
        news(server, 4)
        assert await invalid(await resumed(server, second.session_id, 1))


@pytest.mark.parametrize("code", [4000, 4009, 4004])
async def test_close_sends_its_code_and_says_so_in_the_log(server: Server, code: int) -> None:
    wire = await server.join(DMS)
    news(server, 1)
    server.gateway.close(code)
    assert await wire.events(1) == ["NEWS"]
    assert await wire.close_code() == code
    again = await resumed(server, wire.session_id, 2)
    if code == 4004:
        assert await invalid(again)
    else:
        assert await again.events(1) == ["RESUMED"]
    (record,) = server.noted("closed")
    assert (record.session, record.details) == (wire.session_id, {"code": code, "by": "server"})


async def test_drop_sends_no_close_frame(server: Server) -> None:
    wire = await server.join(DMS)
    server.gateway.drop()
    assert await wire.close_code() == 1006


async def test_reconnect_asks_for_a_resume_and_the_session_stays(server: Server) -> None:
    wire = await server.join(DMS)
    server.gateway.reconnect()
    assert (await wire.receive())["op"] == Opcode.RECONNECT
    news(server, 1)
    assert await wire.events(1) == ["NEWS"]


@pytest.mark.parametrize("resumable", [True, False])
async def test_invalidate_ends_the_session_unless_it_is_resumable(
    server: Server, *, resumable: bool
) -> None:
    wire = await server.join(DMS)
    server.gateway.invalidate(resumable=resumable)
    assert await invalid(wire) is not resumable
    await wire.socket.close(code=4000)
    again = await resumed(server, wire.session_id, 1)
    if resumable:
        assert await again.events(1) == ["RESUMED"]
    else:
        assert await invalid(again)


async def test_forget_lets_clients_stay_but_not_come_back(server: Server) -> None:
    wire = await server.join(DMS)
    server.gateway.forget()
    news(server, 1)
    assert await wire.events(1) == ["NEWS"]
    await wire.socket.close(code=4000)
    assert await invalid(await resumed(server, wire.session_id, 2))


async def test_anything_can_be_dispatched(server: Server) -> None:
    wire = await server.join(0)
    server.gateway.send_raw("MESSAGE_CREATE", {"channel_id": None})
    server.gateway.send_raw("NO_SUCH_EVENT", 7)
    server.gateway.send_text("{no JSON")
    got = [await wire.receive() for _ in range(2)]
    assert [(p["t"], p["d"], p["s"]) for p in got] == [
        ("MESSAGE_CREATE", {"channel_id": None}, 2),
        ("NO_SUCH_EVENT", 7, 3),
    ]
    assert (await wire.socket.receive()).data == "{no JSON"


async def test_heartbeats_stay_unanswered_while_acking_is_stopped(server: Server) -> None:
    wire = await server.join(DMS)
    server.gateway.stop_acking()
    await wire.send(Opcode.HEARTBEAT, 1)
    await wire.send(Opcode.PRESENCE_UPDATE, {})
    await server.until(lambda: server.noted("presence"))
    server.gateway.start_acking()
    news(server, 1)
    await wire.send(Opcode.HEARTBEAT, 2)
    assert [(await wire.receive())["op"] for _ in range(2)] == [
        Opcode.DISPATCH,
        Opcode.HEARTBEAT_ACK,
    ]


async def test_what_is_dispatched_while_paused_comes_after_it_in_order(server: Server) -> None:
    wire = await server.join(DMS)
    server.gateway.pause()
    news(server, 1, 2)
    await wire.send(Opcode.HEARTBEAT)
    assert (await wire.receive())["op"] == Opcode.HEARTBEAT_ACK
    server.gateway.resume()
    news(server, 3)
    assert [(await wire.receive())["d"]["n"] for _ in range(3)] == [1, 2, 3]


async def test_a_pause_longer_than_what_is_kept_loses_nothing_of_a_client_that_is_there() -> None:
    async with serving(GatewaySettings(replay_limit=2)) as server:
        wire = await server.join(DMS)
        server.gateway.pause()
        news(server, *range(10))
        server.gateway.resume()
        assert [(await wire.receive())["d"]["n"] for _ in range(10)] == list(range(10))


async def test_refused_connections_get_their_status_and_then_no_more(server: Server) -> None:
    server.gateway.refuse_connections(2, status=503)
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await server.open()
        assert refusal.value.status == 503
    await server.join()
    details = [record.details for record in server.noted("refused")]
    assert details == [{"what": "connection", "status": 503}] * 2


async def test_a_connection_can_be_refused_by_a_reset(server: Server) -> None:
    server.gateway.refuse_connections(2, status=None)  # aiohttp repeats the request once
    with pytest.raises(aiohttp.ClientConnectionError):
        await server.open()
    await server.join()


async def test_refused_identifies_are_closed_and_resumes_are_not(server: Server) -> None:
    wire = await server.join(DMS)
    await wire.socket.close(code=4000)
    server.gateway.refuse_identifies(None, code=4004)
    for _ in range(3):
        refused = await server.connect()
        await refused.send_identify()
        assert await refused.close_code() == 4004
    assert await (await resumed(server, wire.session_id, 1)).events(1) == ["RESUMED"]
    server.gateway.accept()
    await server.join()


UPGRADE = (
    b"GET /gateway?v=10&encoding=json HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_shutting_down_does_not_wait_for_a_client_that_reads_nothing(
    server: Server,
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1)
    writer.write(UPGRADE)
    await server.until(lambda: server.noted("connected"))
    server.gateway.send_text("x" * (1 << 24))
    await server.gateway.shutdown()
    await server.until(lambda: server.noted("closed"))
    writer.close()


async def test_the_log_tells_what_happened_in_order() -> None:
    async with serving(world=World([1])) as server:
        wire = await server.join(DMS, shard=[0, 1])
        server.gateway.invalidate()
        await wire.receive()
        await wire.socket.close(code=4000)
        await server.join()
    kinds = ["connected", "identified", "invalidated", "closed", "connected", "identified"]
    assert [record.kind for record in server.gateway.log] == [*kinds, "closed"]
    (first, _) = server.noted("identified")
    assert (first.session, first.details) == (wire.session_id, {"intents": DMS, "shard": [0, 1]})
    assert [r.details["by"] for r in server.noted("closed")] == ["client", "server"]
