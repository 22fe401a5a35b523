import pytest

from bot.access.people import NOTICE_INTERVAL, Access
from bot.chat.keys import ChatKey
from bot.settings.sections import AccessSettings

CHAT = ChatKey("telegram", "1", "100")
OTHER_CHAT = ChatKey("telegram", "1", "200")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def access(clock: Clock | None = None, **settings: object) -> Access:
    return Access(AccessSettings.model_validate(settings), clock or Clock())


def test_closed_by_default() -> None:
    assert not access().allows("telegram", "123")


def test_open_lets_anyone_talk_and_makes_nobody_an_admin() -> None:
    everyone = access(open=True)
    assert everyone.allows("telegram", "123")
    assert not everyone.is_admin("telegram", "123")


@pytest.mark.parametrize("entry", [123, "123"])
def test_an_entry_without_a_platform_holds_on_all(entry: object) -> None:
    some = access(users=[entry])
    assert some.allows("telegram", "123")
    assert some.allows("discord", "123")
    assert not some.allows("telegram", "12")


def test_an_entry_with_a_platform_holds_on_that_one_only() -> None:
    some = access(users=["telegram:123"])
    assert some.allows("telegram", "123")
    assert not some.allows("discord", "123")


def test_an_admin_may_talk_and_a_user_is_no_admin() -> None:
    some = access(admins=["telegram:1"], users=[2])
    assert some.allows("telegram", "1")
    assert some.is_admin("telegram", "1")
    assert not some.is_admin("discord", "1")
    assert not some.is_admin("telegram", "2")


def test_a_stranger_is_told_their_id() -> None:
    notice = access(stranger="You are {id}.").stranger_notice(CHAT, "123")
    assert notice == "You are 123."


def test_a_chat_is_told_once_an_hour() -> None:
    clock = Clock()
    door = access(clock)
    told = []
    for minute in range(0, 121, 10):
        clock.now = 1000.0 + 60 * minute
        if door.stranger_notice(CHAT, "123"):
            told.append(minute)
    assert told == [0, 60, 120]


def test_each_chat_is_told_by_itself() -> None:
    door = access()
    assert door.stranger_notice(CHAT, "123")
    assert door.stranger_notice(OTHER_CHAT, "123")
    assert not door.stranger_notice(CHAT, "456")


def test_chats_told_more_than_an_hour_ago_are_forgotten() -> None:
    clock = Clock()
    door = access(clock)
    for chat in range(1000):
        clock.now += 1
        door.stranger_notice(ChatKey("telegram", "1", str(chat)), "123")
    clock.now += NOTICE_INTERVAL - 10
    door.stranger_notice(CHAT, "123")
    assert len(door._told) == 11
