"""Which calls of Discord's REST API meet which fault, and what discord.py makes of it."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest
from discord_client import connected
from yarl import URL

from sandbox.discord.limits.buckets import CREATE_MESSAGE, EDIT_MESSAGE, LIMIT_PRESETS, TYPING
from sandbox.discord.limits.faults import Fault, FaultKind, Faults
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings

GET_ME = "GET /users/@me"


def test_a_fault_meets_what_it_matches_as_often_as_it_says() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.RESET, method="patch", channel_id=1, count=2, after=1))
    calls = [(CREATE_MESSAGE, 1), (EDIT_MESSAGE, 2), *[(EDIT_MESSAGE, 1)] * 4]
    met = [faults.take(route, channel) is not None for route, channel in calls]
    assert met == [False, False, False, True, True, False]


@pytest.mark.parametrize(
    "route", ["/channels/{id}/messages", "POST /channels/{channel}/messages", CREATE_MESSAGE]
)
def test_a_route_is_matched_by_its_template_with_or_without_its_method(route: str) -> None:
    fault = Fault(FaultKind.RESET, route=route)
    assert fault.matches(CREATE_MESSAGE, 1)
    assert not fault.matches(EDIT_MESSAGE, 1)
    assert not fault.matches(TYPING, 1)


def test_a_fault_without_a_channel_meets_calls_that_name_none() -> None:
    assert Fault(FaultKind.RESET).matches(GET_ME, None)
    assert not Fault(FaultKind.RESET, channel_id=1).matches(GET_ME, None)


def test_a_fault_without_a_count_stays_until_it_is_cleared() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.ERROR, count=None))
    assert all(faults.take(GET_ME, None) for _ in range(20))
    faults.clear()
    assert faults.take(GET_ME, None) is None


EARLY = ["error", "rate_limit", "reset", "hang", "slow"]
LATE = [
    "drop_after_accept",
    "error_after_accept",
    "hold_after_accept",
    "slow_answer",
    "wrong_json",
]


def test_each_kind_is_met_either_before_or_after_the_call_is_applied() -> None:
    assert sorted(EARLY + LATE) == sorted(FaultKind)
    for kind in FaultKind:
        faults = Faults()
        faults.add(Fault(kind, seconds=1.0))
        late = faults.take(GET_ME, None) is None
        assert late == (kind in LATE)
        assert (faults.take_accepted(GET_ME, None) is None) != late


@pytest.mark.parametrize("kind", ["rate_limit", "slow", "slow_answer"])
def test_a_fault_that_takes_time_needs_seconds(kind: str) -> None:
    with pytest.raises(ValueError, match="needs seconds"):
        Fault(FaultKind(kind))


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="use user, global or shared"):
        Fault(FaultKind.RATE_LIMIT, seconds=1.0, scope="bot")


@pytest.mark.parametrize(
    ("scope", "message", "is_global"),
    [
        ("user", "You are being rate limited.", False),
        ("shared", "The resource is being rate limited.", False),
        ("global", "You are being rate limited.", True),
    ],
)
def test_a_rate_limit_names_its_scope(scope: str, message: str, *, is_global: bool) -> None:
    refusal = Fault(FaultKind.RATE_LIMIT, seconds=2.5, scope=scope).answer()
    assert refusal.body == {"message": message, "retry_after": 2.5, "global": is_global}
    assert refusal.headers["X-RateLimit-Scope"] == scope
    assert (refusal.headers["Retry-After"], refusal.headers["Via"]) == ("3", "1.1 google")
    assert ("X-RateLimit-Global" in refusal.headers) == is_global


def test_a_rate_limit_without_via_seems_to_come_from_cloudflare() -> None:
    assert "Via" not in Fault(FaultKind.RATE_LIMIT, seconds=1.0, via=False).answer().headers


def test_an_error_is_json_or_a_page() -> None:
    answer = Fault(FaultKind.ERROR, status=503, description="upstream connect error").answer()
    assert (answer.status, answer.body) == (503, {"message": "upstream connect error", "code": 0})
    assert answer.headers["Content-Type"] == "application/json"
    page = Fault(FaultKind.ERROR_AFTER_ACCEPT, status=502, html=True).answer()
    assert page.status == 502
    assert b"<h1>502 Bad Gateway</h1>" in page.encoded()


def test_cloudflare_has_statuses_of_its_own() -> None:
    assert (
        b"<h1>521 Web server error</h1>"
        in Fault(FaultKind.ERROR, status=521, html=True).answer().encoded()
    )


def test_wrong_json_is_called_json_and_is_none() -> None:
    answer = Fault(FaultKind.WRONG_JSON).answer()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.encoded() == b'{"id": "1'


async def test_release_lets_go_what_hangs_and_nothing_later() -> None:
    faults = Faults()
    hanging = [asyncio.create_task(faults.released()) for _ in range(2)]
    await asyncio.sleep(0)
    faults.release()
    await asyncio.gather(*hanging)
    later = asyncio.create_task(faults.released())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not later.done()
    faults.clear()
    await later


TEXT = "said once"


@pytest.fixture
async def sandbox() -> AsyncIterator[DiscordSandbox]:
    async with DiscordSandbox(Settings(limits=LIMIT_PRESETS["off"])) as sandbox:
        yield sandbox


async def say(sandbox: DiscordSandbox) -> None:
    """Have a discord.py client send one message to Ada."""
    ada = sandbox.user("Ada")
    await ada.say("hi")
    async with connected(sandbox) as client:
        channel = await client.fetch_channel(ada.dm.id)
        await channel.send(TEXT)


def sent(sandbox: DiscordSandbox) -> list[str]:
    return [change.text for change in sandbox.changes if change.from_bot]


def statuses(sandbox: DiscordSandbox) -> list[int | None]:
    return [call.status for call in sandbox.calls_of(CREATE_MESSAGE)]


async def test_discord_py_waits_out_a_429_and_sends_once(sandbox: DiscordSandbox) -> None:
    sandbox.fault("rate_limit", route=CREATE_MESSAGE, seconds=0.001, count=2)
    await say(sandbox)
    assert (sent(sandbox), statuses(sandbox)) == ([TEXT], [429, 429, 200])


async def test_discord_py_raises_a_429_without_via_at_once(sandbox: DiscordSandbox) -> None:
    sandbox.fault("rate_limit", route=CREATE_MESSAGE, seconds=0.001, via=False)
    with pytest.raises(discord.HTTPException) as error:
        await say(sandbox)
    assert (error.value.status, sent(sandbox)) == (429, [])


@pytest.mark.parametrize(("kind", "applied"), [("error", []), ("error_after_accept", [TEXT])])
async def test_an_error_tells_discord_py_nothing_about_what_was_applied(
    sandbox: DiscordSandbox, kind: str, applied: list[str]
) -> None:
    sandbox.fault(kind, route=CREATE_MESSAGE, status=503, html=True)
    with pytest.raises(discord.DiscordServerError) as error:
        await say(sandbox)
    assert error.value.status == 503
    assert sent(sandbox) == applied


@pytest.mark.parametrize(("kind", "applied"), [("reset", []), ("drop_after_accept", [TEXT])])
async def test_a_broken_connection_tells_discord_py_nothing_either(
    sandbox: DiscordSandbox, kind: str, applied: list[str]
) -> None:
    sandbox.fault(kind, route=CREATE_MESSAGE)
    with pytest.raises((OSError, aiohttp.ClientError)):
        await say(sandbox)
    assert (sent(sandbox), statuses(sandbox)) == (applied, [None])


async def test_the_answer_to_an_applied_call_is_held_until_its_release(
    sandbox: DiscordSandbox,
) -> None:
    sandbox.fault("hold_after_accept", route=CREATE_MESSAGE)
    saying = asyncio.create_task(say(sandbox))
    await sandbox.until(lambda: sent(sandbox))
    (call,) = sandbox.calls_of(CREATE_MESSAGE)
    (posted,) = (m for m in sandbox.world.channels[call.channel_id].messages.values() if m.from_bot)
    assert (call.message_id, call.applied_at is None, call.status) == (posted.id, False, None)
    sandbox.faults.release()
    await saying
    assert (sent(sandbox), statuses(sandbox)) == ([TEXT], [200])


async def test_a_call_tells_by_which_port_it_came() -> None:
    async with DiscordSandbox() as sandbox, aiohttp.ClientSession() as session:
        urls = [sandbox.api_url, await sandbox.listen(), sandbox.api_url]
        for url in urls:
            headers = {"Authorization": f"Bot {sandbox.token}"}
            async with session.get(f"{url}/users/@me", headers=headers) as answer:
                assert answer.status == 200
        assert [call.port for call in sandbox.calls] == [URL(url).port for url in urls]
        assert sandbox.calls[0].port != sandbox.calls[1].port


async def test_discord_py_fails_on_an_answer_that_is_no_json(sandbox: DiscordSandbox) -> None:
    sandbox.fault("wrong_json", route=CREATE_MESSAGE)
    with pytest.raises(json.JSONDecodeError):
        await say(sandbox)
    assert (sent(sandbox), statuses(sandbox)) == ([TEXT], [200])


@pytest.mark.parametrize("kind", ["slow", "slow_answer"])
async def test_a_slow_call_is_a_call_all_the_same(sandbox: DiscordSandbox, kind: str) -> None:
    sandbox.fault(kind, route=CREATE_MESSAGE, seconds=0.001)
    await say(sandbox)
    assert sent(sandbox) == [TEXT]


async def test_a_call_that_hangs_goes_on_when_released(sandbox: DiscordSandbox) -> None:
    sandbox.fault("hang", route=CREATE_MESSAGE)
    saying = asyncio.create_task(say(sandbox))
    await sandbox.until(lambda: sandbox.calls_of(CREATE_MESSAGE))
    assert sent(sandbox) == []
    while not saying.done():
        sandbox.faults.release()
        await asyncio.sleep(0)
    await saying
    assert sent(sandbox) == [TEXT]
