"""Threads and forum posts, of people and of a real discord.py client."""

import discord
import pytest
from discord_client import Client, Http, connected

from sandbox.discord.scene.users import ScriptedGuild, ScriptedUser
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.world.model import Channel, MessageKind


@pytest.fixture
async def ada(dc: DiscordSandbox) -> ScriptedUser:
    return dc.user("Ada")


@pytest.fixture
async def guild(dc: DiscordSandbox, ada: ScriptedUser) -> ScriptedGuild:
    return dc.guild("Lab", members=[ada])


@pytest.fixture
async def general(guild: ScriptedGuild) -> Channel:
    return guild.channel("general")


async def test_the_bot_opens_a_thread_from_a_message(
    dc: DiscordSandbox, client: Client, general: Channel, ada: ScriptedUser
) -> None:
    asked = await ada.say("why?", general)
    heard = await client.hear("why?")
    thread = await heard.create_thread(name="Why", auto_archive_duration=60)
    await thread.send("because")
    assert (thread.id, thread.parent_id) == (asked.id, general.id)
    assert (thread.name, thread.auto_archive_duration) == ("Why", 60)
    opening, answer = dc.transcript(thread)
    assert opening.kind is MessageKind.THREAD_STARTER
    assert (answer.text, answer.position) == ("because", 0)
    again = await heard.channel.fetch_message(asked.id)
    assert again.flags.has_thread
    assert again.thread == thread
    with pytest.raises(discord.HTTPException) as caught:
        await heard.create_thread(name="Twice")
    assert caught.value.code == 160004


async def test_people_open_threads_and_write_in_them(
    dc: DiscordSandbox, client: Client, general: Channel, ada: ScriptedUser
) -> None:
    thread = await ada.open_thread(general, "Cats")
    await ada.say("do they purr?", thread)
    heard = await client.hear("do they purr?")
    assert isinstance(heard.channel, discord.Thread)
    assert (heard.channel.name, heard.channel.parent_id) == ("Cats", general.id)
    assert "thread_create" in client.events
    await heard.reply("they do")
    assert [m.text for m in dc.transcript(thread)] == ["do they purr?", "they do"]
    assert [m.kind for m in dc.transcript(general)] == [MessageKind.THREAD_CREATED]


async def test_a_forum_post_is_a_thread_with_a_first_message(
    dc: DiscordSandbox, client: Client, guild: ScriptedGuild, ada: ScriptedUser
) -> None:
    forum = guild.forum("help")
    post = await ada.post(forum, "Broken", "it does not start")
    heard = await client.hear("it does not start")
    assert heard.id == heard.channel.id == post.id
    assert isinstance(heard.channel, discord.Thread)
    assert isinstance(heard.channel.parent, discord.ForumChannel)
    created = await heard.channel.parent.create_thread(name="Known issues", content="None yet")
    assert created.thread.id == created.message.id
    assert [m.text for m in dc.transcript(created.thread.id)] == ["None yet"]


async def test_nobody_sends_into_a_forum_itself(
    http: Http, guild: ScriptedGuild, ada: ScriptedUser
) -> None:
    forum = guild.forum("help")
    _, answer = await http("POST", f"/channels/{forum.id}/messages", {"content": "hi"})
    assert answer["code"] == 40058
    with pytest.raises(ValueError, match="only post"):
        await ada.say("hi", forum)


async def test_active_threads_are_in_the_guild_when_a_client_connects(
    dc: DiscordSandbox, guild: ScriptedGuild, general: Channel, ada: ScriptedUser, http: Http
) -> None:
    open_one = await ada.open_thread(general, "Open")
    archived = await ada.open_thread(general, "Archived")
    guild.archive(archived)
    async with connected(dc) as client:
        assert [thread.id for thread in client.guilds[0].threads] == [open_one.id]
    _, answer = await http("GET", f"/guilds/{guild.id}/threads/active")
    assert [thread["id"] for thread in answer["threads"]] == [str(open_one.id)]


