"""Messages of a real discord.py client: sent, edited, deleted, read, replied to."""

import io

import discord
import pytest
from discord_client import Client, connected, pointed_at

from sandbox.discord.rest.api import CREATE_MESSAGE, EDIT_MESSAGE
from sandbox.discord.scene.scene import SceneError
from sandbox.discord.server import DiscordSandbox


async def test_a_client_logs_in_and_sees_its_guilds(dc: DiscordSandbox) -> None:
    guild = dc.guild("Lab", members=[dc.user("Ada")])
    channel = guild.channel("general", topic="All things")
    forum = guild.forum("help")
    async with connected(dc) as client:
        assert client.user is not None
        assert (client.user.id, client.user.name) == (dc.world.bot.id, "parlance")
        assert client.application_flags.gateway_message_content_limited
        (seen,) = client.guilds
        assert (seen.id, seen.name, seen.owner_id) == (guild.id, "Lab", guild.owner.id)
        text = seen.get_channel(channel.id)
        assert isinstance(text, discord.TextChannel)
        assert (text.name, text.topic) == ("general", "All things")
        assert isinstance(seen.get_channel(forum.id), discord.ForumChannel)


async def test_a_wrong_token_is_refused(dc: DiscordSandbox) -> None:
    with pointed_at(dc):
        async with Client() as client:
            with pytest.raises(discord.LoginFailure):
                await client.login("not-the-token")
    assert dc.calls == []


