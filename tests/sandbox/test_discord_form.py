"""What the REST API refuses, and in which words."""

from typing import Any

import aiohttp
import pytest
from discord_client import Http

from sandbox.discord.scene.users import ScriptedUser
from sandbox.discord.server import DiscordSandbox


@pytest.fixture
async def person(dc: DiscordSandbox) -> ScriptedUser:
    person = dc.user("Ada")
    await person.say("hello")
    return person


@pytest.fixture
def place(person: ScriptedUser) -> str:
    return f"/channels/{person.dm.id}/messages"


def embed(**fields: object) -> dict[str, Any]:
    return {"embeds": [fields]}


BUTTON = {"type": 2, "style": 1, "label": "Stop", "custom_id": "stop"}


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"content": "x" * 2001}, ["content"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": 7}, ["content"], "STRING_TYPE_CONVERT"),
        (embed(description="x" * 4097), ["embeds", "0", "description"], "BASE_TYPE_MAX_LENGTH"),
        (embed(title="x" * 257), ["embeds", "0", "title"], "BASE_TYPE_MAX_LENGTH"),
        (
            embed(fields=[{"name": "n"}]),
            ["embeds", "0", "fields", "0", "value"],
            "BASE_TYPE_REQUIRED",
        ),
        ({"embeds": [{"description": "x" * 3001}] * 2}, ["embeds"], "MAX_EMBED_SIZE_EXCEEDED"),
        ({"embeds": [{"title": "x"}] * 11}, ["embeds"], "BASE_TYPE_MAX_LENGTH"),
        ({"nonce": "x" * 26}, ["nonce"], "BASE_TYPE_MAX_LENGTH"),
        (
            {"allowed_mentions": {"parse": ["all"]}},
            ["allowed_mentions", "parse", "0"],
            "BASE_TYPE_CHOICES",
        ),
        (
            {"allowed_mentions": {"parse": ["users"], "users": [1]}},
            ["allowed_mentions"],
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
        (
            {"allowed_mentions": {"users": list(range(101))}},
            ["allowed_mentions", "users"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"allowed_mentions": {"roles": ["x"]}},
            ["allowed_mentions", "roles", "0"],
            "NUMBER_TYPE_COERCE",
        ),
        (
            {"message_reference": {"message_id": "12"}},
            ["message_reference"],
            "REPLIES_UNKNOWN_MESSAGE",
        ),
        ({"message_reference": {}}, ["message_reference", "message_id"], "BASE_TYPE_REQUIRED"),
        ({"components": [BUTTON]}, ["components", "0", "type"], "BASE_TYPE_CHOICES"),
        (
            {"components": [{"type": 1, "components": [BUTTON, BUTTON]}]},
            ["components"],
            "COMPONENT_CUSTOM_ID_DUPLICATED",
        ),
        (
            {"components": [{"type": 1, "components": [{**BUTTON, "label": "x" * 81}]}]},
            ["components", "0", "components", "0", "label"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        ({"flags": 1 << 15}, ["content"], "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
    ],
)
async def test_a_wrong_field_is_named(
    http: Http, place: str, body: dict[str, object], path: list[str], code: str
) -> None:
    status, answer = await http("POST", place, {"content": "hi", **body})
    assert (status, answer["code"], answer["message"]) == (400, 50035, "Invalid Form Body")
    found: Any = answer["errors"]
    for step in path:
        found = found[step]
    assert [error["code"] for error in found["_errors"]] == [code]


async def test_everything_wrong_is_named_at_once(http: Http, place: str) -> None:
    _, answer = await http("POST", place, {"content": "x" * 2001, "nonce": True})
    assert answer["errors"] == {
        "content": {
            "_errors": [
                {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}
            ]
        },
        "nonce": {
            "_errors": [
                {
                    "code": "BASE_TYPE_CHOICES",
                    "message": "Value must be an integer or a string.",
                }
            ]
        },
    }


async def test_content_is_counted_in_code_points_and_trimmed(
    dc: DiscordSandbox, http: Http, place: str, person: ScriptedUser
) -> None:
    assert (await http("POST", place, {"content": "😀" * 2000}))[0] == 200
    _, answer = await http("POST", place, {"content": " \n two words \n"})
    assert answer["content"] == "two words"
    assert dc.transcript(person.dm)[-1].text == "two words"


@pytest.mark.parametrize("content", ["", " \n\t", None])
async def test_an_empty_message_is_refused(http: Http, place: str, content: str | None) -> None:
    status, answer = await http("POST", place, {"content": content})
    assert (status, answer["code"]) == (400, 50006)
    _, sent = await http("POST", place, {"content": "something"})
    status, answer = await http("PATCH", f"{place}/{sent['id']}", {"content": content})
    assert (status, answer["code"]) == (400, 50006)


async def test_ids_may_be_numbers_or_strings(http: Http, place: str, dc: DiscordSandbox) -> None:
    asked = dc.changes[0].message_id
    for wanted in (asked, str(asked)):
        body = {"content": "hi", "message_reference": {"message_id": wanted}}
        status, answer = await http("POST", place, body)
        assert status == 200
        assert answer["message_reference"]["message_id"] == str(asked)


async def test_what_does_not_apply_is_absent(http: Http, place: str) -> None:
    _, answer = await http("POST", place, {"content": "hi"})
    absent = {
        "guild_id",
        "member",
        "nonce",
        "thread",
        "poll",
        "message_reference",
        "referenced_message",
        "interaction_metadata",
        "application",
        "application_id",
        "webhook_id",
        "position",
    }
    assert absent.isdisjoint(answer)
    assert (answer["edited_timestamp"], answer["type"], answer["pinned"]) == (None, 0, False)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/channels/1", 404, 10003),
        ("GET", "/guilds/1", 404, 10004),
        ("GET", "/users/1", 404, 10013),
        ("GET", "/channels/x/messages", 400, 50035),
        ("GET", "/nowhere", 404, 0),
        ("PATCH", "/gateway/bot", 405, 0),
        ("POST", "/channels/1/typing", 404, 10003),
    ],
)
async def test_what_is_not_there(
    http: Http, method: str, path: str, status: int, code: int
) -> None:
    found, answer = await http(method, path)
    assert (found, answer["code"]) == (status, code)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "NUMBER_TYPE_MIN"),
        ("limit=101", "NUMBER_TYPE_MAX"),
        ("limit=x", "NUMBER_TYPE_COERCE"),
        ("before=x", "NUMBER_TYPE_COERCE"),
    ],
)
async def test_a_wrong_query_is_refused(http: Http, place: str, query: str, code: str) -> None:
    status, answer = await http("GET", f"{place}?{query}")
    assert status == 400
    (field,) = answer["errors"].values()
    assert field["_errors"][0]["code"] == code


async def test_only_json_and_multipart_are_read(http: Http, place: str) -> None:
    json = {"Content-Type": "application/json"}
    status, answer = await http("POST", place, data=b"{", headers=json)
    assert (status, answer["code"]) == (400, 50109)
    status, answer = await http("POST", place, data={"content": "hi"})
    assert (status, answer["code"]) == (400, 50035)
    status, answer = await http("POST", place, [1])
    assert (status, answer["code"]) == (400, 50109)


async def test_only_ones_own_messages_can_be_edited_and_in_a_dm_deleted(
    dc: DiscordSandbox, http: Http, place: str
) -> None:
    asked = f"{place}/{dc.changes[0].message_id}"
    assert (await http("PATCH", asked, {"content": "hi"}))[1]["code"] == 50005
    assert (await http("DELETE", asked))[1]["code"] == 50003


async def test_a_file_may_be_too_large(dc: DiscordSandbox, http: Http, place: str) -> None:
    data = aiohttp.FormData()
    data.add_field("payload_json", "{}")
    data.add_field("files[0]", b"x" * (dc.settings.file_limit + 1), filename="x.bin")
    status, answer = await http("POST", place, data=data)
    assert (status, answer["code"]) == (413, 40005)
