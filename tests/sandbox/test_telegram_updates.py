"""getUpdates: offsets, long polling, one poller at a time, and what reaches the bot."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import telegram
import telegram.ext
from telegram.error import Conflict

from sandbox.telegram.entities import Entity
from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import FLOOD_PRESETS, Settings

FIRST = Settings().first_update_id


@pytest.fixture
async def tg() -> AsyncIterator[TelegramSandbox]:
    async with TelegramSandbox(Settings(flood=FLOOD_PRESETS["off"])) as sandbox:
        yield sandbox


@pytest.fixture
async def bot(tg: TelegramSandbox) -> AsyncIterator[telegram.Bot]:
    async with telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot:
        yield bot


def ids(updates: tuple[telegram.Update, ...]) -> list[int]:
    return [update.update_id - FIRST for update in updates]


async def polls(tg: TelegramSandbox, count: int) -> None:
    await tg.until(lambda: len(tg.calls_of("getUpdates")) == count)


async def test_an_update_comes_again_until_a_higher_offset_confirms_it(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ada = tg.user("Ada")
    for text in "abc":
        await ada.say(text)
    assert ids(await bot.get_updates()) == [0, 1, 2]
    assert ids(await bot.get_updates(offset=FIRST)) == [0, 1, 2]
    assert ids(await bot.get_updates(offset=FIRST + 2)) == [2]
    assert ids(await bot.get_updates(offset=FIRST)) == [2]
    assert ids(await bot.get_updates(offset=FIRST + 3)) == []


@pytest.mark.parametrize("hidden", [False, True])
async def test_a_forward_says_where_it_is_from(
    tg: TelegramSandbox, bot: telegram.Bot, *, hidden: bool
) -> None:
    ada, bob = tg.user("Ada"), tg.user("Bob")
    elsewhere = tg.group("Elsewhere", members=[ada, bob], bot=False)
    await ada.forward(await bob.say("old news", chat=elsewhere), hidden=hidden)
    (update,) = await bot.get_updates()
    assert update.message is not None
    assert (update.message.from_user.id, update.message.text) == (ada.id, "old news")
    origin = update.message.forward_origin
    if hidden:
        assert isinstance(origin, telegram.MessageOriginHiddenUser)
        assert origin.sender_user_name == "Bob"
        assert update.message.api_kwargs["forward_sender_name"] == "Bob"
    else:
        assert isinstance(origin, telegram.MessageOriginUser)
        assert origin.sender_user.id == bob.id
        assert update.message.api_kwargs["forward_from"]["id"] == bob.id


async def test_once_the_numbers_have_begun_anew_a_higher_offset_is_none(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ada = tg.user("Ada")
    await ada.say("a")
    assert ids(await bot.get_updates()) == [0]
    assert ids(await bot.get_updates(offset=FIRST + 1)) == []
    tg.updates.renumber(40)
    for text in "bc":
        await ada.say(text)
    for _ in range(2):
        updates = await bot.get_updates(offset=FIRST + 1)
        assert [update.update_id for update in updates] == [40, 41]
    (last,) = await bot.get_updates(offset=41)
    assert last.update_id == 41
    assert await bot.get_updates(offset=42) == ()


async def test_limit_and_negative_offset(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    ada = tg.user("Ada")
    for text in "abcd":
        await ada.say(text)
    assert ids(await bot.get_updates(limit=2)) == [0, 1]
    assert ids(await bot.get_updates(offset=-2)) == [2, 3]
    assert ids(await bot.get_updates()) == [2, 3]


async def test_a_long_poll_answers_when_something_happens(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ada = tg.user("Ada")
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await polls(tg, 1)
    await ada.say("hello")
    (update,) = await poll
    assert update.message is not None
    assert update.message.text == "hello"


async def test_a_second_poll_terminates_the_first(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await polls(tg, 1)
    async with telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as other:
        second = asyncio.create_task(other.get_updates(timeout=30))
        with pytest.raises(Conflict) as caught:
            await first
        assert caught.value.message == (
            "Conflict: terminated by other getUpdates request; "
            "make sure that only one bot instance is running"
        )
        await tg.user("Ada").say("hello")
        assert ids(await second) == [0]


async def test_a_webhook_excludes_polling(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await polls(tg, 1)
    await bot.set_webhook("https://example.com/hook")
    with pytest.raises(Conflict, match="terminated by setWebhook request"):
        await poll
    await tg.user("Ada").say("hello")
    with pytest.raises(Conflict, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count) == ("https://example.com/hook", 1)
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


async def test_only_allowed_updates_are_queued(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    ada = tg.user("Ada")
    await bot.get_updates(allowed_updates=["edited_message"])
    message = await ada.say("one")
    await ada.edit(message, "two")
    (update,) = await bot.get_updates()
    assert update.edited_message is not None
    assert update.edited_message.text == "two"
    assert update.edited_message.edit_date is not None
    await bot.get_updates(offset=update.update_id + 1, allowed_updates=[])
    await ada.say("three")
    assert len(await bot.get_updates()) == 1


async def test_a_stop_press_comes_only_to_a_bot_that_asked(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ada = tg.user("Ada")
    await ada.stop_generation(7)
    assert await bot.get_updates() == ()
    await bot.get_updates(allowed_updates=["message", "stopped_message_generation"])
    await ada.stop_generation(8)
    (update,) = await bot.get_updates()
    assert update.api_kwargs["stopped_message_generation"]["draft_id"] == 8


async def test_the_updater_of_python_telegram_bot_runs_on_it(tg: TelegramSandbox) -> None:
    application = (
        telegram.ext.Application.builder().token(tg.token).base_url(f"{tg.api_url}/bot").build()
    )

    async def echo(update: telegram.Update, _context: object) -> None:
        assert update.message is not None
        await update.message.reply_text(f"you said {update.message.text}", do_quote=True)

    application.add_handler(telegram.ext.MessageHandler(telegram.ext.filters.TEXT, echo))
    ada = tg.user("Ada")
    async with application:
        await application.start()
        assert application.updater is not None
        await application.updater.start_polling()
        question = await ada.say("hello")
        answer = await tg.wait(lambda m: m.text == "you said hello", chat=ada)
        assert answer.reply_to == question.message_id
        await application.updater.stop()
        await application.stop()
    assert len(tg.updates) == 0


async def test_entities_of_a_message_are_in_utf16(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    await tg.user("Ada").say("🙂 /ask @parlance_sandbox_bot", entities=[Entity("bold", 0, 2)])
    (update,) = await bot.get_updates()
    assert update.message is not None
    found = update.message.parse_entities()
    assert {entity.type: text for entity, text in found.items()} == {
        "bold": "🙂",
        "bot_command": "/ask",
        "mention": "@parlance_sandbox_bot",
    }


async def test_photos_come_with_caption_and_album(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    ada = tg.user("Ada")
    await ada.send_photo("look @ada1", album="7")
    await ada.send_photo(album="7")
    first, second = [update.message for update in await bot.get_updates()]
    assert first is not None
    assert second is not None
    assert (first.caption, first.text, first.media_group_id) == ("look @ada1", None, "7")
    assert [e.type for e in first.caption_entities] == ["mention"]
    assert len(second.photo) == 1
    assert second.photo[0].file_id != first.photo[0].file_id


async def test_a_long_paste_comes_in_parts(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    await tg.user("Ada").paste("🙂" * 3000)
    texts = [u.message.text for u in await bot.get_updates() if u.message and u.message.text]
    assert [len(text) for text in texts] == [2048, 952]


async def test_with_privacy_a_group_shows_only_what_is_addressed_to_the_bot(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ada, ben = tg.user("Ada"), tg.user("Ben")
    group = tg.group("Team", members=[ada, ben])
    sent = await bot.send_message(group.id, "I am here")
    mine = tg.transcript(group)[-1]
    assert mine.message_id == sent.message_id
    await ada.say("hello all", chat=group)
    await ada.say("/help", chat=group)
    await ada.say("/help@other_bot", chat=group)
    await ada.say("/help@Parlance_Sandbox_Bot", chat=group)
    await ben.say("hey @parlance_sandbox_bot", chat=group)
    await ben.say("hey @someone_else", chat=group)
    await ben.say("thanks", chat=group, reply_to=mine)
    updates = await bot.get_updates()
    assert updates[0].my_chat_member is not None
    texts = [u.message.text for u in updates if u.message]
    assert texts == ["/help", "/help@Parlance_Sandbox_Bot", "hey @parlance_sandbox_bot", "thanks"]
    group.promote_bot()
    await ada.say("hello all", chat=group)
    last = (await bot.get_updates())[-1].message
    assert last is not None
    assert last.text == "hello all"


async def test_without_privacy_the_bot_hears_everything() -> None:
    async with TelegramSandbox(Settings(group_privacy=False)) as tg:
        ada = tg.user("Ada")
        await ada.say("hello all", chat=tg.group("Team", members=[ada]))
        async with telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot:
            assert bot.can_read_all_group_messages
            assert (await bot.get_updates())[-1].message is not None


async def test_membership_changes_are_told(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    ada = tg.user("Ada")
    await ada.say("hi")
    group = tg.group("Team", members=[ada])
    group.kick_bot()
    await ada.block()
    await ada.block()
    await ada.unblock()
    changes = [u.my_chat_member for u in await bot.get_updates() if u.my_chat_member]
    assert [
        (c.chat.id, c.old_chat_member.status, c.new_chat_member.status, c.from_user.id)
        for c in changes
    ] == [
        (group.id, "left", "member", ada.id),
        (group.id, "member", "kicked", ada.id),
        (ada.id, "member", "kicked", ada.id),
        (ada.id, "kicked", "member", ada.id),
    ]


async def test_topic_messages_carry_their_thread_and_reply_to_its_opening(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ada = tg.user("Ada")
    forum = tg.group("Forum", members=[ada], forum=True)
    topic = forum.open_topic("Cats")
    await ada.say("/ask", chat=forum, thread=topic)
    message = (await bot.get_updates())[-1].message
    assert message is not None
    assert (message.message_thread_id, message.is_topic_message) == (topic, True)
    assert message.chat.is_forum
    assert message.reply_to_message is not None
    assert message.reply_to_message.forum_topic_created is not None
    assert message.reply_to_message.forum_topic_created.name == "Cats"


async def test_replies_in_a_supergroup_carry_a_thread_that_is_no_topic(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ada = tg.user("Ada")
    group = tg.group("Team", members=[ada], supergroup=True)
    await bot.send_message(group.id, "root")
    root = tg.transcript(group)[0]
    await ada.say("reply", chat=group, reply_to=root)
    message = (await bot.get_updates())[-1].message
    assert message is not None
    assert (message.message_thread_id, message.is_topic_message) == (root.message_id, None)
    sent = await bot.send_message(group.id, "x", message_thread_id=root.message_id)
    assert sent.is_topic_message is None


async def test_migration_is_told_in_both_groups(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    ada = tg.user("Ada")
    group = tg.group("Team", members=[ada])
    new = group.migrate()
    old_side, new_side = [u.message for u in await bot.get_updates() if u.message]
    assert (old_side.chat.id, old_side.migrate_to_chat_id) == (group.id, new.id)
    assert (new_side.chat.id, new_side.migrate_from_chat_id) == (new.id, group.id)


async def test_people_are_held_to_what_their_apps_allow(tg: TelegramSandbox) -> None:
    ada, ben = tg.user("Ada"), tg.user("Ben")
    group = tg.group("Team", members=[ada])
    message = await ada.say("mine", chat=group)
    with pytest.raises(ValueError, match="no member"):
        await ben.say("let me in", chat=group)
    with pytest.raises(ValueError, match="own messages"):
        await ben.edit(message, "yours")
    with pytest.raises(ValueError, match="needs some text"):
        await ada.say("  ")
    with pytest.raises(ValueError, match="use paste"):
        await ada.say("x" * 4097)
    with pytest.raises(ValueError, match="no button"):
        await ada.press(message, "stop")
