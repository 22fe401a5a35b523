"""Who is notified: mentions in created and edited messages, and what allows them."""

import discord
import pytest
from discord_client import Client, Http

from sandbox.discord.scene.users import ScriptedGuild, ScriptedUser
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.world.mentions import Named, find_mentions
from sandbox.discord.world.model import Channel
from sandbox.discord.world.permissions import Permission

NONE = {"parse": []}


@pytest.fixture
async def ada(dc: DiscordSandbox) -> ScriptedUser:
    return dc.user("Ada")


@pytest.fixture
async def ben(dc: DiscordSandbox) -> ScriptedUser:
    return dc.user("Ben")


@pytest.fixture
async def guild(dc: DiscordSandbox, ada: ScriptedUser, ben: ScriptedUser) -> ScriptedGuild:
    return dc.guild("Lab", members=[ada, ben])


@pytest.fixture
async def general(guild: ScriptedGuild) -> Channel:
    return guild.channel("general")


def pinged(dc: DiscordSandbox) -> list[tuple[str, str, bool]]:
    names = {user.id: user.display_name for user in dc.world.users.values()}
    return [(names[ping.user_id], ping.reason, ping.by_edit) for ping in dc.pings]


async def send(http: Http, channel: Channel, content: str, **more: object) -> dict[str, object]:
    status, answer = await http(
        "POST", f"/channels/{channel.id}/messages", {"content": content, **more}
    )
    assert status == 200, answer
    return answer


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("<@1> and <@!2> and <@1>", Named((1, 2), (), everyone=False)),
        ("<@&3>", Named((), (3,), everyone=False)),
        ("@everyone", Named((), (), everyone=True)),
        ("hello @here!", Named((), (), everyone=True)),
        ("@everyones", Named((), (), everyone=False)),
        ("`<@1>` ```\n<@2> @here\n``` <@3>", Named((3,), (), everyone=False)),
        ("``a ` <@1>`` <@2>", Named((2,), (), everyone=False)),
        ("` <@1>", Named((1,), (), everyone=False)),
        ("@ everyone <@x> <@ 1>", Named((), (), everyone=False)),
    ],
)
def test_mentions_are_found_outside_of_code(text: str, named: Named) -> None:
    assert find_mentions(text) == named


async def test_without_allowed_mentions_everything_notifies(
    dc: DiscordSandbox, http: Http, guild: ScriptedGuild, general: Channel, ben: ScriptedUser
) -> None:
    role = guild.role("crew", members=[ben])
    answer = await send(http, general, f"<@{ben.id}> <@&{role.id}> @everyone")
    assert [user["id"] for user in answer["mentions"]] == [str(ben.id)]
    assert answer["mention_roles"] == [str(role.id)]
    assert answer["mention_everyone"] is True
    assert pinged(dc) == [("Ada", "everyone", False), ("Ben", "user", False)]


async def test_an_empty_parse_notifies_nobody_at_create_and_at_edit(
    dc: DiscordSandbox, http: Http, general: Channel, ben: ScriptedUser
) -> None:
    text = f"<@{ben.id}> @everyone"
    answer = await send(http, general, text, allowed_mentions=NONE)
    path = f"/channels/{general.id}/messages/{answer['id']}"
    _, edited = await http("PATCH", path, {"content": text + "!", "allowed_mentions": NONE})
    for shown in (answer, edited):
        assert (shown["mentions"], shown["mention_everyone"]) == ([], False)
    assert dc.pings == []


async def test_an_edit_without_allowed_mentions_parses_again(
    dc: DiscordSandbox, http: Http, general: Channel, ben: ScriptedUser
) -> None:
    answer = await send(http, general, f"<@{ben.id}>", allowed_mentions=NONE)
    path = f"/channels/{general.id}/messages/{answer['id']}"
    for _ in range(2):
        _, edited = await http("PATCH", path, {"content": f"<@{ben.id}> again"})
        assert [user["id"] for user in edited["mentions"]] == [str(ben.id)]
    assert pinged(dc) == [("Ben", "user", True)]


async def test_only_the_ids_that_are_listed_notify(
    dc: DiscordSandbox, http: Http, general: Channel, ada: ScriptedUser, ben: ScriptedUser
) -> None:
    allowed = {"users": [str(ben.id), 5]}
    answer = await send(http, general, f"<@{ada.id}> <@{ben.id}>", allowed_mentions=allowed)
    assert [user["id"] for user in answer["mentions"]] == [str(ben.id)]
    assert pinged(dc) == [("Ben", "user", False)]


@pytest.mark.parametrize(
    ("allowed", "reason"),
    [
        (None, "reply"),
        ({"replied_user": True}, "reply"),
        ({"parse": []}, None),
        ({"parse": ["users"]}, None),
    ],
)
async def test_a_reply_notifies_whom_it_answers_unless_that_is_off(
    dc: DiscordSandbox,
    http: Http,
    general: Channel,
    ada: ScriptedUser,
    allowed: dict[str, object] | None,
    reason: str | None,
) -> None:
    asked = await ada.say("why?", general)
    more = {} if allowed is None else {"allowed_mentions": allowed}
    answer = await send(
        http, general, "because", message_reference={"message_id": asked.id}, **more
    )
    assert len(answer["mentions"]) == (reason is not None)
    assert pinged(dc) == ([("Ada", reason, False)] if reason else [])


async def test_a_role_notifies_where_it_may_be_mentioned(
    dc: DiscordSandbox, http: Http, guild: ScriptedGuild, general: Channel, ben: ScriptedUser
) -> None:
    quiet = guild.role("quiet", members=[ben])
    loud = guild.role("loud", members=[ben], mentionable=True)
    guild.deny(general, "mention_everyone")
    answer = await send(http, general, f"<@&{quiet.id}> <@&{loud.id}> @everyone")
    assert answer["mention_roles"] == [str(loud.id)]
    assert answer["mention_everyone"] is False
    assert pinged(dc) == [("Ben", "role", False)]


async def test_nobody_is_notified_of_a_channel_they_do_not_see(
    dc: DiscordSandbox, http: Http, guild: ScriptedGuild, ben: ScriptedUser
) -> None:
    hidden = guild.channel("hidden")
    dc.scene.set_permission(hidden, ben.user, Permission.VIEW_CHANNEL, allowed=False)
    await send(http, hidden, f"<@{ben.id}>")
    assert dc.pings == []


async def test_people_notify_each_other_and_never_themselves_or_the_bot(
    dc: DiscordSandbox, general: Channel, ada: ScriptedUser, ben: ScriptedUser
) -> None:
    await ada.say(f"<@{ada.id}> <@{ben.id}>", general, mention=True)
    assert pinged(dc) == [("Ben", "user", False)]


async def test_a_client_with_no_mentions_notifies_nobody(
    dc: DiscordSandbox, client: Client, general: Channel, ada: ScriptedUser
) -> None:
    client._connection.allowed_mentions = discord.AllowedMentions.none()
    await ada.say("why?", general)
    heard = await client.hear("why?")
    answer = await heard.reply(f"@everyone <@{ada.id}>")
    await answer.edit(content=f"@here <@{ada.id}>")
    assert (answer.mentions, answer.mention_everyone) == ([], False)
    assert dc.pings == []


async def test_in_a_dm_only_the_person_can_be_notified(
    dc: DiscordSandbox, http: Http, ada: ScriptedUser
) -> None:
    await ada.say("hello")
    answer = await send(http, ada.dm, f"@everyone <@{ada.id}>")
    assert answer["mention_everyone"] is False
    assert pinged(dc) == [("Ada", "user", False)]
