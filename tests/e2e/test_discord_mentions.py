"""Whatever the model writes pings nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_chat import replies

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox


async def test_nobody_is_pinged_by_any_message_or_edit(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    discord_bot.environment = {"PARLANCE__DISCORD__FRESH_FINAL": "true"}
    ada, bob = dc.user("Ada"), dc.user("Bob")
    guild = dc.guild("Guild", members=[ada, bob])
    role = guild.role("team", mentionable=True, members=[bob])
    lounge, hall = guild.channel("lounge"), guild.channel("hall")
    pings = f"@everyone @here <@&{role.id}> <@{bob.id}> <@!{bob.id}> <@{ada.id}>"
    llm.script(Script(text=f"{pings} and {'more words ' * 60}{pings} w1", rate=60))
    await discord_bot.start()
    await ada.say("go", lounge, mention=True)
    thread = await ada.open_thread(hall, "Talk")
    await ada.say("go", thread, mention=True)
    await ada.say(f"tell <@{bob.id}>")
    for channel in (lounge, thread, ada.dm):
        await dc.wait(lambda m: m.text.endswith("w1"), channel=channel)
    await dc.until(lambda: all(len(replies(dc, c)) == 1 for c in (lounge, thread, ada.dm)))
    bot_id = dc.world.bot.id
    assert [ping for ping in dc.pings if ping.author_id == bot_id] == []
    for channel in (lounge, thread, ada.dm):
        versions = [v for m in dc.transcript(channel) if m.from_bot for v in m.versions]
        assert len(versions) > 3
        (reply,) = replies(dc, channel)
        assert "everyone" in reply.text
        assert str(bob.id) in reply.text
