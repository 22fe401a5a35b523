"""Slash commands: how they are announced, and how they are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord_chat import replies

from bot.chat.commands import COMMANDS
from sandbox.discord.scene.interactions import Callback
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox

SYNC = "PUT /applications/{application_id}/commands"


async def test_commands_are_announced_only_when_discord_has_others(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    menu = dc.scene.menus
    await discord_bot.start()
    assert len(dc.calls_of(SYNC)) == 1
    for name, about in COMMANDS.items():
        command = menu.find(None, name)
        assert command is not None
        assert command["description"] == about
    await discord_bot.stop()
    await discord_bot.start()
    assert len(dc.calls_of(SYNC)) == 1
    await discord_bot.stop()
    dc.scene.menus.replace(None, [])
    await discord_bot.start()
    assert len(dc.calls_of(SYNC)) == 2


async def test_a_command_is_acknowledged_and_answered_in_its_own_place(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada, bob = dc.user("Ada"), dc.user("Bob")
    lounge = dc.guild("Guild", members=[ada, bob]).channel("lounge")
    llm.script(Script(text="an answer " * 500, rate=40), when="at length")
    await discord_bot.start()
    for place in (ada.dm, lounge):
        helped = await ada.slash("help", place)
        await dc.until(lambda h=helped: h.response)
        assert helped.callback is Callback.DEFERRED_MESSAGE
        assert "/retry" in helped.response
    await ada.say("at length", lounge, mention=True)
    await dc.wait(lambda m: "an answer an answer" in m.text, channel=lounge)
    stop = await bob.slash("stop", lounge)
    await dc.wait(lambda m: "Stopped" in m.text, channel=lounge)
    await dc.until(lambda: stop.message is not None and stop.message.deleted)
    again = await ada.slash("retry", lounge)
    await dc.until(lambda: again.response)
    second = await ada.slash("stop", lounge)
    await dc.until(lambda: second.message is not None and second.message.deleted)
    idle = await ada.slash("stop", lounge)
    await dc.until(lambda: "nothing to stop" in (idle.response or ""))
    assert "Traceback" not in discord_bot.log


async def test_a_strangers_command_is_answered_once_and_then_withdrawn(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    discord_bot.environment = {"PARLANCE__ACCESS__OPEN": "false"}
    eve = dc.user("Eve")
    await discord_bot.start()
    first = await eve.slash("help")
    await dc.until(lambda: str(eve.id) in (first.response or ""))
    second = await eve.slash("help")
    await dc.until(lambda: second.message is not None and second.message.deleted)
    assert len(replies(dc, eve.dm)) == 1
    assert llm.requests == []
