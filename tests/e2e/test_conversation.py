"""People talk to the bot; Telegram and the model are the sandbox's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat import numbered, numbers, reads, refusals, replies, words_in

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


async def test_fifty_chats_at_once_are_answered_whole_in_order_and_in_place(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=lambda ms: f"**{ms[-1].text}** {numbered(240)}", rate=40))
    await bot.start()
    people = [tg.user(f"P{n}") for n in range(50)]
    questions = [await person.say(f"question of {person.id}") for person in people]
    await tg.until(lambda: all(words_in(tg, person, 240) for person in people), within=60)
    await bot.stop()
    assert refusals(tg) == 0
    for person, question in zip(people, questions, strict=True):
        (reply,) = replies(tg, person)
        assert reply.text.startswith(f"question of {person.id}")
        assert [entity.type for entity in reply.entities] == ["bold"]
        assert reply.reply_to == question.message_id
        grown = [len(version.text) for version in reply.versions]
        assert len(grown) > 2
        assert grown == sorted(grown)


async def test_the_history_outlives_a_restart_and_new_forgets_it(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("my name is Ada")
    await tg.wait(lambda m: "given 2 messages" in m.text)
    assert await bot.stop() == 0
    await bot.start()
    await ada.say("what is my name?")
    await tg.wait(lambda m: "given 4 messages" in m.text)
    asked = [message.text for message in llm.requests[-1].messages]
    assert asked[1] == "my name is Ada"
    assert asked[3] == "what is my name?"
    await ada.say("/new")
    await tg.wait(lambda m: "new conversation" in m.text)
    await ada.say("what is my name?")
    await tg.until(lambda: len(llm.requests) == 3)
    assert [message.role for message in llm.requests[-1].messages] == ["system", "user"]


async def test_retry_asks_the_question_again_without_the_first_answer(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("/retry")
    await tg.wait(lambda m: "nothing to ask again" in m.text)
    llm.script(Script(text="the first answer"), times=1)
    await ada.say("why?")
    await tg.wait(lambda m: m.text == "the first answer")
    llm.script(Script(text="the second answer"), times=1)
    await ada.say("/retry")
    await tg.wait(lambda m: m.text == "the second answer")
    await ada.say("and now?")
    await tg.until(lambda: len(llm.requests) == 3)
    assert [m.text for m in llm.requests[1].messages[1:]] == ["why?"]
    assert [m.text for m in llm.requests[2].messages[1:]] == [
        "why?",
        "the second answer",
        "and now?",
    ]


async def test_stop_ends_the_answer_and_says_so(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(4000), rate=40))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "w20" in m.text)
    await ada.say("/stop")
    await tg.wait(lambda m: "Stopped" in m.text)
    await llm.until(lambda: llm.requests[0].client_closed_at is not None)
    (reply,) = replies(tg, ada)
    shown = numbers(reply.text)
    assert shown == list(range(len(shown)))
    await ada.say("/stop")
    await tg.wait(lambda m: "nothing to stop" in m.text)


async def test_questions_of_a_chat_are_answered_in_order_and_chats_side_by_side(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}", first_token=0.3))
    ada, bob = tg.user("Ada"), tg.user("Bob")
    await bot.start()
    for n in range(4):
        await ada.say(f"q{n}")
    await bob.say("mine")
    await tg.wait(lambda m: m.text == "answer to q3")
    assert [m.text for m in replies(tg, ada)] == [f"answer to q{n}" for n in range(4)]
    order = [record.messages[-1].text for record in llm.requests]
    assert order.index("mine") <= 1
    assert [len(r.messages) for r in llm.requests if r.messages[-1].text != "mine"] == [2, 4, 6, 8]


async def test_a_group_is_answered_when_the_bot_is_meant_and_topics_are_apart(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=lambda ms: f"heard {len(ms)}: {ms[-1].text}"))
    ada, bob = tg.user("Ada"), tg.user("Bob")
    group = tg.group("Team", members=[ada, bob], supergroup=True)
    forum = tg.group("Forum", members=[ada, bob], supergroup=True, forum=True)
    name = tg.settings.bot_username
    await bot.start()
    await bob.say("not for you", chat=group)
    question = await ada.say(f"@{name} hello there", chat=group)
    answer = await tg.wait(lambda m: m.text == "heard 2: Ada: hello there", chat=group)
    assert answer.reply_to == question.message_id
    await bob.say("and me?", chat=group, reply_to=answer)
    await tg.wait(lambda m: m.text == "heard 4: Bob: and me?", chat=group)
    topics = [forum.open_topic(title) for title in ("one", "two")]
    for topic in topics:
        await ada.say(f"@{name} in {topic}", chat=forum, thread=topic)
    for topic in topics:
        said = await tg.wait(lambda m, t=topic: m.text.endswith(f"in {t}"), chat=forum)
        assert said.text.startswith("heard 2")
        assert said.thread_id == topic
    assert len(llm.requests) == 4


async def test_an_update_that_cannot_be_read_stands_in_nobodys_way(
    tg: TelegramSandbox, bot: BotProcess
) -> None:
    ada = tg.user("Ada")
    await bot.start()
    broken = {"message_id": 77, "text": "private words", "entities": [{"type": "bold"}]}
    tg.updates.add("message", {"date": 1, "chat": {"id": ada.id, "type": "private"}, **broken})
    await ada.say("hello")
    await tg.wait(lambda m: "hello" in m.text)
    assert "can't be read" in bot.log
    assert "private words" not in bot.log


async def test_stop_ends_the_pages_that_are_still_to_come(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(40_000)))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.until(lambda: len(replies(tg, ada)) >= 5, within=20)
    await ada.say("/stop")
    await tg.wait(lambda m: "Stopped" in m.text, within=20)
    shown = numbers(reads(tg, ada))
    assert shown == list(range(len(shown)))
    assert len(replies(tg, ada)) < 12
    await ada.say("/new")
    await tg.wait(lambda m: "new conversation" in m.text, within=20)
    assert len(replies(tg, ada)) < 13


async def test_stop_waits_for_no_other_command(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(4000), rate=40))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "w5" in m.text)
    tg.penalize(ada, 5)
    end = tg.world.clock() + 5
    await ada.say("/help")
    await ada.say("/stop")
    await llm.until(lambda: llm.requests[0].client_closed_at is not None)
    assert tg.world.clock() < end


async def test_the_topics_of_a_group_share_its_budget(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(200), rate=40))
    ada = tg.user("Ada")
    forum = tg.group("Forum", members=[ada], supergroup=True, forum=True)
    await bot.start()
    for name in "abcd":
        topic = forum.open_topic(name)
        await ada.say(f"@{tg.settings.bot_username} go", chat=forum, thread=topic)
    await tg.until(lambda: reads(tg, forum.id).count("w199") == 4, within=40)
    assert refusals(tg) == 0


async def test_commands_are_announced_and_help_names_them(
    tg: TelegramSandbox, bot: BotProcess
) -> None:
    ada = tg.user("Ada")
    await bot.start()
    await tg.until(lambda: tg.calls_of("setMyCommands"))
    await ada.say("/help")
    help_text = (await tg.wait(lambda m: "/retry" in m.text)).text
    for command in ("start", "help", "new", "stop", "retry"):
        assert f"/{command}" in help_text
    await ada.say("/frobnicate now")
    await tg.wait(lambda m: "/frobnicate" in m.text)


async def test_typing_is_shown_until_the_first_text(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="slow to start", first_token=0.5))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("hi")
    await tg.wait(lambda m: m.text == "slow to start")
    (typing,) = tg.calls_of("sendChatAction", ada)
    (sent,) = tg.calls_of("sendMessage", ada)
    assert typing.at < sent.at


async def test_a_photo_is_told_that_only_text_is_read(tg: TelegramSandbox, bot: BotProcess) -> None:
    ada = tg.user("Ada")
    await bot.start()
    await ada.send_photo()
    await tg.wait(lambda m: "text only" in m.text)


async def test_a_stranger_is_told_once_and_the_model_is_not_asked(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    ada, bob = tg.user("Ada"), tg.user("Bob")
    bot.environment = {"PARLANCE__ACCESS__OPEN": "false", "PARLANCE__ACCESS__USERS": str(ada.id)}
    await bot.start()
    await bob.say("let me in")
    await bob.say("please")
    told = await tg.wait(lambda m: str(bob.id) in m.text, chat=bob)
    await ada.say("hello")
    await tg.wait(lambda m: "hello" in m.text, chat=ada)
    group = tg.group("Team", members=[bob], supergroup=True)
    await bob.say("/weather", chat=group)  # Another bot's.
    await bob.say("/help", chat=group)
    await tg.wait(lambda m: str(bob.id) in m.text, chat=group)
    assert len(replies(tg, group.id)) == 1
    assert replies(tg, bob) == [told]
    assert len(llm.requests) == 1
    assert "hello" in reads(tg, ada)
