"""Slash commands whose acknowledgement fails: carried out all the same, once, and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from discord_chat import conversation, replies

from sandbox.discord.rest.api import CALLBACK
from sandbox.discord.scene.interactions import interaction_json
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.scene.users import ScriptedInteraction
    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox


@dataclass(frozen=True)
class Trouble:
    """A fault that every acknowledgement meets."""

    name: str
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    in_place: bool = False
    """The acknowledgement arrives, so that Discord shows the command's own answer."""
    told: bool = True
    """In the log; else that it has arrived is found out."""

    def __str__(self) -> str:
        return self.name


LATE = Trouble("it is too late", "error", {"status": 404, "code": 10062})
RESET = Trouble("reset", "reset")
TROUBLES = [
    LATE,
    RESET,
    Trouble("acknowledged by another", "error", {"status": 400, "code": 40060}),
    Trouble("a page of Cloudflare's", "error", {"status": 403, "html": True}),
    Trouble("a server error", "error", {"status": 500}),
    Trouble("a limit", "rate_limit", {"seconds": 30.0}),
    Trouble("no answer", "hang"),
    Trouble("the answer is lost", "drop_after_accept", in_place=True, told=False),
    Trouble(
        "the answer is an error", "error_after_accept", {"status": 502}, in_place=True, told=False
    ),
    Trouble("the answer is late", "hold_after_accept", in_place=True),
    Trouble("the answer is no JSON", "wrong_json", in_place=True, told=False),
]


def tell_again(dc: DiscordSandbox, slash: ScriptedInteraction) -> None:
    told = interaction_json(dc.world, slash.interaction, None)
    dc.gateway.send_raw("INTERACTION_CREATE", told)


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
async def test_it_is_carried_out_and_told_where_that_can_be(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess, trouble: Trouble
) -> None:
    llm.script(Script(text="an answer " * 500, rate=40), when="at length")
    ada = dc.user("Ada")
    lounge = dc.guild("Guild", members=[ada]).channel("lounge")
    await discord_bot.start()
    await ada.say("at length", lounge, mention=True)
    await dc.wait(lambda m: "an answer an answer" in m.text, channel=lounge)
    dc.fault(trouble.kind, route=CALLBACK, count=None, **trouble.fields)
    stop = await ada.slash("stop", lounge)
    await dc.wait(lambda m: "Stopped" in m.text, channel=lounge)
    started = await ada.slash("new", lounge)
    await dc.wait(lambda m: "A new conversation" in m.text, channel=lounge)
    assert ("A new conversation" in (started.response or "")) is trouble.in_place
    if trouble.in_place:
        await dc.until(lambda: stop.message is not None and stop.message.deleted)
    await ada.say("and now?", lounge, mention=True)
    await dc.wait(lambda m: "and now?" in m.text, channel=lounge)
    assert conversation(llm.requests[-1]) == ["Ada: and now?"]
    assert sum("A new conversation" in m.text for m in replies(dc, lounge)) == 1
    assert "Traceback" not in discord_bot.log
    assert discord_bot.log.count("was not acknowledged") == (2 if trouble.told else 0)


@pytest.mark.parametrize("fault", [None, LATE, RESET], ids=str)
async def test_told_twice_it_is_carried_out_once(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess, fault: Trouble | None
) -> None:
    ada = dc.user("Ada")
    await discord_bot.start()
    await ada.say("why so?")
    await dc.wait(lambda m: "why so?" in m.text, channel=ada.dm)
    if fault is not None:
        dc.fault(fault.kind, route=CALLBACK, count=None, **fault.fields)
    retry = await ada.slash("retry")
    tell_again(dc, retry)
    await dc.until(lambda: len(replies(dc, ada.dm)) == 2)
    tell_again(dc, retry)
    await ada.say("and then?")
    await dc.wait(lambda m: "and then?" in m.text, channel=ada.dm)
    assert len(llm.requests) == 3
    assert len(replies(dc, ada.dm)) == 3


async def test_one_reset_costs_nothing(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    await discord_bot.start()
    for kind in ("reset", "drop_after_accept"):
        dc.fault(kind, route=CALLBACK)
        helped = await ada.slash("help")
        await dc.until(lambda h=helped: "/retry" in (h.response or ""))
    assert "was not acknowledged" not in discord_bot.log
    assert len(replies(dc, ada.dm)) == 2


async def test_a_refusal_is_kept_from_those_who_did_not_see_what_is_refused(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada, eve = dc.user("Ada"), dc.user("Eve")
    lounge = dc.guild("Guild", members=[ada, eve]).channel("lounge")
    discord_bot.environment = {
        "PARLANCE__ACCESS__OPEN": "false",
        "PARLANCE__ACCESS__USERS": str(ada.id),
    }
    await discord_bot.start()
    dc.fault(LATE.kind, route=CALLBACK, count=None, **LATE.fields)
    await eve.slash("help", lounge)
    await ada.slash("forget", lounge)
    await discord_bot.until(lambda: discord_bot.log.count("a refusal is not told") == 2)
    await ada.slash("help", lounge)
    await dc.wait(lambda m: "/retry" in m.text, channel=lounge)
    assert len(replies(dc, lounge)) == 1
    await eve.slash("help")
    await dc.wait(lambda m: str(eve.id) in m.text, channel=eve.dm)


async def test_an_interaction_that_is_not_known_ends_nothing(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    await discord_bot.start()
    helped = await ada.slash("help")
    await dc.until(lambda: helped.response)
    told = interaction_json(dc.world, helped.interaction, None)
    sessions = len(dc.gateway.log)
    dc.fault("reset", route=CALLBACK, count=None)
    for kind in (2, 4, 99):
        for data in (
            {"id": "1", "name": "gone", "type": 1},
            {"id": "1", "name": "help", "type": 1, "options": []},
            {"id": "1", "name": "a menu", "type": 3, "target_id": "1"},
        ):
            odd = {**told, "id": str(dc.world.new_id()), "type": kind, "data": data}
            dc.gateway.send_raw("INTERACTION_CREATE", odd)
    dc.faults.clear()
    await ada.say("still there?")
    await dc.wait(lambda m: "still there?" in m.text, channel=ada.dm)
    assert len(dc.gateway.log) == sessions
    assert "Traceback" not in discord_bot.log
