import re

import pytest

from bot.chat.commands import COMMANDS, Command, CommandName, parse

BOT = "ParlanceBot"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_read_back(name: CommandName) -> None:
    assert parse(f"/{name}", BOT) == Command(name, name.value)


def test_the_table_holds_all_commands_but_the_unknown_one() -> None:
    assert set(CommandName) - set(COMMANDS) == {CommandName.UNKNOWN}


def test_the_table_is_fit_for_telegrams_menu() -> None:
    for name, description in COMMANDS.items():
        assert re.fullmatch(r"[a-z0-9_]{1,32}", name)
        assert 1 <= len(description) <= 256
        assert "\n" not in description


@pytest.mark.parametrize("text", ["/new@ParlanceBot", "/new@parlancebot", "/NEW", "  /new  "])
def test_case_space_and_the_bots_own_name_do_not_matter(text: str) -> None:
    command = parse(text, BOT)
    assert command is not None
    assert command.name is CommandName.NEW


def test_the_bots_name_may_be_given_with_its_at_sign() -> None:
    assert parse("/new@ParlanceBot", "@ParlanceBot") is not None


def test_a_command_for_another_bot_is_not_ours() -> None:
    assert parse("/new@OtherBot", BOT) is None


@pytest.mark.parametrize("text", ["/start payload x", "/start@ParlanceBot\npayload x\n"])
def test_what_follows_the_command_is_its_arguments(text: str) -> None:
    assert parse(text, BOT) == Command(CommandName.START, "start", "payload x")


@pytest.mark.parametrize("word", ["foo", "unknown", "Start2", "x" * 32])
def test_a_command_that_is_not_in_the_table_is_unknown_and_keeps_its_word(word: str) -> None:
    assert parse(f"/{word}", BOT) == Command(CommandName.UNKNOWN, word)


@pytest.mark.parametrize(
    "text",
    ["", "/", "// comment", "/etc/hosts", "new", "see /new", "/ new", "/näw", "/" + "x" * 33],
)
def test_other_text_is_no_command(text: str) -> None:
    assert parse(text, BOT) is None
