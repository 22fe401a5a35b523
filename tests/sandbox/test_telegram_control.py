"""The control API and the command line: the sandbox from another process."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
import telegram

from sandbox.telegram.server import TelegramSandbox

Ask = Callable[..., Awaitable[dict[str, object]]]


@pytest.fixture
async def tg() -> AsyncIterator[TelegramSandbox]:
    async with TelegramSandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def bot(tg: TelegramSandbox) -> AsyncIterator[telegram.Bot]:
    async with telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot:
        yield bot


@pytest.fixture
async def post(tg: TelegramSandbox) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as http:

        async def ask(path: str, /, **body: object) -> dict[str, object]:
            async with http.post(f"{tg.api_url}/control/{path}", json=body) as response:
                answer: dict[str, object] = await response.json()
                assert (response.status == 200) is answer["ok"]
                return answer

        yield ask


@pytest.fixture
async def get(tg: TelegramSandbox) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as http:

        async def ask(path: str, /, **query: int) -> dict[str, object]:
            async with http.get(f"{tg.api_url}/control/{path}", params=query) as response:
                answer: dict[str, object] = await response.json()
                assert answer["ok"], answer
                return answer

        yield ask


async def test_updates_can_be_numbered_anew(bot: telegram.Bot, post: Ask) -> None:
    await post("users", first_name="Ada", id=77)
    await post("renumber", next_id=40)
    await post("say", user_id=77, text="hi")
    (update,) = await bot.get_updates()
    assert update.update_id == 40
    assert not (await post("renumber"))["ok"]


async def test_a_conversation_from_outside(bot: telegram.Bot, post: Ask, get: Ask) -> None:
    assert (await post("users", first_name="Ada", id=77))["user_id"] == 77
    question = await post("say", user_id=77, text="hi")
    sent = await bot.send_message(77, "Well", reply_to_message_id=question["message_id"])
    await bot.edit_message_text(
        "Well met", 77, sent.message_id, entities=[telegram.MessageEntity("bold", 0, 4)]
    )
    await post("delete", chat_id=77, message_id=sent.message_id)
    events = await get("events", after=1)
    assert [(e["n"], e["kind"], e["from_bot"], e["text"]) for e in events["events"]] == [
        (2, "sent", True, "Well"),
        (3, "edited", True, "Well met"),
        (4, "deleted", True, ""),
    ]
    assert events["last"] == 4
    answer = (await get("transcript", chat_id=77))["messages"][1]
    assert answer["reply_to"] == question["message_id"]
    assert answer["deleted_at"] is not None
    assert [version["text"] for version in answer["versions"]] == ["Well", "Well met"]
    assert answer["versions"][1]["entities"] == [{"type": "bold", "offset": 0, "length": 4}]
    assert [c["method"] for c in (await get("calls"))["calls"]][-2:] == [
        "sendMessage",
        "editMessageText",
    ]


async def test_posts_to_a_webhook_are_told_outside(
    tg: TelegramSandbox, bot: telegram.Bot, post: Ask, get: Ask
) -> None:
    await bot.set_webhook("https://bot.example/hook", allowed_updates=["message"])
    await post("users", first_name="Ada", id=77)
    await post("say", user_id=77, text="hi")
    await tg.until(lambda: len(tg.deliveries) == 2 and tg.deliveries[1].ended_at)
    first, second = (await get("deliveries"))["deliveries"]
    assert (first["status"], first["again_in"], first["lane"]) == (None, 0.0, ["message", 77])
    assert first["update_id"] == second["update_id"]
    assert (await get("deliveries", after=1))["deliveries"] == [second]


async def test_events_wait_for_the_next_change(bot: telegram.Bot, post: Ask, get: Ask) -> None:
    await post("users", first_name="Ada", id=77)
    await post("say", user_id=77, text="hi")
    waiting = asyncio.create_task(get("events", after=1, timeout=30))
    await bot.send_chat_action(77, "typing")
    assert [event["kind"] for event in (await waiting)["events"]] == ["typing"]
    assert (await get("events", after=2))["events"] == []


async def test_groups_topics_and_membership_from_outside(
    tg: TelegramSandbox, bot: telegram.Bot, post: Ask
) -> None:
    await post("users", first_name="Ada", id=77)
    forum = (await post("chats", title="Forum", members=[77], forum=True))["chat_id"]
    place = {"chat_id": forum, "user_id": 77}
    topic = (await post("topics", **place, name="Cats"))["thread_id"]
    await post("say", **place, text="/ask", thread_id=topic)
    await post("close_topic", **place, thread_id=topic)
    with pytest.raises(telegram.error.BadRequest):
        await bot.send_message(forum, "x", message_thread_id=topic)
    await post("reopen_topic", **place, thread_id=topic)
    await post("kick", **place)
    with pytest.raises(telegram.error.Forbidden):
        await bot.send_message(forum, "x")
    await post("add", **place)
    await post("promote", **place)
    assert tg.world.chats[forum].members[bot.id] == "administrator"
    group = (await post("chats", title="Old", members=[77]))["chat_id"]
    successor = await post("migrate", chat_id=group, user_id=77)
    with pytest.raises(telegram.error.ChatMigrated) as caught:
        await bot.send_message(group, "x")
    assert caught.value.new_chat_id == successor["chat_id"]


async def test_blocking_editing_photos_and_buttons_from_outside(
    bot: telegram.Bot, post: Ask
) -> None:
    await post("users", first_name="Ada", id=77)
    message = await post("say", user_id=77, text="hi")
    await post("edit", user_id=77, message_id=message["message_id"], text="hello")
    await post("photo", user_id=77, caption="look")
    button = telegram.InlineKeyboardButton("Stop", callback_data="stop")
    sent = await bot.send_message(77, "…", reply_markup=telegram.InlineKeyboardMarkup([[button]]))
    await post("press", user_id=77, message_id=sent.message_id, data="stop")
    await post("block", user_id=77)
    await post("unblock", user_id=77)
    kinds = [
        next(k for k in update.to_dict() if k != "update_id") for update in await bot.get_updates()
    ]
    assert kinds == [
        "message",
        "edited_message",
        "message",
        "callback_query",
        "my_chat_member",
        "my_chat_member",
    ]


async def test_faults_from_outside(tg: TelegramSandbox, bot: telegram.Bot, post: Ask) -> None:
    await post("users", first_name="Ada", id=77)
    await post("say", user_id=77, text="hi")
    await post("faults", kind="error", status=502, count=None)
    for _ in range(2):
        with pytest.raises(telegram.error.NetworkError):
            await bot.send_message(77, "x")
    async with aiohttp.ClientSession() as http:
        await http.delete(f"{tg.api_url}/control/faults")
    await bot.send_message(77, "x")
    await post("penalty", chat_id=77, seconds=20)
    with pytest.raises(telegram.error.RetryAfter):
        await bot.send_message(77, "x")
    await post("faults", kind="hang", method="getMe")
    hanging = asyncio.create_task(bot.get_me())
    await tg.until(lambda: len(tg.calls_of("getMe")) == 2)
    await post("release")
    assert (await hanging).id == bot.id


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("users", {}, "first_name is missing"),
        ("say", {"user_id": 5, "text": "x"}, "there is no user 5"),
        ("say", {"user_id": 77, "chat_id": 6, "text": "x"}, "there is no chat 6"),
        ("delete", {"chat_id": 77, "message_id": 9}, "there is no message 9"),
        ("chats", {"title": "x", "members": []}, "members must be a list"),
        ("faults", {"kind": "reset", "when": 1}, "a fault has no field when"),
        ("faults", {"kind": "gremlin"}, "gremlin"),
        ("kick", {"user_id": 77}, "chat_id must name a group"),
    ],
)
async def test_a_wrong_request_says_what_is_wrong(
    post: Ask, name: str, body: dict[str, object], words: str
) -> None:
    await post("users", first_name="Ada", id=77)
    answer = await post(name, **body)
    assert not answer["ok"]
    assert words in str(answer["error"])


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_says_where_it_serves_and_ends_on_a_signal(
    number: signal.Signals,
) -> None:
    process = await start("telegram", "--token", "42:mine", "--flood", "off")
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert (ready["server"], ready["token"]) == ("telegram", "42:mine")
    assert ready["url"].startswith("http://127.0.0.1:")
    async with telegram.Bot("42:mine", base_url=f"{ready['url']}/bot") as bot:
        assert bot.username == "parlance_sandbox_bot"
    process.send_signal(number)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["telegram", "--host", "192.0.2.1"], "192.0.2.1 is no loopback address: use 127.0.0.1"),
        (["telegram", "--flood", "wild"], "invalid choice: 'wild'"),
        (["telegram", "--latency", "-1"], "use 0 or more"),
        (["discourse"], "invalid choice: 'discourse'"),
        ([], "required: server"),
    ],
)
async def test_the_command_refuses_wrong_arguments(arguments: list[str], words: str) -> None:
    process = await start(*arguments)
    _, err = await process.communicate()
    assert process.returncode == 2
    assert words in err.decode()
