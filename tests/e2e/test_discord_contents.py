"""What comes with a message in Discord beside a text of its own: files, forwarded messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_chat import asked, conversation, replies

from sandbox.discord.world.permissions import Overwrite, OverwriteKind, Permission

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox


async def test_a_forwarded_message_is_a_question(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    lounge = dc.guild("Guild", members=[ada]).channel("lounge")
    await discord_bot.start()
    for text in ("is the earth flat?", "/new"):
        forwarded = await ada.forward(await ada.say(text, lounge))
        await dc.wait(lambda m, text=text: text in m.text, channel=ada.dm)
        assert conversation(llm.requests[-1])[-1] == f"[Forwarded from #lounge]\n{text}"
    await ada.say("and the moon?", reply_to=forwarded)
    await dc.wait(lambda m: "moon" in m.text, channel=ada.dm)
    told = "[Forwarded from #lounge]\n/new\n\nand the moon?"
    assert conversation(llm.requests[-1])[-1] == told
    file = await ada.say("", lounge, files={"cat.png": b"a cat"})
    await ada.forward(file)
    await dc.wait(lambda m: "text only" in m.text, channel=ada.dm)
    assert len(llm.requests) == 3
    assert replies(dc, lounge) == []


async def test_what_was_forwarded_is_known_where_a_reply_points_at_it(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    lounge = dc.guild("Guild", members=[ada]).channel("lounge")
    await discord_bot.start()
    forwarded = await ada.forward(await ada.say("the earth is flat"), lounge)
    await ada.say("is that true?", lounge, reply_to=forwarded, mention=True)
    await dc.wait(lambda m: "is that true?" in m.text, channel=lounge)
    told = "Ada: [Forwarded]\nthe earth is flat"
    assert asked(llm, "Ada: is that true?") == [f"{told}\n\nAda: is that true?"]


async def test_a_question_that_is_edited_into_a_command_is_none(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    await discord_bot.start()
    said = await ada.say("is the earth flat?")
    await dc.wait(lambda m: "is the earth flat?" in m.text, channel=ada.dm)
    await ada.edit(said, "/forget")
    await ada.say("and the moon?")
    await dc.wait(lambda m: "and the moon?" in m.text, channel=ada.dm)
    assert conversation(llm.requests[-1])[::2] == ["/forget", "and the moon?"]


async def test_a_channel_is_named_to_those_who_can_read_it(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    guild = dc.guild("Guild", members=[ada])
    lounge, news, board = (guild.channel(name) for name in ("lounge", "news", "board"))
    board.overwrites.append(Overwrite(guild.id, OverwriteKind.ROLE, deny=Permission.VIEW_CHANNEL))
    await discord_bot.start()
    for place, told in ((news, "[Forwarded from #news]"), (board, "[Forwarded]")):
        forwarded = await ada.forward(await ada.say(f"said in {place.name}", place), lounge)
        await ada.say(f"true in {place.name}?", lounge, reply_to=forwarded, mention=True)
        await dc.wait(lambda m, place=place: f"true in {place.name}?" in m.text, channel=lounge)
        expected = f"Ada: {told}\nsaid in {place.name}\n\nAda: true in {place.name}?"
        assert asked(llm, f"Ada: true in {place.name}?") == [expected]


async def test_the_model_is_told_what_it_can_not_see(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    await discord_bot.start()
    kinds = {
        "cat.png": "A picture",
        "talk.mp3": "A recording",
        "film.mp4": "A video",
        "notes.txt": "A file",
    }
    for name, kind in kinds.items():
        await ada.say(f"see {name}", files={name: b"bytes"})
        await dc.wait(lambda m, name=name: name in m.text, channel=ada.dm)
        question = conversation(llm.requests[-1])[-1]
        assert question == f"see {name}\n\n[{kind} came with this, which you can't see.]"
