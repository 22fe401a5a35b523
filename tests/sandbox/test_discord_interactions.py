"""Slash commands and buttons: a real discord.py client's answers, deadlines, follow-ups."""

from collections.abc import AsyncIterator

import discord
import pytest
from discord_client import Client, Http, connected

from sandbox.discord.limits.buckets import LIMIT_PRESETS
from sandbox.discord.scene.interactions import Callback
from sandbox.discord.scene.scene import SceneError
from sandbox.discord.scene.users import ScriptedInteraction, ScriptedUser
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings
from sandbox.discord.world.model import Channel, MessageFlag, MessageKind


@pytest.fixture
async def ada(dc: DiscordSandbox) -> ScriptedUser:
    return dc.user("Ada")


@pytest.fixture
async def general(dc: DiscordSandbox, ada: ScriptedUser) -> Channel:
    return dc.guild("Lab", members=[ada]).channel("general")


async def answered(dc: DiscordSandbox, interaction: ScriptedInteraction) -> None:
    await dc.until(lambda: interaction.answered)


async def test_a_command_is_synchronised_and_answered(
    dc: DiscordSandbox, client: Client, general: Channel, ada: ScriptedUser
) -> None:
    @client.tree.command(description="Start a new chat")
    async def new(interaction: discord.Interaction, topic: str, times: int = 1) -> None:
        text = f"{interaction.user.display_name}: {topic * times}"
        await interaction.response.send_message(text)

    (synced,) = await client.tree.sync()
    assert synced.name == "new"
    assert [command.id for command in await client.tree.fetch_commands()] == [synced.id]
    used = await ada.slash("new", general, topic="cats", times=2)
    await answered(dc, used)
    assert used.response == "Ada: catscats"
    assert (used.callback, used.ephemeral, used.failed) == (Callback.MESSAGE, False, False)
    (message,) = dc.transcript(general)
    assert message.kind is MessageKind.COMMAND
    heard = await client.hear("Ada: catscats")
    assert heard.interaction_metadata is not None
    assert heard.interaction_metadata.id == used.id
    assert heard.author == client.user


