"""The menus of slash commands: what may be in them, and how they are replaced."""

from typing import Any

import pytest
from discord_client import Http

from sandbox.discord.scene.commands import is_name
from sandbox.discord.server import DiscordSandbox

NEW: dict[str, Any] = {"name": "new", "description": "Start a new chat"}
TEXT: dict[str, Any] = {"type": 3, "name": "text", "description": "What"}


@pytest.fixture
def menu(dc: DiscordSandbox) -> str:
    return f"/applications/{dc.world.bot.id}/commands"


@pytest.mark.parametrize("name", ["new", "new-chat", "neu_2", "новый", "新しい", "o'clock"])
def test_names_that_are_good(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["New", "new chat", "new!", "нОвый", "a.b", "😀"])
def test_names_that_are_not(name: str) -> None:
    assert not is_name(name)


async def test_a_menu_is_replaced_as_a_whole_and_ids_stay(http: Http, menu: str) -> None:
    status, first = await http("PUT", menu, [NEW, {**NEW, "name": "stop"}])
    assert status == 200
    assert [command["name"] for command in first] == ["new", "stop"]
    _, second = await http("PUT", menu, [{**NEW, "description": "Forget all"}])
    assert [(c["id"], c["description"]) for c in second] == [(first[0]["id"], "Forget all")]
    assert (await http("GET", menu))[1] == second


async def test_single_commands_are_added_changed_and_deleted(http: Http, menu: str) -> None:
    status, new = await http("POST", menu, NEW)
    assert status == 201
    status, again = await http("POST", menu, {**NEW, "description": "Other"})
    assert (status, again["id"], again["description"]) == (200, new["id"], "Other")
    one = f"{menu}/{new['id']}"
    _, changed = await http("PATCH", one, {"name": "fresh"})
    assert (changed["name"], changed["description"]) == ("fresh", "Other")
    assert (await http("GET", one))[1] == changed
    assert (await http("DELETE", one))[0] == 204
    assert (await http("GET", one))[1]["code"] == 10063


async def test_guilds_have_menus_of_their_own(dc: DiscordSandbox, http: Http, menu: str) -> None:
    guild = dc.guild("Lab", members=[dc.user("Ada")])
    theirs = menu.replace("/commands", f"/guilds/{guild.id}/commands")
    _, (command,) = await http("PUT", theirs, [NEW])
    assert command["guild_id"] == str(guild.id)
    assert (await http("GET", menu))[1] == []
    assert (await http("GET", menu.replace("/commands", "/guilds/1/commands")))[1]["code"] == 10004
    assert (await http("GET", "/applications/1/commands"))[1]["code"] == 10002


@pytest.mark.parametrize(
    ("command", "path", "code"),
    [
        ({"description": "x"}, ["0", "name"], "BASE_TYPE_REQUIRED"),
        ({"name": "new"}, ["0", "description"], "BASE_TYPE_REQUIRED"),
        ({**NEW, "description": "x" * 101}, ["0", "description"], "BASE_TYPE_BAD_LENGTH"),
        ({**NEW, "name": "x" * 33}, ["0", "name"], "BASE_TYPE_BAD_LENGTH"),
        ({**NEW, "name": "New"}, ["0", "name"], "APPLICATION_COMMAND_INVALID_NAME"),
        ({**NEW, "options": [TEXT] * 26}, ["0", "options"], "BASE_TYPE_MAX_LENGTH"),
        (
            {**NEW, "options": [TEXT, {**TEXT, "name": "b", "required": True}]},
            ["0", "options", "1", "required"],
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        ),
        (
            {**NEW, "options": [TEXT, TEXT]},
            ["0", "options", "1", "name"],
            "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
        ),
        (
            {**NEW, "options": [{**TEXT, "type": 12}]},
            ["0", "options", "0", "type"],
            "BASE_TYPE_CHOICES",
        ),
    ],
)
async def test_a_wrong_command_is_refused(
    http: Http, menu: str, command: dict[str, object], path: list[str], code: str
) -> None:
    status, answer = await http("PUT", menu, [command])
    assert (status, answer["code"]) == (400, 50035)
    found: Any = answer["errors"]
    for step in path:
        found = found[step]
    assert found["_errors"][0]["code"] == code


async def test_names_are_unique_and_at_most_a_hundred(http: Http, menu: str) -> None:
    _, answer = await http("PUT", menu, [NEW, NEW])
    assert answer["errors"]["1"]["_errors"][0]["code"] == "APPLICATION_COMMANDS_DUPLICATE_NAME"
    many = [{**NEW, "name": f"c{n}"} for n in range(101)]
    assert (await http("PUT", menu, many))[1]["code"] == 30032