async def test_an_archived_thread_is_opened_by_a_message_and_takes_no_edit(
    dc: DiscordSandbox, http: Http, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    thread = await ada.open_thread(general, "Cats")
    path = f"/channels/{thread.id}/messages"
    _, sent = await http("POST", path, {"content": "purr"})
    guild.archive(thread)
    status, answer = await http("PATCH", f"{path}/{sent['id']}", {"content": "miaow"})
    assert (status, answer["code"]) == (400, 50083)
    assert (await http("POST", path, {"content": "back"}))[0] == 200
    assert thread.thread is not None
    assert not thread.thread.archived
    assert (await http("PATCH", f"{path}/{sent['id']}", {"content": "miaow"}))[0] == 200


async def test_a_locked_thread_refuses_everything(
    http: Http, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    thread = await ada.open_thread(general, "Cats")
    path = f"/channels/{thread.id}/messages"
    _, sent = await http("POST", path, {"content": "purr"})
    guild.lock(thread)
    assert (await http("POST", path, {"content": "x"}))[1]["code"] == 160005
    assert (await http("PATCH", f"{path}/{sent['id']}", {"content": "x"}))[1]["code"] == 160005
    guild.allow(general, "manage_threads")
    assert (await http("POST", path, {"content": "x"}))[0] == 200


async def test_the_bot_renames_and_archives_its_thread(
    client: Client, general: Channel, ada: ScriptedUser, dc: DiscordSandbox
) -> None:
    await ada.say("why?", general)
    thread = await (await client.hear("why?")).create_thread(name="Why")
    await thread.edit(name="Because", archived=True)
    await client.until_event("thread_update")
    state = dc.world.channels[thread.id]
    assert state.thread is not None
    assert (state.name, state.thread.archived) == ("Because", True)


async def test_a_removed_thread_is_gone(
    client: Client, http: Http, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    thread = await ada.open_thread(general, "Cats")
    await client.until_event("thread_create")
    guild.remove(thread)
    await client.until_event("thread_delete")
    _, answer = await http("POST", f"/channels/{thread.id}/messages", {"content": "x"})
    assert answer["code"] == 10003


async def test_threads_need_permissions_of_their_own(
    http: Http, guild: ScriptedGuild, general: Channel, ada: ScriptedUser
) -> None:
    asked = await ada.say("why?", general)
    guild.deny(general, "create_public_threads", "send_messages_in_threads")
    path = f"/channels/{general.id}/messages/{asked.id}/threads"
    assert (await http("POST", path, {"name": "Why"}))[1]["code"] == 50013
    thread = await ada.open_thread(general, "Why", asked)
    _, answer = await http("POST", f"/channels/{thread.id}/messages", {"content": "x"})
    assert answer["code"] == 50013
    _, answer = await http("POST", f"/channels/{general.id}/messages", {"content": "x"})
    assert answer["content"] == "x"


async def test_a_thread_needs_a_name_and_a_known_duration(http: Http, general: Channel) -> None:
    path = f"/channels/{general.id}/threads"
    status, answer = await http("POST", path, {"auto_archive_duration": 61})
    assert status == 400
    assert answer["errors"].keys() == {"name", "auto_archive_duration"}


async def test_a_private_thread_is_seen_by_its_members_only(
    dc: DiscordSandbox, http: Http, general: Channel, ada: ScriptedUser
) -> None:
    ben = dc.user("Ben")
    dc.world.join(dc.world.guilds[general.guild_id or 0], ben.user)
    _, opened = await http("POST", f"/channels/{general.id}/threads", {"name": "Quiet"})
    thread = dc.world.channels[int(opened["id"])]
    assert opened["type"] == 12
    assert not dc.world.sees(ben.user, thread)
    assert dc.world.sees(ada.user, thread), "the owner of the guild sees everything"
