"""Where the bot answers in Discord, as the settings say and the permissions allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from discord_chat import conversation, reads, replies, words_in
from words import numbered

from sandbox.discord.rest.api import CREATE_MESSAGE
from sandbox.discord.settings import Settings
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox


async def test_in_the_channels_of_the_settings_and_below_them_no_mention_is_needed(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    guild = dc.guild("Guild", members=[ada])
    by_name, by_id, other = (guild.channel(name) for name in ("help", "private", "other"))
    forum = guild.forum("questions")
    listed = f"#help,{by_id.id},questions"
    discord_bot.environment = {"PARLANCE__DISCORD__CHANNELS": listed}
    await discord_bot.start()
    await ada.say("not meant", other)
    thread = await ada.open_thread(by_name, "Thread")
    post = await ada.post(forum, "Post", "as a post")
    for place, text in ((by_name, "by name"), (by_id, "by id"), (thread, "in a thread")):
        await ada.say(text, place)
        await dc.wait(lambda m, t=text: t in m.text, channel=place)
    await dc.wait(lambda m: "as a post" in m.text, channel=post)
    await ada.say("go on", post)
    await dc.wait(lambda m: "go on" in m.text, channel=post)
    assert conversation(llm.requests[-1])[0] == "Ada: as a post"
    assert replies(dc, other) == []


async def test_with_auto_thread_a_question_gets_a_thread_of_its_own(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    discord_bot.environment = {"PARLANCE__DISCORD__AUTO_THREAD": "true"}
    ada, bob = dc.user("Ada"), dc.user("Bob")
    guild = dc.guild("Guild", members=[ada, bob])
    lounge, closed = guild.channel("lounge"), guild.channel("closed")
    guild.deny(closed, "create_public_threads")
    await discord_bot.start()
    question = await ada.say("how are you?", lounge, mention=True)
    await dc.wait(lambda m: "how are you?" in m.text)
    thread = dc.world.channels[question.id]
    assert thread.name == "how are you?"
    assert len(replies(dc, thread)) == 1
    assert replies(dc, lounge) == []
    await bob.say("and you?", thread)  # No mention: the thread is the bot's.
    await dc.wait(lambda m: "and you?" in m.text, channel=thread)
    assert conversation(llm.requests[-1])[0] == "Ada: how are you?"
    await ada.say("another one", lounge, mention=True)
    await dc.wait(lambda m: "another one" in m.text)
    assert conversation(llm.requests[-1]) == ["Ada: another one"]
    asked_there = await ada.say("no thread here", closed, mention=True)
    answer = await dc.wait(lambda m: "no thread here" in m.text, channel=closed)
    assert answer.reference is not None
    assert answer.reference.message_id == asked_there.id
    await ada.say("a direct one")
    await dc.wait(lambda m: "a direct one" in m.text, channel=ada.dm)


async def test_with_fresh_final_the_whole_answer_is_a_new_message(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    discord_bot.environment = {"PARLANCE__DISCORD__FRESH_FINAL": "true"}
    llm.script(Script(text=numbered(100), rate=60))
    ada = dc.user("Ada")
    await discord_bot.start()
    await ada.say("go")
    grown = await dc.wait(lambda m: "w20" in m.text)
    await dc.until(lambda: grown.deleted)
    (final,) = replies(dc, ada.dm)
    assert words_in(dc, ada.dm, 100)
    assert len(final.versions) == 1


@pytest.mark.parametrize("dc", [Settings(message_content=False)], indirect=True, ids=["blind"])
async def test_without_the_content_intent_mentions_and_direct_messages_are_answered(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    discord_bot.environment = {"PARLANCE__DISCORD__CHANNELS": "lounge"}
    ada = dc.user("Ada")
    lounge = dc.guild("Guild", members=[ada]).channel("lounge")
    await discord_bot.start()
    await ada.say("unseen", lounge)
    await ada.say("mentioned", lounge, mention=True)
    await dc.wait(lambda m: "mentioned" in m.text, channel=lounge)
    await ada.say("direct")
    await dc.wait(lambda m: "direct" in m.text, channel=ada.dm)
    assert len(llm.requests) == 2
    assert "enable Message Content Intent in the developer portal" in discord_bot.log


async def test_where_the_bot_lacks_a_permission_the_log_names_it_and_others_are_answered(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    guild = dc.guild("Guild", members=[ada])
    mute, deaf, open_to_us = (guild.channel(name) for name in ("mute", "deaf", "open"))
    guild.deny(mute, "send_messages")
    guild.deny(deaf, "read_message_history")
    await discord_bot.start()
    await ada.say("can you speak?", mute, mention=True)
    await dc.until(lambda: any(c.status == 403 for c in dc.calls_of(CREATE_MESSAGE, mute)))
    await ada.say("can you read?", deaf, mention=True)
    await ada.say("and here?", open_to_us, mention=True)
    await dc.wait(lambda m: "and here?" in m.text, channel=open_to_us)
    await dc.wait(lambda m: "can you read?" in m.text, channel=deaf)
    assert replies(dc, mute) == []
    assert "permission to send messages" in discord_bot.log
    assert "Traceback" not in discord_bot.log


async def test_an_archived_thread_is_opened_again_and_a_locked_one_is_left(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(200), rate=60), when="archive")
    llm.script(Script(text=numbered(100_000), rate=60), when="lock")
    ada = dc.user("Ada")
    guild = dc.guild("Guild", members=[ada])
    lounge = guild.channel("lounge")
    archived = await ada.open_thread(lounge, "Archived")
    locked = await ada.open_thread(lounge, "Locked")
    await discord_bot.start()
    await ada.say("archive", archived, mention=True)
    await ada.say("lock", locked, mention=True)
    await dc.wait(lambda m: "w20" in m.text, channel=archived)
    await dc.wait(lambda m: "w20" in m.text, channel=locked)
    guild.archive(archived)
    guild.archive(locked, locked=True)
    await dc.until(lambda: words_in(dc, archived, 200), within=20)
    stopped = next(r for r in llm.requests if "lock" in r.messages[-1].text)
    await llm.until(lambda: stopped.client_closed_at is not None)
    await ada.say("and here?", lounge, mention=True)
    await dc.wait(lambda m: "and here?" in m.text, channel=lounge)
    assert archived.thread is not None
    assert not archived.thread.archived
    assert "w1 " in reads(dc, locked)
    assert "Traceback" not in discord_bot.log


@pytest.mark.parametrize("lost", ["the channel", "the guild", "the permission"])
async def test_what_is_taken_away_in_the_middle_ends_that_answer_only(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess, lost: str
) -> None:
    llm.script(Script(text=numbered(100_000), rate=40), times=1)
    ada = dc.user("Ada")
    guild = dc.guild("Guild", members=[ada])
    lounge = guild.channel("lounge")
    await discord_bot.start()
    await ada.say("go", lounge, mention=True)
    await dc.wait(lambda m: "w5" in m.text, channel=lounge)
    match lost:
        case "the channel":
            guild.remove(lounge)
        case "the guild":
            guild.kick_bot()
        case _:
            guild.deny(lounge, "view_channel")
    await llm.until(lambda: llm.requests[0].client_closed_at is not None)
    await ada.say("and here?")
    await dc.wait(lambda m: "and here?" in m.text, channel=ada.dm)
    assert "Traceback" not in discord_bot.log