async def test_an_answer_may_come_later_and_for_one_person(
    dc: DiscordSandbox, client: Client, ada: ScriptedUser
) -> None:
    seen: list[bool] = []

    @client.tree.command(description="Think")
    async def think(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        seen.append(used.deferred)
        await interaction.edit_original_response(content="done")

    await client.tree.sync()
    used = await ada.slash("think")
    await dc.until(lambda: used.response == "done")
    assert seen == [True]
    assert (used.callback, used.ephemeral) == (Callback.DEFERRED_MESSAGE, True)
    assert used.message is not None
    assert used.message.edited is None, "what is filled in is not edited"
    assert [change.seen_by for change in dc.changes] == [ada.id, ada.id]
    with pytest.raises(discord.NotFound):
        await client.get_partial_messageable(ada.dm.id).fetch_message(used.message.id)


async def test_the_first_follow_up_fills_a_deferral_in(
    dc: DiscordSandbox, client: Client, general: Channel, ada: ScriptedUser
) -> None:
    @client.tree.command(description="Think")
    async def think(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        await interaction.followup.send("first")
        second = await interaction.followup.send("second", wait=True)
        await second.edit(content="second!")
        third = await interaction.followup.send("third", wait=True)
        await third.delete()

    await client.tree.sync()
    used = await ada.slash("think", general)
    await dc.until(lambda: dc.changes and dc.changes[-1].kind == "deleted")
    assert used.response == "first"
    assert [(m.text, m.deleted) for m in dc.transcript(general)] == [
        ("first", False),
        ("second!", False),
        ("third", True),
    ]


async def test_a_button_changes_its_message(
    dc: DiscordSandbox, client: Client, general: Channel, ada: ScriptedUser
) -> None:
    class Stop(discord.ui.View):
        @discord.ui.button(label="Stop", custom_id="stop")
        async def stop_it(self, interaction: discord.Interaction, _button: object) -> None:
            await interaction.response.edit_message(content="stopped", view=None)

        @discord.ui.button(label="More", custom_id="more")
        async def more(self, interaction: discord.Interaction, _button: object) -> None:
            await interaction.response.defer()
            await interaction.edit_original_response(content="more", view=self)

    await client.get_partial_messageable(general.id).send("working", view=Stop())
    message = dc.transcript(general)[0]
    await answered(dc, await ada.press(message, "more"))
    await dc.until(lambda: message.text == "more")
    used = await ada.press(message, "stop")
    await answered(dc, used)
    assert used.callback is Callback.UPDATE
    assert (message.text, message.components) == ("stopped", ())
    with pytest.raises(SceneError, match="no button"):
        await ada.press(message, "stop")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(clock: Clock) -> AsyncIterator[DiscordSandbox]:
    async with DiscordSandbox(Settings(limits=LIMIT_PRESETS["off"]), clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def used(timed: DiscordSandbox) -> ScriptedInteraction:
    """A slash command that waits for its answer."""
    person = timed.user("Ada")
    timed.scene.menus.upsert(None, {"name": "new", "description": "New chat"})
    return await person.slash("new")


@pytest.fixture
async def http(timed: DiscordSandbox) -> AsyncIterator[Http]:
    async with Http(timed) as http:
        yield http


def callback(used: ScriptedInteraction) -> str:
    return f"/interactions/{used.id}/{used.interaction.token}/callback"


def webhook(timed: DiscordSandbox, used: ScriptedInteraction) -> str:
    return f"/webhooks/{timed.world.bot.id}/{used.interaction.token}"


async def test_an_answer_after_three_seconds_is_too_late(
    clock: Clock, http: Http, used: ScriptedInteraction
) -> None:
    clock.now += 3.1
    status, answer = await http("POST", callback(used), {"type": 5})
    assert (status, answer["code"]) == (404, 10062)
    assert used.failed
    assert not used.answered


async def test_the_second_answer_is_refused(http: Http, used: ScriptedInteraction) -> None:
    body = {"type": 4, "data": {"content": "hi"}}
    assert await http("POST", callback(used), body) == (204, {})
    status, answer = await http("POST", callback(used), body)
    assert (status, answer["code"]) == (400, 40060)
    assert used.response == "hi"


async def test_a_token_is_good_for_fifteen_minutes(
    clock: Clock, http: Http, timed: DiscordSandbox, used: ScriptedInteraction
) -> None:
    original = f"{webhook(timed, used)}/messages/@original"
    assert (await http("GET", original))[1]["code"] == 10015
    await http("POST", callback(used), {"type": 5})
    clock.now += 899
    assert (await http("PATCH", original, {"content": "at last"}))[0] == 200
    clock.now += 2
    status, answer = await http("PATCH", original, {"content": "too late"})
    assert (status, answer["code"]) == (401, 50027)
    assert used.response == "at last"


async def test_a_callback_says_what_came_of_it(http: Http, used: ScriptedInteraction) -> None:
    body = {"type": 4, "data": {"content": "hi", "flags": 64}}
    status, answer = await http("POST", callback(used) + "?with_response=true", body)
    assert status == 200
    assert used.message is not None
    assert answer["interaction"] == {
        "id": str(used.id),
        "type": 2,
        "response_message_id": str(used.message.id),
        "response_message_loading": False,
        "response_message_ephemeral": True,
    }
    assert answer["resource"]["message"]["content"] == "hi"


@pytest.mark.parametrize("kind", [1, 6, 7, 99, None])
async def test_a_command_takes_no_answer_of_another_kind(
    http: Http, used: ScriptedInteraction, kind: int | None
) -> None:
    status, answer = await http("POST", callback(used), {"type": kind})
    assert (status, answer["code"]) == (400, 50035)
    assert "type" in answer["errors"]
    assert not used.answered


async def test_the_answer_can_be_deleted(
    http: Http, timed: DiscordSandbox, used: ScriptedInteraction
) -> None:
    await http("POST", callback(used), {"type": 4, "data": {"content": "hi"}})
    original = f"{webhook(timed, used)}/messages/@original"
    assert (await http("GET", original))[1]["content"] == "hi"
    assert (await http("DELETE", original))[0] == 204
    assert (await http("GET", original))[1]["code"] == 10008


async def test_only_the_tokens_of_interactions_are_known(
    http: Http, timed: DiscordSandbox, used: ScriptedInteraction
) -> None:
    body = {"type": 5}
    _, answer = await http("POST", f"/interactions/{used.id}/nonsense/callback", body)
    assert answer["code"] == 10062
    _, answer = await http("POST", f"/webhooks/{timed.world.bot.id}/nonsense", {"content": "x"})
    assert answer["code"] == 50027


async def test_answers_to_interactions_notify_people_but_not_everyone(
    http: Http, timed: DiscordSandbox, used: ScriptedInteraction
) -> None:
    ada = used.interaction.user
    text = f"<@{ada.id}> @everyone"
    await http("POST", callback(used), {"type": 4, "data": {"content": text}})
    assert [(ping.user_id, ping.reason) for ping in timed.pings] == [(ada.id, "user")]


async def test_a_deferral_shows_that_the_bot_is_thinking(
    http: Http, used: ScriptedInteraction
) -> None:
    await http("POST", callback(used), {"type": 5})
    assert used.deferred
    assert used.response is None
    assert used.message is not None
    assert used.message.flags is MessageFlag.LOADING


async def test_only_registered_commands_can_be_used(dc: DiscordSandbox) -> None:
    ada = dc.user("Ada")
    with pytest.raises(SceneError, match="there is no command /new here"):
        await ada.slash("new")
    dc.scene.menus.upsert(
        None,
        {
            "name": "ask",
            "description": "Ask",
            "contexts": [0],
            "options": [{"type": 3, "name": "question", "description": "Which", "required": True}],
        },
    )
    with pytest.raises(SceneError, match="there is no command /ask here"):
        await ada.slash("ask")
    general = dc.guild("Lab", members=[ada]).channel("general")
    for options, words in (
        ({}, "needs the option question"),
        ({"question": "why", "loud": True}, "has no option loud"),
        ({"question": 7}, "can't be 7"),
    ):
        with pytest.raises(SceneError, match=words):
            await ada.slash("ask", general, **options)


async def test_an_interaction_reaches_a_client_that_connects_in_time_only(
    dc: DiscordSandbox,
) -> None:
    ada = dc.user("Ada")
    dc.scene.menus.upsert(None, {"name": "new", "description": "New chat"})
    used = await ada.slash("new")
    async with connected(dc) as client:
        assert "interaction" not in client.events
    assert not used.answered
