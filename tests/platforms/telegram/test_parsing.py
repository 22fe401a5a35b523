"""Messages of servers that are older, or newer, than the library."""

from __future__ import annotations

from typing import Any

import pytest
from telegram import Message, User

from bot.chat.content import Quote
from bot.platforms.telegram.incoming import read
from bot.platforms.telegram.parsing import parse

BOT = User(7, "Parlance", is_bot=True, username="ParlanceBot")
CHAT = {"id": 9, "type": "private", "first_name": "Ada"}
ADA = {"id": 9, "is_bot": False, "first_name": "Ada"}
BODY = {"message_id": 3, "date": 1, "chat": CHAT, "from": ADA, "text": "hello"}
OLD_POLL = {"id": "1", "question": "tea?", "options": [{"text": "yes"}]}


def test_a_message_that_the_library_knows_is_whole() -> None:
    message, left_out = parse(BODY, None)
    assert message == Message.de_json(BODY, None)
    assert left_out == []


@pytest.mark.parametrize(
    ("part", "left_out"),
    [
        ({"poll": OLD_POLL}, ["poll"]),
        ({"reply_to_message": {**BODY, "text": "", "poll": OLD_POLL}}, ["reply_to_message.poll"]),
        ({"reply_to_message": {"poll": OLD_POLL}}, ["reply_to_message"]),
        ({"reply_to_message": "?"}, ["reply_to_message"]),
        ({"entities": [{"type": "bold"}]}, ["entities"]),
        ({"photo": 5, "sticker": {}}, ["photo", "sticker"]),
        ({"external_reply": {"poll": OLD_POLL}}, ["external_reply"]),
    ],
)
def test_what_can_not_be_read_is_left_out_and_the_question_is_not_lost(
    part: dict[str, Any], left_out: list[str]
) -> None:
    with pytest.raises((TypeError, AttributeError, ValueError, KeyError)):
        Message.de_json({**BODY, **part}, None)
    message, missing = parse({**BODY, **part}, None)
    assert missing == left_out
    said = read(message, BOT)
    assert said is not None
    assert (said.text, said.sender.id, said.chat.chat) == ("hello", "9", "9")


def test_a_reply_to_what_can_be_read_in_part_quotes_that() -> None:
    replied = {**BODY, "text": "the earth is flat", "poll": OLD_POLL}
    message, _ = parse({**BODY, "reply_to_message": replied}, None)
    said = read(message, BOT)
    assert said is not None
    assert said.content[0] == Quote("the earth is flat")


@pytest.mark.parametrize("field", ["forward_origin", "via_bot"])
def test_another_ones_words_stay_so_where_it_can_not_be_read_whose(field: str) -> None:
    message, left_out = parse({**BODY, "text": "/forget", field: {"new": 1}}, None)
    said = read(message, BOT)
    assert left_out == [field]
    assert said is not None
    assert said.command is None


@pytest.mark.parametrize("missing", ["message_id", "date"])
def test_nothing_is_made_of_a_message_without_a_place(missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    with pytest.raises((TypeError, KeyError)):
        parse(body, None)
