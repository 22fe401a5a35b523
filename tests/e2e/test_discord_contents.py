"""What comes with a message in Discord beside a text of its own: files, forwarded messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_chat import asked, conversation, replies

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
        assert conversation(llm.requests[-1])[-1] == text
    await ada.say("and the moon?", reply_to=forwarded)
    await dc.wait(lambda m: "moon" in m.text, channel=ada.dm)
    assert conversation(llm.requests[-1])[-1] == "/new\n\nand the moon?"
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
    assert asked(llm, "Ada: is that true?") == ["Ada: the earth is flat\n\nAda: is that true?"]


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
