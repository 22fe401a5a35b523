"""A call's way: tokens, versions, rate limits, faults, nonces and old messages over time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest
from discord_client import Client, Http, connected

from sandbox.discord.gateway.protocol import GatewaySettings
from sandbox.discord.limits.buckets import LIMIT_PRESETS
from sandbox.discord.rest.api import CREATE_MESSAGE, EDIT_MESSAGE, TYPING
from sandbox.discord.rest.routes import Routes
from sandbox.discord.scene.users import ScriptedUser
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings


@pytest.fixture
async def ada(dc: DiscordSandbox) -> ScriptedUser:
    ada = dc.user("Ada")
    await ada.say("hello")
    return ada


@pytest.fixture
def place(ada: ScriptedUser) -> str:
    return f"/channels/{ada.dm.id}/messages"


def shown(dc: DiscordSandbox, ada: ScriptedUser) -> list[str]:
    return [message.text for message in dc.transcript(ada.dm) if message.from_bot]


def test_a_route_is_found_by_its_template() -> None:
    routes = Routes(["GET /users/@me", "GET /users/{user_id}", "PUT /r/{emoji}/@me"])
    assert routes.match("GET", "/users/@me").route == "GET /users/@me"
    assert routes.match("GET", "/users/7").ids == {"user_id": 7}
    assert routes.match("PUT", "/r/👀/@me").words == {"emoji": "👀"}


@pytest.mark.parametrize("header", [None, "nonsense", "Bot nonsense", "Bearer {token}", "{token}"])
async def test_a_call_needs_the_bot_token(dc: DiscordSandbox, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.format(token=dc.token)}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{dc.api_url}/users/@me", headers=headers) as response,
    ):
        assert response.status == 401
        assert response.headers["Content-Type"] == "application/json"
        assert await response.json() == {"message": "401: Unauthorized", "code": 0}
    assert dc.calls == []


async def test_the_version_may_be_left_out_but_not_be_another(dc: DiscordSandbox) -> None:
    headers = {"Authorization": f"Bot {dc.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for version, status in (("", 200), ("/v10", 200), ("/v9", 200), ("/v5", 400)):
            async with session.get(f"{dc.url}/api{version}/users/@me") as response:
                assert response.status == status
        for path in ("/elsewhere", "/users/@me", "/api", "/apis/users/@me"):
            async with session.get(f"{dc.url}{path}") as response:
                assert response.status == 404


async def test_the_gateway_is_named_without_a_token_and_with_one(
    dc: DiscordSandbox, http: Http
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{dc.api_url}/gateway") as response,
    ):
        assert await response.json(content_type="application/json") == {"url": dc.gateway_url}
    _, answer = await http("GET", "/gateway/bot")
    assert (answer["url"], answer["shards"]) == (dc.gateway_url, 1)
    assert answer["session_start_limit"]["remaining"] == 1000


async def test_how_many_shards_are_advised_is_a_setting() -> None:
    gateway = GatewaySettings(shards=4, max_concurrency=2)
    async with DiscordSandbox(Settings(gateway=gateway)) as dc, Http(dc) as http:
        _, answer = await http("GET", "/gateway/bot")
    assert answer["shards"] == 4
    assert answer["session_start_limit"]["max_concurrency"] == 2


async def test_every_answer_of_a_limited_route_tells_its_limit() -> None:
    async with DiscordSandbox() as dc, Http(dc) as http:
        ada = dc.user("Ada")
        await ada.say("hello")
        path = f"/channels/{ada.dm.id}/messages"
        for remaining in (4, 3, 2, 1, 0):
            async with http.request("POST", path, json={"content": "x"}) as response:
                assert response.headers["X-RateLimit-Remaining"] == str(remaining)
                assert response.headers["Via"]
        async with http.request("POST", path, json={"content": "x"}) as response:
            assert response.status == 429
            assert (await response.json())["retry_after"] > 0
        async with http.request("GET", path) as response:
            assert "X-RateLimit-Remaining" not in response.headers
        assert [call.remaining for call in dc.calls_of(CREATE_MESSAGE)] == [4, 3, 2, 1, 0, 0]
        assert dc.calls_of(CREATE_MESSAGE)[-1].retry_after is not None
        assert len(shown(dc, ada)) == 5


async def test_a_refused_call_spends_a_token_too() -> None:
    async with DiscordSandbox() as dc, Http(dc) as http:
        ada = dc.user("Ada")
        await ada.say("hello")
        await http("POST", f"/channels/{ada.dm.id}/messages", {"content": ""})
        (call,) = dc.calls_of(CREATE_MESSAGE)
        assert (call.status, call.remaining, call.applied_at) == (400, 4, None)


async def test_drop_after_accept_applies_and_a_nonce_makes_it_once(
    dc: DiscordSandbox, http: Http, ada: ScriptedUser, place: str
) -> None:
    dc.fault("drop_after_accept", route=CREATE_MESSAGE, channel=ada.dm)
    body = {"content": "one", "nonce": "n", "enforce_nonce": True}
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http("POST", place, body)
    status, answer = await http("POST", place, body)
    assert status == 200
    assert answer["nonce"] == "n"
    assert shown(dc, ada) == ["one"]
    assert [call.status for call in dc.calls_of(CREATE_MESSAGE)] == [None, 200]


async def test_a_server_error_after_accept_and_a_second_try_give_one_message(
    dc: DiscordSandbox, http: Http, ada: ScriptedUser, place: str
) -> None:
    dc.fault("error_after_accept", route=CREATE_MESSAGE, status=500)
    body = {"content": "one", "nonce": "n", "enforce_nonce": True}
    assert [(await http("POST", place, body))[0] for _ in range(2)] == [500, 200]
    assert shown(dc, ada) == ["one"]


async def test_a_reset_comes_before_applying(
    dc: DiscordSandbox, http: Http, ada: ScriptedUser, place: str
) -> None:
    dc.fault("reset", method="POST")
    with pytest.raises(aiohttp.ClientOSError):
        await http("POST", place, {"content": "one"})
    assert shown(dc, ada) == []


async def test_errors_come_as_json_or_as_a_page(
    dc: DiscordSandbox, http: Http, ada: ScriptedUser, place: str
) -> None:
    dc.fault("error", status=503)
    dc.fault("error", status=502, html=True)
    dc.fault("wrong_json")
    status, answer = await http("POST", place, {"content": "one"})
    assert (status, answer["message"]) == (503, "503: Service Unavailable")
    async with http.request("POST", place, json={"content": "two"}) as response:
        assert (response.status, response.content_type) == (502, "text/html")
    async with http.request("POST", place, json={"content": "three"}) as response:
        with pytest.raises(ValueError, match="Unterminated string"):
            await response.json()
    assert shown(dc, ada) == ["three"]


async def test_a_rate_limit_on_demand_is_waited_out_by_the_client_unless_it_seems_a_ban(
    dc: DiscordSandbox, client: Client, ada: ScriptedUser
) -> None:
    channel = client.get_partial_messageable(ada.dm.id)
    dc.fault("rate_limit", route=CREATE_MESSAGE, seconds=0.01)
    await channel.send("one")
    assert [call.status for call in dc.calls_of(CREATE_MESSAGE)] == [429, 200]
    dc.fault("rate_limit", route=CREATE_MESSAGE, seconds=30, via=False)
    with pytest.raises(discord.HTTPException) as caught:
        await channel.send("two")
    assert caught.value.status == 429
    assert shown(dc, ada) == ["one"]


async def test_what_hangs_goes_on_when_it_is_released(
    dc: DiscordSandbox, http: Http, ada: ScriptedUser, place: str
) -> None:
    dc.fault("hang", route=CREATE_MESSAGE)
    hanging = asyncio.create_task(http("POST", place, {"content": "one"}))
    await dc.until(lambda: dc.calls_of(CREATE_MESSAGE))
    await http("POST", f"/channels/{ada.dm.id}/typing")
    assert shown(dc, ada) == []
    dc.faults.release()
    assert (await hanging)[0] == 200
    assert shown(dc, ada) == ["one"]
    assert [call.status for call in dc.calls_of(TYPING)] == [204]


async def test_a_call_is_applied_although_its_client_has_gone(
    dc: DiscordSandbox, http: Http, ada: ScriptedUser, place: str
) -> None:
    dc.fault("slow", route=CREATE_MESSAGE, seconds=0.05)
    leaving = asyncio.create_task(http("POST", place, {"content": "one"}))
    await dc.until(lambda: dc.calls_of(CREATE_MESSAGE))
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    await dc.until(lambda: shown(dc, ada) == ["one"])


async def test_latency_delays_both_ways() -> None:
    settings = Settings(limits=LIMIT_PRESETS["off"], latency=0.02)
    async with DiscordSandbox(settings) as dc, Http(dc) as http:
        await http("GET", "/users/@me")
        (call,) = dc.calls
        assert call.applied_at is not None
        assert call.answered_at is not None
        assert call.applied_at - call.at >= 0.019
        assert call.answered_at - call.applied_at >= 0.019


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(clock: Clock) -> AsyncIterator[DiscordSandbox]:
    async with DiscordSandbox(Settings(limits=LIMIT_PRESETS["off"]), clock=clock) as sandbox:
        yield sandbox


async def test_a_nonce_is_remembered_for_a_few_minutes(timed: DiscordSandbox, clock: Clock) -> None:
    ada = timed.user("Ada")
    await ada.say("hello")
    path = f"/channels/{ada.dm.id}/messages"
    async with Http(timed) as http:
        body = {"content": "x", "nonce": 5, "enforce_nonce": True}
        _, first = await http("POST", path, body)
        clock.now += 179
        _, second = await http("POST", path, {**body, "content": "y", "nonce": "5"})
        clock.now += 2
        _, third = await http("POST", path, body)
        _, fourth = await http("POST", path, {"content": "z", "nonce": 5})
    assert len({answer["id"] for answer in (first, second)}) == 1
    assert len({answer["id"] for answer in (first, third, fourth)}) == 3
    assert second["content"] == "x"


async def test_of_old_messages_only_three_are_edited_in_six_seconds(
    timed: DiscordSandbox, clock: Clock
) -> None:
    ada = timed.user("Ada")
    await ada.say("hello")
    path = f"/channels/{ada.dm.id}/messages"
    async with Http(timed) as http:
        _, sent = await http("POST", path, {"content": "x"})
        old = f"{path}/{sent['id']}"
        clock.now += 3599
        assert [(await http("PATCH", old, {"content": "y"}))[0] for _ in range(4)] == [200] * 4
        clock.now += 2
        assert [(await http("PATCH", old, {"content": "y"}))[0] for _ in range(3)] == [200] * 3
        clock.now += 5
        status, answer = await http("PATCH", old, {"content": "y"})
        assert (status, answer["code"], answer["retry_after"]) == (429, 30046, 1.0)
        clock.now += 1
        assert (await http("PATCH", old, {"content": "y"}))[0] == 200
    assert [call.status for call in timed.calls_of(EDIT_MESSAGE)] == [*[200] * 7, 429, 200]


async def test_a_client_comes_back_after_its_connection_was_dropped(dc: DiscordSandbox) -> None:
    ada = dc.user("Ada")
    async with connected(dc) as client:
        dc.gateway.drop()
        await ada.say("hello")
        await client.hear("hello")
        await client.until_event("resumed")
