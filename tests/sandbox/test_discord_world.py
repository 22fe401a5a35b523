"""The world by itself: ids, names, tokens, files, and what people can't do."""

import aiohttp
import pytest

from sandbox.discord.scene.scene import SceneError
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings
from sandbox.discord.snowflake import DISCORD_EPOCH, Snowflakes, snowflake
from sandbox.discord.world.model import Content, Draft


def test_snowflakes_grow_and_tell_their_time() -> None:
    now = DISCORD_EPOCH + 1.5
    ids = Snowflakes(lambda: now)
    first, second = ids.next(), ids.next()
    assert first >> 22 == second >> 22 == 1500
    assert first < second
    now -= 1
    assert ids.next() > second, "also when the wall clock goes back"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7),
        ("7", 7),
        (0, 0),
        (-1, None),
        ("-1", None),
        ("", None),
        ("7x", None),
        ("\u0667", None),
        (True, None),
        (7.0, None),
        (None, None),
        (1 << 64, None),
    ],
)
def test_a_snowflake_is_an_integer_or_its_digits(value: object, found: int | None) -> None:
    assert snowflake(value) == found


@pytest.mark.parametrize(
    ("token", "bot_id"),
    [
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4.x.y", 123456789012345678),
        ("NDI.x.y", 42),
        ("no token at all", 123456789012345678),
        ("", 123456789012345678),
    ],
)
def test_a_token_names_its_bot(token: str, bot_id: int) -> None:
    assert Settings(token=token).bot_id == bot_id


async def test_people_of_one_name_have_different_user_names(dc: DiscordSandbox) -> None:
    people = [dc.user("Ada L"), dc.user("Ada L"), dc.user("Ada L", username="countess")]
    assert [person.user.name for person in people] == ["ada_l", "ada_l2", "countess"]
    with pytest.raises(ValueError, match="is taken"):
        dc.user("Ben", user_id=people[0].id)


async def test_a_guild_needs_an_owner(dc: DiscordSandbox) -> None:
    with pytest.raises(ValueError, match="at least one member"):
        dc.guild("Lab", members=[])


async def test_what_people_can_not_do(dc: DiscordSandbox) -> None:
    ada = dc.user("Ada")
    guild = dc.guild("Lab", members=[ada])
    general, forum = guild.channel("general"), guild.forum("help")
    message = await ada.say("hi", general)
    await ada.open_thread(general, "T", message)
    with pytest.raises(SceneError, match="has a thread already"):
        await ada.open_thread(general, "T", message)
    with pytest.raises(SceneError, match="no thread can be opened"):
        await ada.open_thread(forum, "T")
    with pytest.raises(SceneError, match="is no forum"):
        await ada.post(general, "T", "x")
    with pytest.raises(SceneError, match="needs some text"):
        await ada.say("  ")
    await ada.delete(message)
    for act in (
        ada.delete(message),
        ada.edit(message, "x"),
        ada.say("x", general, reply_to=message),
    ):
        with pytest.raises(SceneError):
            await act


async def test_an_ephemeral_message_is_pressed_by_its_person_only(dc: DiscordSandbox) -> None:
    ada, ben = dc.user("Ada"), dc.user("Ben")
    general = dc.guild("Lab", members=[ada, ben]).channel("general")
    button = {"type": 2, "style": 1, "label": "Stop", "custom_id": "stop"}
    content = Content("just you", components=({"type": 1, "components": [button]},))
    draft = Draft(content, seen_by=ada.id)
    message = dc.scene.acts.post(general, dc.world.bot, draft)
    with pytest.raises(SceneError, match="does not see"):
        await ben.press(message, "stop")
    used = await ada.press(message, "stop")
    assert used.interaction.pressed is message


async def test_files_are_served_as_long_as_their_message_is_there(dc: DiscordSandbox) -> None:
    ada = dc.user("Ada")
    message = await ada.say("look", files={"ä b.txt": b"text"})
    url = f"{dc.url}/attachments/{ada.dm.id}/{message.attachments[0].id}/any"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert await response.read() == b"text"
        await ada.delete(message)
        async with session.get(url) as response:
            assert response.status == 404
