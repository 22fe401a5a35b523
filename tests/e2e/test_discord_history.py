"""What a question in Discord goes on from: replies, threads, and messages changed later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from bot_process import BotProcess, openai
from discord_chat import asked

from sandbox.discord.rest.api import CREATE_MESSAGE
from sandbox.discord.server import DiscordSandbox
from sandbox.llm.script import Script
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.discord.scene.users import ScriptedGuild, ScriptedUser
    from sandbox.discord.world.model import Channel, Message

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llm() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script(text=lambda ms: f"[{ms[-1].text}]")) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dc(
    llm: LlmSandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DiscordSandbox]:
    """With a bot on it, which these tests share."""
    async with DiscordSandbox() as sandbox:
        bot = BotProcess(tmp_path_factory.mktemp("bot"), None, openai(llm), discord=sandbox)
        await bot.start()
        yield sandbox
        await bot.discard()
        assert "Traceback" not in bot.log


@pytest.fixture
def ada(dc: DiscordSandbox) -> ScriptedUser:
    return dc.user("Ada")


@pytest.fixture
def bob(dc: DiscordSandbox) -> ScriptedUser:
    return dc.user("Bob")


@pytest_asyncio.fixture(loop_scope="module")
async def guild(dc: DiscordSandbox, ada: ScriptedUser, bob: ScriptedUser) -> ScriptedGuild:
    return dc.guild("Guild", members=[ada, bob])


async def answer(dc: DiscordSandbox, channel: Channel, text: str) -> Message:
    return await dc.wait(lambda m: m.text.endswith(f"{text}]"), channel=channel)


async def test_a_reply_to_an_older_answer_branches_off_from_it(
    dc: DiscordSandbox, llm: LlmSandbox, ada: ScriptedUser
) -> None:
    await ada.say("one")
    first = await answer(dc, ada.dm, "one")
    await ada.say("two")
    await answer(dc, ada.dm, "two")
    await ada.say("branch", reply_to=first)
    await answer(dc, ada.dm, "branch")
    assert asked(llm, "branch") == ["one", "[one]", "branch"]
    await ada.say("straight on")
    await answer(dc, ada.dm, "straight on")
    assert asked(llm, "straight on") == ["one", "[one]", "branch", "[branch]", "straight on"]


async def test_a_chain_of_replies_by_others_is_told_to_the_model(
    dc: DiscordSandbox, llm: LlmSandbox, ada: ScriptedUser, bob: ScriptedUser, guild: ScriptedGuild
) -> None:
    lounge = guild.channel("lounge")
    opinion = await bob.say("tea is best", lounge)
    protest = await ada.say("no, coffee", lounge, reply_to=opinion)
    await bob.say("unrelated", lounge)
    await bob.say("who is right?", lounge, reply_to=protest, mention=True)
    await answer(dc, lounge, "who is right?")
    (question,) = asked(llm, "who is right?")
    told = [question.index(part) for part in ("Bob: tea is best", "Ada: no, coffee", "Bob: who")]
    assert told == sorted(told)
    assert "unrelated" not in question


async def test_a_reply_to_an_answer_that_the_bot_has_not_noted_yet_goes_on_from_it(
    dc: DiscordSandbox, llm: LlmSandbox, ada: ScriptedUser, bob: ScriptedUser, guild: ScriptedGuild
) -> None:
    lounge = guild.channel("slow")
    llm.script(Script(text="a swift answer"), when="be swift")
    dc.fault("slow_answer", route=CREATE_MESSAGE, channel=lounge, seconds=1.0)
    await ada.say("be swift", lounge, mention=True)
    swift = await dc.wait(lambda m: m.text == "a swift answer", channel=lounge)
    await bob.say("why?", lounge, reply_to=swift)
    await answer(dc, lounge, "Bob: why?")
    assert asked(llm, "Bob: why?")[-1] == "Bob: why?"


async def test_a_thread_goes_on_from_the_message_it_was_opened_on(
    dc: DiscordSandbox, llm: LlmSandbox, ada: ScriptedUser, bob: ScriptedUser, guild: ScriptedGuild
) -> None:
    lounge = guild.channel("threads")
    said = await bob.say("the heating is broken", lounge)
    thread = await ada.open_thread(lounge, "Heating", said)
    await ada.say("what now?", thread, mention=True)
    await answer(dc, thread, "what now?")
    (question,) = asked(llm, "what now?")
    assert question.index("Bob: the heating is broken") < question.index("Ada: what now?")
    await ada.say("and then?", thread, mention=True)
    await answer(dc, thread, "and then?")
    assert asked(llm, "and then?")[-2:] == [f"[{question}]", "Ada: and then?"]


async def test_a_thread_on_an_answer_goes_on_from_that_answer(
    dc: DiscordSandbox, llm: LlmSandbox, ada: ScriptedUser, guild: ScriptedGuild
) -> None:
    lounge = guild.channel("answers")
    await ada.say("first", lounge, mention=True)
    first = await answer(dc, lounge, "first")
    thread = await ada.open_thread(lounge, "More", first)
    await ada.say("more of it", thread, mention=True)
    await answer(dc, thread, "more of it")
    assert asked(llm, "more of it") == ["Ada: first", "[Ada: first]", "Ada: more of it"]


async def test_a_post_in_a_forum_is_what_its_thread_goes_on_from(
    dc: DiscordSandbox, llm: LlmSandbox, ada: ScriptedUser, bob: ScriptedUser, guild: ScriptedGuild
) -> None:
    post = await ada.post(guild.forum("help"), "Broken", "my lamp is dark")
    await bob.say("any idea?", post, mention=True)
    await answer(dc, post, "any idea?")
    (question,) = asked(llm, "any idea?")
    assert question.index("Ada: my lamp is dark") < question.index("Bob: any idea?")


async def test_what_was_edited_or_deleted_is_remembered_so(
    dc: DiscordSandbox, llm: LlmSandbox, ada: ScriptedUser, bob: ScriptedUser, guild: ScriptedGuild
) -> None:
    lounge = guild.channel("changes")
    gone = await ada.say("my number is 4711", lounge, mention=True)
    await answer(dc, lounge, "4711")
    changed = await ada.say("I like teh sea", lounge, mention=True)
    await answer(dc, lounge, "teh sea")
    heard = await bob.say("I like mountains", lounge)
    await ada.edit(changed, f"<@{dc.world.bot.id}> I like the sea")
    await ada.delete(gone)
    await ada.say("what do you know?", lounge, mention=True)
    await answer(dc, lounge, "what do you know?")
    known = asked(llm, "what do you know?")
    assert "Ada: I like the sea" in known
    assert "4711" not in "".join(text for text in known if text.startswith("Ada"))
    await bob.say("and I?", lounge, mention=True, reply_to=heard)
    mine = await answer(dc, lounge, "and I?")
    await bob.edit(heard, "I like hills")
    await bob.say("and of me?", lounge, reply_to=mine)
    await answer(dc, lounge, "and of me?")
    assert "Bob: I like hills" in asked(llm, "and of me?")[0]
    assert "mountains" not in asked(llm, "and of me?")[0]
