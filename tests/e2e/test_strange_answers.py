"""Trouble that is no outage, in the middle of an answer: nothing is cut without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord_chat
import pytest
from chat import numbered, reads, replies, words_in

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

EXCUSE = "can't be shown"


async def test_a_text_that_breaks_the_server_is_told_and_the_next_question_answered(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="a poisoned text"), when="poison")
    llm.script(Script(text="**well**"), when="next")
    ada = tg.user("Ada")
    await bot.start()
    tg.fault("error", containing="poisoned", count=None)
    await ada.say("poison")
    await ada.say("next")
    await tg.wait(lambda m: EXCUSE in m.text, chat=ada, within=60)
    await tg.wait(lambda m: m.text == "well" and m.entities, chat=ada)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 401, "description": "Unauthorized"},
        {"status": 404, "description": "Not Found"},
        {"status": 404, "body": "<html>no such page</html>"},
        {"status": 403, "body": "<html>blocked by the proxy</html>"},
        {"status": 400, "body": '["no"]'},
        {"status": 400, "description": "Bad Request: message can't be edited"},
        {"status": 400, "description": "Bad Request: TOPIC_CLOSED"},
        {"status": 400, "description": "Bad Request: not enough rights to send text messages"},
        {"kind": "wrong_answer", "body": "{}"},
        {"kind": "wrong_answer", "body": '{"ok": false}'},
        {"kind": "wrong_answer", "body": '{"ok": true, "result": []}'},
    ],
    ids=lambda fault: f"{fault.get('status', 200)} {fault.get('description') or fault['body']}",
)
async def test_strange_answers_to_edits_do_not_cut_the_answer(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, fault: dict[str, str | int]
) -> None:
    llm.script(Script(text=numbered(60), rate=60))
    ada = tg.user("Ada")
    await bot.start()
    tg.fault(**{"kind": "error", "method": "editMessageText", "count": 2, **fault})
    await ada.say("go")
    await tg.until(lambda: words_in(tg, ada, 60), within=20)
    assert len(replies(tg, ada)) == 1


@pytest.mark.parametrize(
    "body",
    [
        *("{}", "[]", "null", '{"ok": true, "result": {}}'),
        '{"ok": true, "result": {"message_id": null}}',
    ],
)
async def test_a_create_that_is_answered_without_a_result_is_of_unknown_fate(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, body: str
) -> None:
    llm.script(Script(text=numbered(20), rate=60))
    ada = tg.user("Ada")
    await bot.start()
    tg.fault("wrong_answer", method="sendMessage", body=body)
    await ada.say("go")
    await tg.wait(lambda m: "w19" in m.text, chat=ada)
    assert len(replies(tg, ada)) == 2  # the orphan of the call that was applied


async def test_a_token_that_is_withdrawn_leaves_the_answer_owed(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(60), rate=60))
    ada = tg.user("Ada")
    await bot.start()
    tg.fault("error", method="editMessageText", status=401, description="Unauthorized", count=None)
    await ada.say("go")
    await bot.until(lambda: "telegram.token" in bot.log)
    await bot.kill()
    tg.faults.clear()
    await bot.start()
    await tg.until(lambda: words_in(tg, ada, 60))
    assert tg.token not in bot.log


async def test_an_answer_goes_on_where_its_group_becomes_a_supergroup(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(120), rate=40))
    ada = tg.user("Ada")
    group = tg.group("Group", members=[ada])
    await bot.start()
    await ada.say(f"@{tg.settings.bot_username} go", chat=group)
    await tg.wait(lambda m: "w10" in m.text, chat=group)
    moved = group.migrate()
    await tg.until(lambda: words_in(tg, moved.id, 120), within=60)
    assert len(replies(tg, moved.id)) == 1


@pytest.mark.parametrize("text", ["#", "```\n```", "![]()", "\u200b", "&#8203;"])
async def test_an_answer_that_shows_nothing_is_told(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, text: str
) -> None:
    llm.script(Script(text=text))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "shows nothing" in m.text, chat=ada)
    assert "shows nothing" in reads(tg, ada)


@pytest.mark.parametrize("text", ["#", "```\n```", "![]()", "\u200b", "&#8203;"])
async def test_an_answer_that_shows_nothing_is_told_on_discord(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess, text: str
) -> None:
    llm.script(Script(text=text))
    ada = dc.user("Ada")
    await discord_bot.start()
    await ada.say("go")
    await dc.wait(lambda m: "shows nothing" in m.text, channel=ada.dm)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_proxys_refusals_do_not_cut_the_answer_on_discord(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess, status: int
) -> None:
    llm.script(Script(text=numbered(60), rate=60))
    ada = dc.user("Ada")
    await discord_bot.start()
    dc.fault("error", method="PATCH", status=status, html=True, count=2)
    await ada.say("go")
    await dc.until(lambda: discord_chat.words_in(dc, ada.dm, 60), within=20)
    assert len(discord_chat.replies(dc, ada.dm)) == 1
