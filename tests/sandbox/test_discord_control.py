"""The control API and the command line: the sandbox from another process; and a test's waits."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import discord
import pytest
from discord_client import Client

from sandbox.discord.server import DiscordSandbox
from sandbox.discord.world.permissions import Permission

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def post(dc: DiscordSandbox) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as session:

        async def ask(path: str, /, **body: object) -> dict[str, Any]:
            async with session.post(f"{dc.url}/control/{path}", json=body) as response:
                answer: dict[str, Any] = await response.json()
                assert (response.status == 200) is answer["ok"]
                return answer

        yield ask


@pytest.fixture
async def get(dc: DiscordSandbox) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as session:

        async def ask(path: str, /, **query: int) -> dict[str, Any]:
            async with session.get(f"{dc.url}/control/{path}", params=query) as response:
                answer: dict[str, Any] = await response.json()
                assert answer["ok"], answer
                return answer

        yield ask


async def test_a_conversation_from_outside(client: Client, post: Ask, get: Ask) -> None:
    user = await post("users", first_name="Ada", id=77)
    assert user["user_id"] == 77
    question = await post("say", user_id=77, text="hi")
    assert question["chat_id"] == user["dm_id"]
    heard = await client.hear("hi")
    sent = await heard.reply("Well")
    await sent.edit(content="Well met")
    await sent.delete()
    events = await get("events", after=1, chat_id=user["dm_id"])
    assert [(e["n"], e["kind"], e["from_bot"], e["text"]) for e in events["events"]] == [
        (2, "sent", True, "Well"),
        (3, "edited", True, "Well met"),
        (4, "deleted", True, ""),
    ]
    assert events["last"] == 4
    assert events["events"][0].keys() == {
        "n",
        "at",
        "kind",
        "chat_id",
        "message_id",
        "from_bot",
        "text",
        "seen_by",
        "entities",
    }
    answer = (await get("transcript", chat_id=user["dm_id"]))["messages"][1]
    assert answer["reply_to"] == question["message_id"]
    assert answer["deleted_at"] is not None
    assert [version["text"] for version in answer["versions"]] == ["Well", "Well met"]
    routes = [call["route"] for call in (await get("calls", after=2))["calls"]]
    assert routes == [
        "POST /channels/{channel_id}/messages",
        "PATCH /channels/{channel_id}/messages/{message_id}",
        "DELETE /channels/{channel_id}/messages/{message_id}",
    ]
    (ping,) = (await get("pings"))["pings"]
    assert (ping["user_id"], ping["reason"]) == (77, "reply")


async def test_events_wait_for_the_next_change(client: Client, post: Ask, get: Ask) -> None:
    await post("users", first_name="Ada", id=77)
    await post("say", user_id=77, text="hi")
    channel = (await client.hear("hi")).channel
    waiting = asyncio.create_task(get("events", after=1, timeout=30))
    async with channel.typing():
        assert [event["kind"] for event in (await waiting)["events"]] == ["typing"]
    assert (await get("events", after=2))["events"] == []


async def test_guilds_threads_and_permissions_from_outside(
    dc: DiscordSandbox, client: Client, post: Ask, get: Ask
) -> None:
    for user_id in (77, 78):
        await post("users", first_name="Person", id=user_id)
    guild = (await post("guilds", name="Lab", members=[77]))["guild_id"]
    await post("members", guild_id=guild, user_id=78)
    role = await post("roles", guild_id=guild, name="crew", members=[78], mentionable=True)
    general = (await post("channels", guild_id=guild, name="general"))["chat_id"]
    forum = (await post("channels", guild_id=guild, name="help", forum=True))["chat_id"]
    said = await post("say", user_id=77, text="hi", chat_id=general, mention=True)
    heard = await client.hear(f"<@{dc.world.bot.id}> hi")
    assert heard.id == said["message_id"]
    await post("say", user_id=78, text=f"<@&{role['role_id']}>", chat_id=general)
    place = {"user_id": 77, "chat_id": general}
    thread = (await post("threads", **place, name="T", message_id=said["message_id"]))["chat_id"]
    assert thread == said["message_id"]
    posted = await post("posts", user_id=77, chat_id=forum, title="Broken", text="help")
    assert (await client.hear("help")).channel.id == posted["chat_id"]
    for act in ("archive", "unarchive", "lock"):
        await post(act, chat_id=thread)
    state = dc.world.channels[thread].thread
    assert state is not None
    assert (state.archived, state.locked) == (False, True)
    await post("deny", chat_id=general, permissions=["send_messages"])
    assert not dc.world.may(dc.world.bot, dc.world.channels[general], Permission.SEND_MESSAGES)
    await post("edit", **place, message_id=said["message_id"], text="ho")
    await post("type", **place)
    await post("delete", chat_id=general, message_id=said["message_id"])
    await post("remove", chat_id=thread)
    assert thread not in dc.world.channels
    await post("kick", guild_id=guild)
    await client.until_event("guild_remove")
    await post("add", guild_id=guild)
    kinds = [event["kind"] for event in (await get("events", chat_id=general))["events"]]
    assert kinds == ["sent", "sent", "edited", "typing", "deleted"]


async def test_commands_and_buttons_from_outside(
    dc: DiscordSandbox, client: Client, post: Ask, get: Ask
) -> None:
    await post("users", first_name="Ada", id=77)
    dc.scene.menus.upsert(
        None,
        {
            "name": "ask",
            "description": "Ask",
            "options": [{"type": 3, "name": "text", "description": "What"}],
        },
    )
    used = await post("slash", user_id=77, name="ask", options={"text": "why"})
    await client.until_event("interaction")
    seen = await get("interaction", interaction_id=used["interaction_id"])
    assert (seen["answered"], seen["failed"], seen["text"]) == (False, False, None)
    await post("say", user_id=77, text="hi")
    view = discord.ui.View().add_item(discord.ui.Button(label="Stop", custom_id="stop"))
    sent = await (await client.hear("hi")).channel.send("working", view=view)
    pressed = await post("press", user_id=77, message_id=sent.id, data="stop")
    assert pressed["interaction_id"] in dc.scene.interactions.by_id


async def test_troubles_from_outside(
    dc: DiscordSandbox, client: Client, post: Ask, get: Ask
) -> None:
    await post("users", first_name="Ada", id=77)
    await post("say", user_id=77, text="hi")
    channel = (await client.hear("hi")).channel
    await post("faults", kind="error", status=503, count=None)
    for _ in range(2):
        with pytest.raises(discord.DiscordServerError, match="503"):
            await channel.send("x")
    async with aiohttp.ClientSession() as session:
        await session.delete(f"{dc.url}/control/faults")
    await post("faults", kind="error", status=404, code=10062, description="Unknown interaction")
    with pytest.raises(discord.NotFound) as refused:
        await channel.send("x")
    assert (refused.value.code, refused.value.text) == (10062, "Unknown interaction")
    await channel.send("x")
    await post("faults", kind="hang", route="GET /users/{user_id}")
    hanging = asyncio.create_task(client.fetch_user(77))
    await dc.until(lambda: dc.calls_of("GET /users/{user_id}"))
    await post("release")
    assert (await hanging).id == 77
    await post("close_dms", user_id=77)
    with pytest.raises(discord.Forbidden, match="50007"):
        await channel.send("x")
    await post("open_dms", user_id=77)
    await post("gateway", act="close", code=4000)
    await client.until_event("resumed")
    log = (await get("gateway"))["log"]
    assert [record["kind"] for record in log if record["kind"] in ("identified", "resumed")] == [
        "identified",
        "resumed",
    ]


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("users", {}, "first_name is missing"),
        ("users", {"first_name": "x", "id": 77}, "user id 77 is taken"),
        ("say", {"user_id": 5, "text": "x"}, "there is no user 5"),
        ("say", {"user_id": "x", "text": "x"}, "user_id must be a number"),
        ("say", {"user_id": 77, "chat_id": 6, "text": "x"}, "there is no chat 6"),
        ("say", {"user_id": 77, "text": "x" * 2001}, "too long"),
        ("delete", {"user_id": 77, "message_id": 9}, "there is no message 9"),
        ("guilds", {"name": "x", "members": []}, "members must be a list"),
        ("guilds", {"name": "x", "members": 7}, "members must be a list"),
        ("slash", {"user_id": 77, "name": "x"}, "there is no command /x here"),
        ("faults", {"kind": "reset", "when": 1}, "a fault has no field when"),
        ("faults", {"kind": "gremlin"}, "gremlin"),
        ("faults", {"kind": "slow"}, "needs seconds"),
        ("gateway", {"act": "explode"}, "no trouble explode"),
        ("gateway", {"act": "close", "when": 1}, "when"),
        ("kick", {"guild_id": 3}, "there is no guild 3"),
        ("deny", {"chat_id": 3, "permissions": ["fly"]}, "there is no chat 3"),
    ],
)
async def test_a_wrong_request_says_what_is_wrong(
    post: Ask, name: str, body: dict[str, object], words: str
) -> None:
    await post("users", first_name="Ada", id=77)
    answer = await post(name, **body)
    assert not answer["ok"]
    assert words in str(answer["error"])


async def test_info_says_how_to_connect(dc: DiscordSandbox, get: Ask) -> None:
    info = await get("info")
    assert (info["api_url"], info["gateway_url"]) == (dc.api_url, dc.gateway_url)
    assert (info["bot"]["id"], info["token"]) == (dc.world.bot.id, dc.token)


async def test_a_test_waits_for_what_it_wants_to_see(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    await ada.say("hi")
    channel = (await client.hear("hi")).channel
    sending = asyncio.create_task(channel.send("done"))
    message = await dc.wait(lambda m: m.text == "done", channel=ada.dm)
    assert message.id == (await sending).id
    await dc.until_quiet(ada.dm, 0.01)
    with pytest.raises(TimeoutError, match=r"last changes: .*done"):
        await dc.wait(lambda m: m.text == "never", within=0.01)


async def test_a_sandbox_is_on_loopback_only() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 is no loopback address"):
        DiscordSandbox(host="192.0.2.1")


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_command_says_where_it_serves_and_ends_on_a_signal() -> None:
    process = await start(
        "discord", "--token", "MQ.mine", "--limits", "off", "--no-message-content"
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert (ready["server"], ready["token"]) == ("discord", "MQ.mine")
    headers = {"Authorization": "Bot MQ.mine"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{ready['api_url']}/applications/@me") as response,
    ):
        answer = await response.json()
        assert (answer["id"], answer["flags"]) == ("1", 0)
    assert ready["gateway_url"].startswith("ws://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["discord", "--host", "192.0.2.1"], "192.0.2.1 is no loopback address: use 127.0.0.1"),
        (["discord", "--limits", "wild"], "invalid choice: 'wild'"),
        (["discord", "--latency", "-1"], "use 0 or more"),
    ],
)
async def test_the_command_refuses_wrong_arguments(arguments: list[str], words: str) -> None:
    process = await start(*arguments)
    _, err = await process.communicate()
    assert process.returncode == 2
    assert words in err.decode()
