"""Which of Telegram's messages are meant for the bot, and what they say."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from telegram import Message, User

from bot.chat.commands import CommandName
from bot.chat.content import Media, Quote, Text
from bot.chat.keys import ChatKey
from bot.platforms.telegram.incoming import read

if TYPE_CHECKING:
    from bot.chat.incoming import Incoming

BOT = User(7, "Parlance", is_bot=True, username="ParlanceBot")
ADA = {"id": 9, "is_bot": False, "first_name": "Ada", "last_name": "L."}
PRIVATE = {"id": 9, "type": "private", "first_name": "Ada"}
GROUP = {"id": -5, "type": "supergroup", "title": "Team"}


def message(text: str = "", chat: dict[str, Any] = PRIVATE, **more: object) -> Message:
    body = {"message_id": 3, "date": 1_700_000_000, "chat": chat, "from": ADA, **more}
    if text:
        body["text"] = text
    made = Message.de_json(body, None)
    assert made is not None
    assert made.date.tzinfo is UTC
    return made


def mention(text: str, name: str = "@ParlanceBot") -> dict[str, Any]:
    return {"entities": [{"type": "mention", "offset": text.index(name), "length": len(name)}]}


def heard(text: str = "", chat: dict[str, Any] = PRIVATE, **more: object) -> Incoming | None:
    return read(message(text, chat, **more), BOT)


def in_group(text: str = "", **more: object) -> Incoming | None:
    return heard(text, GROUP, **more)


def replied(sender: dict[str, Any], text: str = "before", **more: object) -> dict[str, Any]:
    return {
        "reply_to_message": {
            "message_id": 2,
            "date": 1_700_000_000,
            "chat": GROUP,
            "from": sender,
            "text": text,
            **more,
        }
    }


BOT_JSON = BOT.to_dict()


def test_in_private_every_text_is_for_the_bot() -> None:
    said = heard("hello")
    assert said is not None
    assert said.text == "hello"
    assert said.chat == ChatKey("telegram", "7", "9")
    assert said.key.message == "3"
    assert said.sender.name == "Ada L."
    assert not said.group


def test_a_group_is_heard_only_where_the_bot_is_meant() -> None:
    assert in_group("hello all") is None
    assert in_group("hello @OtherBot", **mention("hello @OtherBot", "@OtherBot")) is None
    assert in_group("/new@OtherBot") is None


@pytest.mark.parametrize("name", ["@ParlanceBot", "@parlancebot"])
def test_a_mention_means_the_bot_and_is_left_out(name: str) -> None:
    text = f"hey {name} why?"
    said = in_group(text, **mention(text, name))
    assert said is not None
    assert said.group
    assert "ParlanceBot".lower() not in said.text.lower()
    assert said.text.endswith("why?")


def test_a_mention_without_a_user_name_is_one_too() -> None:
    entity = {"type": "text_mention", "offset": 0, "length": 8, "user": BOT_JSON}
    said = in_group("Parlance, why?", entities=[entity])
    assert said is not None
    assert said.text == ", why?"


def test_a_mention_behind_an_emoji_is_found() -> None:
    text = "😀 @ParlanceBot hi"
    entity = {"type": "mention", "offset": 3, "length": 12}
    said = in_group(text, entities=[entity])
    assert said is not None
    assert said.text == "😀  hi"


def test_a_reply_to_the_bot_is_for_it_and_quotes_nothing_it_knows() -> None:
    said = in_group("and then?", **replied(BOT_JSON))
    assert said is not None
    assert said.content == (Text(said.text),)


def test_a_reply_to_another_with_a_mention_brings_that_message_along() -> None:
    text = "@ParlanceBot true?"
    said = in_group(text, **mention(text), **replied({**ADA, "id": 10}, "the earth is flat"))
    assert said is not None
    assert said.content[0] == Quote("the earth is flat")


def test_a_quoted_part_is_what_is_brought_along() -> None:
    text = "@ParlanceBot true?"
    quote = {"text": "flat", "position": 13}
    said = in_group(text, **mention(text), **replied(ADA, "the earth is flat"), quote=quote)
    assert said is not None
    assert said.content[0] == Quote("flat")


def test_a_forward_that_is_replied_to_is_brought_along_with_where_it_is_from() -> None:
    text = "@ParlanceBot true?"
    origin = {"type": "hidden_user", "date": 1, "sender_user_name": "Bob\nM."}
    said = in_group(text, **mention(text), **replied(ADA, "it is flat", forward_origin=origin))
    assert said is not None
    assert said.content[0] == Quote("it is flat", "Bob\nM.")


def test_a_message_in_a_topic_is_no_reply_to_the_one_who_opened_it() -> None:
    opening = replied(BOT_JSON, "", forum_topic_created={"name": "t", "icon_color": 1})
    in_topic = {"message_thread_id": 2, "is_topic_message": True}
    assert in_group("hello all", **opening, **in_topic) is None


def test_a_topic_is_a_chat_of_its_own_and_a_reply_chain_is_not() -> None:
    topic = in_group("/new", message_thread_id=2, is_topic_message=True)
    chain = in_group("/new", message_thread_id=2)
    assert topic is not None
    assert chain is not None
    assert topic.chat == ChatKey("telegram", "7", "-5", "2")
    assert chain.chat == ChatKey("telegram", "7", "-5")


@pytest.mark.parametrize("text", ["/retry", "/retry@ParlanceBot", "/RETRY"])
def test_commands_are_read(text: str) -> None:
    said = in_group(text)
    assert said is not None
    assert said.command is not None
    assert said.command.name is CommandName.RETRY


CHANNEL = {"id": -9, "type": "channel", "title": "News"}
BOB = {"id": 10, "is_bot": False, "first_name": "Bob", "last_name": "M."}
LEGACY = {"forward_date": 1}
FORWARDS = [
    ({"forward_origin": {"type": "user", "date": 1, "sender_user": BOB}}, "Bob M."),
    ({"forward_origin": {"type": "user", "date": 1, "sender_user": ADA}}, "Ada L."),
    ({"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "X"}}, "X"),
    ({"forward_origin": {"type": "chat", "date": 1, "sender_chat": GROUP}}, "Team"),
    (
        {"forward_origin": {"type": "channel", "date": 1, "chat": CHANNEL, "message_id": 4}},
        "News",
    ),
    ({"forward_origin": {"type": "from the future", "date": 1}}, ""),
    ({"is_automatic_forward": True, "sender_chat": CHANNEL}, "News"),
    ({**LEGACY, "forward_from": BOB}, "Bob M."),
    ({**LEGACY, "forward_sender_name": "X"}, "X"),
    ({**LEGACY, "forward_from_chat": CHANNEL, "forward_from_message_id": 4}, "News"),
    ({**LEGACY, "forward_from": {}, "forward_from_chat": {"title": 5}}, ""),
    (LEGACY, ""),
]
"""Where a forward is from, in the fields of today and of Bot API servers before 7.0."""


@pytest.mark.parametrize(("fields", "name"), FORWARDS)
@pytest.mark.parametrize("text", ["/forget", "/retry@ParlanceBot", "/foo"])
def test_a_forward_is_no_command_and_says_where_it_is_from(
    text: str, fields: dict[str, Any], name: str
) -> None:
    said = heard(text, **fields)
    assert said is not None
    assert said.command is None
    assert said.content[0] == Text(text, name)
    assert in_group(text, **fields) is None


def test_a_command_in_a_forwarded_caption_is_none() -> None:
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]
    said = heard(photo=photo, caption="/forget", **FORWARDS[0][0])
    assert said is not None
    assert said.command is None


def test_what_another_bot_made_of_a_query_is_no_command() -> None:
    other = {"id": 11, "is_bot": True, "first_name": "Gif", "username": "gif"}
    said = heard("/forget", via_bot=other)
    assert said is not None
    assert said.command is None
    assert [part.origin for part in said.content if isinstance(part, Text)] == [None]


def test_a_command_in_a_message_that_is_replied_to_or_quoted_is_none() -> None:
    said = heard("what is that?", **replied(ADA, "/forget"), quote={"text": "/new", "position": 0})
    assert said is not None
    assert said.command is None
    assert said.content[0] == Quote("/new")


def test_ones_own_words_are_no_forward() -> None:
    said = heard("hello")
    assert said is not None
    assert [part.origin for part in said.content if isinstance(part, Text)] == [None]


def test_a_photo_is_heard_with_its_caption() -> None:
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]
    bare, captioned = heard(photo=photo), heard(photo=photo, caption="what is this?")
    assert bare is not None
    assert captioned is not None
    assert (bare.text, captioned.text) == ("", "what is this?")
    assert isinstance(bare.content[-1], Media)
    assert bare.content[-1] == captioned.content[-1]
    assert bare.content[-1].kind == "photo"


@pytest.mark.parametrize(
    "body",
    [
        {"new_chat_members": [ADA]},
        {"pinned_message": message("x").to_dict()},
        {"text": "beep", "from": {**ADA, "is_bot": True}},
        {"text": "a channel post", "from": None},
    ],
)
def test_service_messages_bots_and_channels_say_nothing(body: dict[str, Any]) -> None:
    assert heard(**body) is None
