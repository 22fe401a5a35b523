"""The Bot API's methods, driven by the real python-telegram-bot."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import telegram
import telegram.error
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity, ReplyParameters
from telegram.error import BadRequest, ChatMigrated, Forbidden

from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.users import ScriptedUser

NOT_MODIFIED = (
    "Message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)


@contextmanager
def refused(error: type[telegram.error.TelegramError], words: str) -> Iterator[None]:
    """The call is refused with these words, in python-telegram-bot's spelling."""
    with pytest.raises(error) as caught:
        yield
    assert caught.value.message == words


async def test_a_sent_message_comes_back_as_it_is_shown(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    sent = await bot.send_message(
        ada.id,
        " 🙂 bold",
        entities=[MessageEntity("bold", 4, 4)],
        reply_parameters=ReplyParameters(1),
    )
    assert (sent.text, sent.from_user, sent.chat.id) == ("🙂 bold", bot.bot, ada.id)
    assert sent.entities == (MessageEntity("bold", 3, 4),)
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.text == "hi"
    (log,) = [m for m in tg.transcript(ada) if m.from_bot]
    assert (log.message_id, log.text, log.reply_to) == (sent.message_id, "🙂 bold", 1)


async def test_an_edit_adds_a_version(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    sent = await bot.send_message(ada.id, "one")
    edited = await bot.edit_message_text("two", ada.id, sent.message_id)
    assert isinstance(edited, telegram.Message)
    assert edited.edit_date is not None
    log = tg.transcript(ada)[-1]
    assert [version.text for version in log.versions] == ["one", "two"]
    assert log.versions[0].at <= log.versions[1].at


async def test_the_same_text_and_entities_are_not_modified(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    bold = [MessageEntity("bold", 0, 3)]
    sent = await bot.send_message(ada.id, "one", entities=bold)
    with refused(BadRequest, NOT_MODIFIED):
        await bot.edit_message_text("one\n", ada.id, sent.message_id, entities=bold)
    await bot.edit_message_text("one", ada.id, sent.message_id)
    markup = InlineKeyboardMarkup([[InlineKeyboardButton("Stop", callback_data="stop")]])
    await bot.edit_message_text("one", ada.id, sent.message_id, reply_markup=markup)
    assert len(tg.transcript(ada)[-1].versions) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Message text is empty"),
        (" \n ", "Text must be non-empty"),
        ("x" * 4097, "Message is too long"),
        ("é" * 20_000, "Text is too long"),
    ],
)
async def test_a_text_of_the_wrong_length_is_refused(
    bot: telegram.Bot, ada: ScriptedUser, text: str, words: str
) -> None:
    with refused(BadRequest, words):
        await bot.send_message(ada.id, text)


async def test_length_is_counted_in_utf16_after_trimming(
    bot: telegram.Bot, ada: ScriptedUser
) -> None:
    sent = await bot.send_message(ada.id, f"  {'🙂' * 2048}\n")
    assert sent.text == "🙂" * 2048
    with refused(BadRequest, "Message is too long"):
        await bot.send_message(ada.id, "🙂" * 2049)
    with refused(BadRequest, "Message_too_long"):
        await bot.edit_message_text("🙂" * 2049, ada.id, sent.message_id)


async def test_wrong_entities_are_refused_in_the_servers_words(
    bot: telegram.Bot, ada: ScriptedUser
) -> None:
    with refused(
        BadRequest,
        "Entity beginning at utf-16 offset 0 ends after the end of the text at utf-16 offset 9",
    ):
        await bot.send_message(ada.id, "short", entities=[MessageEntity("bold", 0, 9)])
    with refused(BadRequest, "Can't parse messageentity: can't find field \"url\""):
        await bot.send_message(ada.id, "short", entities=[MessageEntity("text_link", 0, 2)])


async def test_messages_that_are_not_there_or_not_ones_own_are_not_edited(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    sent = await bot.send_message(ada.id, "soon gone")
    await ada.delete(tg.transcript(ada)[-1])
    for message_id in (sent.message_id, 999):
        with refused(BadRequest, "Message to edit not found"):
            await bot.edit_message_text("late", ada.id, message_id)
        with refused(BadRequest, "Message to delete not found"):
            await bot.delete_message(ada.id, message_id)
    with refused(BadRequest, "Message can't be edited"):
        await bot.edit_message_text("mine now", ada.id, 1)


async def test_deleting_leaves_the_log(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    sent = [await bot.send_message(ada.id, text) for text in "abc"]
    await bot.delete_message(ada.id, sent[0].message_id)
    await bot.delete_messages(ada.id, [sent[1].message_id, 999])
    assert [(m.text, m.deleted) for m in tg.transcript(ada)[1:]] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]


async def test_a_reply_to_what_is_gone_is_refused_unless_allowed(
    bot: telegram.Bot, ada: ScriptedUser
) -> None:
    with refused(BadRequest, "Message to be replied not found"):
        await bot.send_message(ada.id, "x", reply_parameters=ReplyParameters(99))
    with refused(BadRequest, "Message to be replied not found"):
        await bot.send_message(ada.id, "x", reply_to_message_id=99)
    lenient = ReplyParameters(99, allow_sending_without_reply=True)
    sent = await bot.send_message(ada.id, "x", reply_parameters=lenient)
    assert sent.reply_to_message is None


async def test_the_bot_writes_only_to_who_wrote_first_and_has_not_blocked_it(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    ben = tg.user("Ben")
    with refused(BadRequest, "Chat not found"):
        await bot.send_message(424242, "x")
    with refused(Forbidden, "Forbidden: bot can't initiate conversation with a user"):
        await bot.send_message(ben.id, "x")
    await ben.say("/start")
    sent = await bot.send_message(ben.id, "x")
    await ben.block()
    for call in (
        bot.send_message(ben.id, "x"),
        bot.edit_message_text("y", ben.id, sent.message_id),
        bot.send_chat_action(ben.id, "typing"),
    ):
        with refused(Forbidden, "Forbidden: bot was blocked by the user"):
            await call
    await ben.unblock()
    assert (await bot.send_message(ben.id, "y")).text == "y"


@pytest.mark.parametrize("kind", ["group", "supergroup"])
async def test_a_group_without_the_bot_is_closed_to_it(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser, kind: str
) -> None:
    supergroup = kind == "supergroup"
    group = tg.group("Team", members=[ada], supergroup=supergroup)
    assert str(group.id).startswith("-100") is supergroup
    await bot.send_message(group.id, "hello")
    group.kick_bot()
    with refused(Forbidden, f"Forbidden: bot was kicked from the {kind} chat"):
        await bot.send_message(group.id, "x")
    outside = tg.group("Else", members=[ada], supergroup=supergroup, bot=False)
    with refused(Forbidden, f"Forbidden: bot is not a member of the {kind} chat"):
        await bot.send_message(outside.id, "x")


async def test_a_migrated_group_names_its_successor(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    group = tg.group("Team", members=[ada])
    new = group.migrate()
    with pytest.raises(ChatMigrated) as caught:
        await bot.send_message(group.id, "x")
    assert caught.value.new_chat_id == new.id
    assert (await bot.send_message(new.id, "x")).chat.type == "supergroup"


async def test_topics_must_exist_and_be_open(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    forum = tg.group("Forum", members=[ada], forum=True)
    topic = forum.open_topic("Cats")
    sent = await bot.send_message(forum.id, "miaow", message_thread_id=topic)
    assert (sent.message_thread_id, sent.is_topic_message) == (topic, True)
    for missing in (1, 999):
        with refused(BadRequest, "Message thread not found"):
            await bot.send_message(forum.id, "x", message_thread_id=missing)
    forum.close_topic(topic)
    with refused(BadRequest, "Topic_closed"):
        await bot.send_message(forum.id, "x", message_thread_id=topic)
    forum.reopen_topic(topic)
    question = await ada.say("@parlance_sandbox_bot ?", chat=forum, thread=topic)
    answer = await bot.send_message(forum.id, "!", reply_to_message_id=question.message_id)
    assert answer.message_thread_id == topic


async def test_a_thread_in_a_private_chat_is_not_found(
    bot: telegram.Bot, ada: ScriptedUser
) -> None:
    with refused(BadRequest, "Message thread not found"):
        await bot.send_message(ada.id, "x", message_thread_id=5)


async def test_others_messages_in_groups_are_deleted_by_administrators_only(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    group = tg.group("Team", members=[ada])
    message = await ada.say("hello", chat=group)
    with refused(BadRequest, "Message can't be deleted"):
        await bot.delete_message(group.id, message.message_id)
    group.promote_bot()
    assert await bot.delete_message(group.id, message.message_id)
    assert message.deleted


async def test_chat_actions_are_checked_and_logged(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    assert await bot.send_chat_action(ada.id, "typing")
    with refused(BadRequest, "Wrong parameter action in request"):
        await bot.send_chat_action(ada.id, "thinking")
    assert [change.kind for change in tg.changes] == ["sent", "typing"]


async def test_drafts_are_for_private_chats_and_leave_no_message(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    await bot.send_message_draft(ada.id, 7, "thin")
    await bot.send_message_draft(ada.id, 7, "think")
    assert [c.text for c in tg.changes if c.kind == "draft"] == ["thin", "think"]
    assert len(tg.transcript(ada)) == 1
    group = tg.group("Team", members=[ada])
    with refused(BadRequest, "Textdraft_peer_invalid"):
        await bot.send_message_draft(group.id, 7, "x")
    with refused(BadRequest, "Random_id_invalid"):
        await bot.send_message_draft(ada.id, 0, "x")


async def test_a_pressed_button_is_answered_once(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    markup = InlineKeyboardMarkup([[InlineKeyboardButton("Stop", callback_data="stop")]])
    await bot.send_message(ada.id, "…", reply_markup=markup)
    await ada.press(tg.transcript(ada)[-1], "stop")
    query = (await bot.get_updates())[-1].callback_query
    assert query is not None
    assert (query.data, query.from_user.id) == ("stop", ada.id)
    assert await query.answer()
    with refused(
        BadRequest, "Query is too old and response timeout expired or query id is invalid"
    ):
        await query.answer()


async def test_commands_are_kept_per_scope_and_language(
    bot: telegram.Bot, ada: ScriptedUser
) -> None:
    groups = telegram.BotCommandScopeAllGroupChats()
    await bot.set_my_commands([("start", "Begin")])
    await bot.set_my_commands([("stop", "Halt")], scope=groups, language_code="en")
    assert [c.command for c in await bot.get_my_commands()] == ["start"]
    assert await bot.get_my_commands(scope=groups) == ()
    english = await bot.get_my_commands(scope=groups, language_code="en")
    assert [(c.command, c.description) for c in english] == [("stop", "Halt")]
    await bot.delete_my_commands()
    assert await bot.get_my_commands() == ()


@pytest.mark.parametrize(
    ("name", "description", "words"),
    [
        ("Start", "x", "Bot_command_invalid"),
        ("a-b", "x", "Bot_command_invalid"),
        ("a" * 33, "x", "Command length must not exceed 32"),
        ("", "x", "Command must be non-empty"),
        ("a", " ", "Command description must be non-empty"),
        ("a", "x" * 257, "Command description length must not exceed 256"),
    ],
)
async def test_a_wrong_command_is_refused(
    bot: telegram.Bot, name: str, description: str, words: str
) -> None:
    with refused(BadRequest, words):
        await bot.set_my_commands([(name, description)])


async def test_chats_and_members_are_described(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    group = tg.group("Team", members=[ada], forum=True)
    chat = await bot.get_chat(group.id)
    assert (chat.title, chat.type, chat.is_forum) == ("Team", "supergroup", True)
    assert (await bot.get_chat(ada.id)).first_name == "Ada"
    assert (await bot.get_chat_member(group.id, ada.id)).status == "creator"
    assert (await bot.get_chat_member(group.id, bot.id)).status == "member"
    assert [m.user.id for m in await bot.get_chat_administrators(group.id)] == [ada.id]
    me = await bot.get_me()
    assert (me.username, me.can_read_all_group_messages) == ("parlance_sandbox_bot", False)


async def test_message_ids_are_numbered_per_supergroup_and_per_account_elsewhere(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    basic = tg.group("Basic", members=[ada])
    supers = [tg.group(name, members=[ada], supergroup=True) for name in "AB"]
    ids = [(await bot.send_message(g.id, "x")).message_id for g in (basic, ada, *supers)]
    assert ids == [2, 3, 1, 1]