async def test_a_direct_message_is_answered(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    asked = await ada.say("hello")
    heard = await client.hear("hello")
    assert heard.guild is None
    assert (heard.id, heard.channel.id) == (asked.id, ada.dm.id)
    assert (heard.author.id, heard.author.display_name) == (ada.id, "Ada")
    sent = await heard.channel.send("Hi")
    await sent.edit(content="Hi, Ada")
    (_, answer) = dc.transcript(ada.dm)
    assert (answer.id, answer.from_bot) == (sent.id, True)
    assert [version.text for version in answer.versions] == ["Hi", "Hi, Ada"]
    assert [(c.kind, c.from_bot, c.text) for c in dc.changes] == [
        ("sent", False, "hello"),
        ("sent", True, "Hi"),
        ("edited", True, "Hi, Ada"),
    ]
    (create,) = dc.calls_of(CREATE_MESSAGE, ada.dm)
    (edit,) = dc.calls_of(EDIT_MESSAGE, ada.dm)
    assert isinstance(create.body, dict)
    assert (create.status, create.body["content"]) == (200, "Hi")
    assert (edit.status, edit.message_id) == (200, sent.id)


async def test_the_bot_hears_its_own_messages(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    await ada.say("hello")
    await (await client.hear("hello")).channel.send("Hi", nonce="abc")
    own = await client.hear("Hi")
    assert own.author == client.user
    assert own.nonce == "abc"


async def test_a_reply_shows_what_it_replies_to(dc: DiscordSandbox, client: Client) -> None:
    ada, ben = dc.user("Ada"), dc.user("Ben")
    general = dc.guild("Lab", members=[ada, ben]).channel("general")
    asked = await ada.say("why?", general)
    answer = await (await client.hear("why?")).reply("because")
    assert answer.type is discord.MessageType.reply
    assert answer.reference is not None
    assert isinstance(answer.reference.resolved, discord.Message)
    assert answer.reference.resolved.content == "why?"
    posted = dc.transcript(general)[1]
    assert posted.reference is not None
    assert posted.reference.message_id == asked.id
    await ben.say("I see", general, reply_to=posted)
    heard = await client.hear("I see")
    assert heard.reference is not None
    assert heard.reference.resolved == answer


async def test_a_reply_to_a_deleted_message(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    general = dc.guild("Lab", members=[ada]).channel("general")
    asked = await ada.say("why?", general)
    heard = await client.hear("why?")
    answer = await heard.reply("because")
    await ada.delete(asked)
    again = await answer.channel.fetch_message(answer.id)
    assert again.reference is not None
    assert isinstance(again.reference.resolved, discord.DeletedReferencedMessage)
    with pytest.raises(discord.HTTPException) as caught:
        await heard.reply("once more")
    assert caught.value.code == 50035
    assert "Unknown message" in str(caught.value)
    lenient = heard.to_reference(fail_if_not_exists=False)
    sent = await heard.channel.send("once more", reference=lenient)
    assert sent.reference is None
    assert sent.type is discord.MessageType.default


async def test_people_edit_and_delete_and_the_bot_is_told(
    dc: DiscordSandbox, client: Client
) -> None:
    ada = dc.user("Ada")
    general = dc.guild("Lab", members=[ada]).channel("general")
    message = await ada.say("helo", general)
    await client.hear("helo")
    await ada.edit(message, "hello")
    await client.until_event("message_edit")
    await ada.type(general)
    await client.until_event("raw_typing")
    await ada.delete(message)
    await client.until_event("message_delete")
    channel = client.get_partial_messageable(general.id)
    with pytest.raises(discord.NotFound) as caught:
        await channel.fetch_message(message.id)
    assert caught.value.code == 10008


async def test_the_history_is_read_in_every_direction(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    general = dc.guild("Lab", members=[ada]).channel("general")
    messages = [await ada.say(str(n), general) for n in range(7)]
    await ada.delete(messages[3])
    channel = client.get_partial_messageable(general.id)
    third = discord.Object(messages[2].id)

    async def read(**where: object) -> str:
        return "".join([m.content async for m in channel.history(**where)])

    assert await read() == "654210"
    assert await read(limit=2) == "65"
    assert await read(before=third) == "10"
    assert await read(after=third, limit=2) == "45"
    assert await read(around=third, limit=3) == "421"


async def test_typing_and_deleting(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    await ada.say("hello")
    channel = (await client.hear("hello")).channel
    async with channel.typing():
        sent = await channel.send("Hi")
    await sent.delete()
    assert [c.kind for c in dc.changes] == ["sent", "typing", "sent", "deleted"]
    assert dc.transcript(ada.dm)[1].deleted
    with pytest.raises(discord.NotFound):
        await sent.edit(content="Hi again")


async def test_reactions_come_and_go(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    general = dc.guild("Lab", members=[ada]).channel("general")
    message = await ada.say("hello", general)
    heard = await client.hear("hello")
    await heard.add_reaction("👀")
    (reaction,) = (await heard.channel.fetch_message(heard.id)).reactions
    assert (reaction.emoji, reaction.count, reaction.me) == ("👀", 1, True)
    assert message.reactions == {"👀": [dc.world.bot.id]}
    await heard.remove_reaction("👀", client.user)
    assert message.reactions == {}
    with pytest.raises(discord.HTTPException) as caught:
        await heard.add_reaction("nothing")
    assert caught.value.code == 10014


async def test_files_go_both_ways(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    await ada.say("look", files={"notes.txt": b"some notes"})
    heard = await client.hear("look")
    (attachment,) = heard.attachments
    assert (attachment.filename, attachment.size) == ("notes.txt", 10)
    assert attachment.content_type == "text/plain"
    assert await attachment.read() == b"some notes"
    file = discord.File(io.BytesIO(b"a plot"), "plot.png", description="A plot")
    sent = await heard.channel.send("here", file=file)
    assert [(a.filename, a.description) for a in sent.attachments] == [("plot.png", "A plot")]
    await sent.edit(content="no plot", attachments=[])
    answer = dc.transcript(ada.dm)[1]
    assert (answer.text, answer.attachments) == ("no plot", ())


async def test_a_forwarded_message_brings_what_it_forwards_as_it_was_then(
    dc: DiscordSandbox, client: Client
) -> None:
    ada = dc.user("Ada")
    lounge = dc.guild("Lab", members=[ada]).channel("lounge")
    original = await ada.say("old news", lounge, files={"notes.txt": b"some notes"})
    await client.hear("old news")
    forwarded = await ada.forward(original)
    await ada.edit(original, "no news")
    heard = await client.hear("")
    assert (heard.id, heard.channel.id) == (forwarded.id, ada.dm.id)
    assert (heard.type, heard.content) == (discord.MessageType.default, "")
    assert heard.flags.forwarded
    assert heard.reference is not None
    assert heard.reference.type is discord.MessageReferenceType.forward
    assert (heard.reference.message_id, heard.reference.resolved) == (original.id, None)
    (snapshot,) = (await heard.channel.fetch_message(heard.id)).message_snapshots
    assert (snapshot.content, snapshot.edited_at) == ("old news", None)
    assert await snapshot.attachments[0].read() == b"some notes"


async def test_what_is_deleted_can_not_be_forwarded(dc: DiscordSandbox) -> None:
    ada = dc.user("Ada")
    original = await ada.say("old news")
    await ada.delete(original)
    with pytest.raises(SceneError, match="no message"):
        await ada.forward(original)


async def test_the_bot_opens_a_dm_by_itself(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    dc.guild("Lab", members=[ada])
    user = await client.fetch_user(ada.id)
    await user.send("Good morning")
    assert [m.text for m in dc.transcript(ada.dm)] == ["Good morning"]


async def test_the_same_nonce_gives_the_same_message(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    await ada.say("hello")
    channel = (await client.hear("hello")).channel
    first = await channel.send("one", nonce=7)
    again = await channel.send("two", nonce=7)
    other = await channel.send("three", nonce=8)
    assert again.id == first.id != other.id
    assert again.content == "one"
    assert [m.text for m in dc.transcript(ada.dm)] == ["hello", "one", "three"]


async def test_embeds_and_flags_are_kept(dc: DiscordSandbox, client: Client) -> None:
    ada = dc.user("Ada")
    await ada.say("hello")
    channel = (await client.hear("hello")).channel
    embed = discord.Embed(title="T", description="D")
    sent = await channel.send("see", embed=embed, suppress_embeds=True, silent=True)
    assert sent.embeds[0].description == "D"
    assert sent.flags.suppress_embeds
    assert sent.flags.silent
    edited = await sent.edit(content="saw", suppress=False)
    assert edited.embeds[0].title == "T"
    assert not edited.flags.suppress_embeds
