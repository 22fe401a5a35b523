"""What the bot may do, what it is shown, and what it is not told."""

from collections.abc import AsyncIterator

import discord
import pytest
from discord_client import Client, Http, connected

from sandbox.discord.limits.buckets import LIMIT_PRESETS
from sandbox.discord.scene.scene import SceneError
from sandbox.discord.scene.users import ScriptedGuild, ScriptedUser
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings
from sandbox.discord.world.model import Channel
from sandbox.discord.world.permissions import Overwrite, OverwriteKind, Permission


@pytest.fixture
async def ada(dc: DiscordSandbox) -> ScriptedUser:
    return dc.user("Ada")


@pytest.fixture
async def guild(dc: DiscordSandbox, ada: ScriptedUser) -> ScriptedGuild:
    return dc.guild("Lab", members=[ada])


@pytest.fixture
async def general(guild: ScriptedGuild) -> Channel:
    return guild.channel("general")


async def test_a_denied_permission_refuses_what_needs_it(
    http: Http, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    asked = await ada.say("why?", general)
    path = f"/channels/{general.id}/messages"
    reply = {"content": "x", "message_reference": {"message_id": asked.id}}
    guild.deny(general, Permission.READ_MESSAGE_HISTORY)
    assert (await http("POST", path, reply))[1]["code"] == 160002
    assert await http("GET", path) == (200, [])
    assert (await http("GET", f"{path}/{asked.id}"))[1]["code"] == 50013
    guild.deny(general, "embed_links")
    embeds = {"content": "x", "embeds": [{"title": "x"}]}
    assert (await http("POST", path, embeds))[1]["code"] == 50013
    guild.deny(general, "send_messages")
    assert (await http("POST", path, {"content": "x"}))[1]["code"] == 50013
    assert (await http("POST", f"/channels/{general.id}/typing"))[1]["code"] == 50013
    guild.deny(general, "view_channel")
    status, answer = await http("POST", path, {"content": "x"})
    assert (status, answer["code"]) == (403, 50001)
    guild.allow(general, "view_channel", "send_messages", "read_message_history")
    assert (await http("POST", path, reply))[0] == 200


async def test_messages_of_others_are_deleted_with_a_permission_only(
    http: Http, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    asked = await ada.say("why?", general)
    path = f"/channels/{general.id}/messages/{asked.id}"
    assert (await http("DELETE", path))[1]["code"] == 50013
    guild.allow(general, "manage_messages")
    assert (await http("PATCH", path, {"flags": 4}))[1]["flags"] == 4
    assert (await http("PATCH", path, {"content": "mine"}))[1]["code"] == 50005
    assert (await http("DELETE", path))[0] == 204


async def test_nothing_is_told_of_a_hidden_channel(
    client: Client, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    hidden = guild.channel("hidden")
    guild.deny(hidden, "view_channel")
    secret = await ada.say("a secret", hidden)
    await ada.edit(secret, "still a secret")
    await ada.open_thread(hidden, "secrets")
    await ada.say("no secret", general)
    await client.hear("no secret")
    assert [message.content for message in client.heard] == ["no secret"]
    assert "thread_create" not in client.events


@pytest.mark.parametrize(
    "overwrites",
    [
        {},
        {"everyone": ("", "view_channel")},
        {"everyone": ("", "send_messages"), "bot": ("send_messages", "")},
        {"everyone": ("", "send_messages"), "role": ("send_messages", "add_reactions")},
        {"role": ("", "send_messages"), "bot": ("manage_messages", "read_message_history")},
        {"bot": ("", "send_messages")},
        {"bot": ("administrator", "view_channel")},
    ],
)
async def test_permissions_are_what_the_library_makes_of_them(
    dc: DiscordSandbox,
    guild: ScriptedGuild,
    general: Channel,
    overwrites: dict[str, tuple[str, str]],
) -> None:
    me = guild.guild.members[dc.world.bot.id]
    ids = {"everyone": guild.id, "role": me.role_ids[0], "bot": me.user.id}
    for who, (allow, deny) in overwrites.items():
        kind = OverwriteKind.MEMBER if who == "bot" else OverwriteKind.ROLE
        general.overwrites.append(Overwrite(ids[who], kind, to_bits(allow), to_bits(deny)))
    async with connected(dc) as client:
        channel = client.get_channel(general.id)
        assert isinstance(channel, discord.TextChannel)
        theirs = channel.permissions_for(channel.guild.me).value
    known = sum(Permission) & ~Permission.ADMINISTRATOR
    assert int(dc.world.permissions(me.user, general)) & known == theirs & known


def to_bits(name: str) -> Permission:
    return Permission[name.upper()] if name else Permission.NONE


async def test_closed_dms_take_no_message(http: Http, dc: DiscordSandbox) -> None:
    ben = dc.user("Ben")
    path = f"/channels/{ben.dm.id}/messages"
    _, opened = await http("POST", "/users/@me/channels", {"recipient_id": ben.id})
    assert opened["id"] == str(ben.dm.id)
    status, answer = await http("POST", path, {"content": "hi"})
    assert (status, answer["code"]) == (403, 50007), "no guild is shared and nobody wrote"
    await ben.say("hello")
    assert (await http("POST", path, {"content": "hi"}))[0] == 200
    ben.close_dms()
    assert (await http("POST", path, {"content": "hi"}))[1]["code"] == 50007
    ben.open_dms()
    assert (await http("POST", path, {"content": "hi"}))[0] == 200


async def test_a_kicked_bot_loses_the_guild_and_gets_it_back(
    client: Client, http: Http, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    await client.until_event("guild_join")
    guild.kick_bot()
    await client.until_event("guild_remove")
    assert (await http("GET", f"/guilds/{guild.id}"))[1]["code"] == 10004
    path = f"/channels/{general.id}/messages"
    assert (await http("POST", path, {"content": "x"}))[1]["code"] == 50001
    await ada.say("is it gone?", general)
    guild.add_bot()
    await ada.say("welcome back", general)
    await client.hear("welcome back")
    assert [message.content for message in client.heard] == ["welcome back"]


async def test_people_are_bound_by_permissions_too(
    dc: DiscordSandbox, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    ben, cy = dc.user("Ben"), dc.user("Cy")
    guild.add(ben)
    dc.scene.set_permission(general, ben.user, Permission.SEND_MESSAGES, allowed=False)
    message = await ada.say("hi", general)
    for person in (ben, cy):
        with pytest.raises(SceneError, match="lacks send_messages"):
            await person.say("hi", general)
    with pytest.raises(SceneError, match="one's own"):
        await ben.edit(message, "ho")
    with pytest.raises(SceneError, match="can't delete"):
        await ben.delete(message)


@pytest.fixture
async def unprivileged() -> AsyncIterator[DiscordSandbox]:
    settings = Settings(limits=LIMIT_PRESETS["off"], message_content=False)
    async with DiscordSandbox(settings) as sandbox:
        yield sandbox


async def test_without_the_privileged_intent_it_can_not_be_asked_for(
    unprivileged: DiscordSandbox,
) -> None:
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with connected(unprivileged):
            pass


async def test_without_the_intent_only_what_concerns_the_bot_is_shown(
    unprivileged: DiscordSandbox,
) -> None:
    ada = unprivileged.user("Ada")
    general = unprivileged.guild("Lab", members=[ada]).channel("general")
    async with connected(unprivileged, Client(intents=discord.Intents.default())) as client:
        assert not client.application_flags.gateway_message_content_limited
        silent = await ada.say("not for you", general, files={"a.txt": b"a"})
        await ada.say("for you", general, mention=True, reply_to=silent)
        await ada.say("in private")
        await client.hear("in private")
        first, second, third = client.heard
        assert (first.content, first.attachments) == ("", [])
        assert second.content == f"<@{unprivileged.world.bot.id}> for you"
        assert second.reference is not None
        assert isinstance(second.reference.resolved, discord.Message)
        assert second.reference.resolved.content == ""
        sent = await second.channel.send("of my own")
        assert (await client.hear("of my own")).id == sent.id
        assert third.guild is None
        fetched = [m.content async for m in second.channel.history(oldest_first=True)]
        assert fetched == ["", second.content, "of my own"]


async def test_a_session_without_the_intent_is_shown_less_than_the_application_may_see(
    dc: DiscordSandbox, general: Channel, ada: ScriptedUser
) -> None:
    async with connected(dc, Client(intents=discord.Intents.default())) as client:
        said = await ada.say("not for you", general)
        heard = await client.hear("")
        assert heard.id == said.id
        assert (await heard.channel.fetch_message(said.id)).content == "not for you"
