"""The gptalk server: tokens wear out, tickets work once, the text is cumulative."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from sandbox.llm.script import HttpReply, Script
from sandbox.llm.server import LlmSandbox

AGENT = "Mozilla/5.0 (X11)"
SESSION = {
    "User-Agent": AGENT,
    "x-auth-appid": "2229",
    "x-auth-openid": "",
    "x-auth-platform": "",
    "x-auth-timestamp": "1700000000",
}
LOGIN = {"fingerprint": "0123456789abcdef" * 2, "platform": "fingerprint"}
TEXT = {
    "content": "System: Be brief.\nUser: hello\nAssistant:",
    "accept": "stream",
    "from": 1,
    "model": "gpt-3.5-turbo",
    "is_mobile": 0,
    "user_agent": AGENT,
    "is_open_ctx": 0,
    "prompt": "",
    "roid": 111,
    "temperature": 0,
    "ctx_msg_count": 3,
    "created_at": 1700000000,
}


class Client:
    """The three calls; each returns the status and the JSON (the stream: its text)."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = f"{url}/api/chatgpt"

    async def login(
        self, body: object = LOGIN, headers: Mapping[str, str] = SESSION
    ) -> tuple[int, Any]:
        async with self.session.post(
            f"{self.url}/user/login", json=body, headers=headers
        ) as response:
            return response.status, await response.json()

    async def text(
        self, token: str, body: object = TEXT, headers: Mapping[str, str] = SESSION
    ) -> tuple[int, Any]:
        headers = {**headers, "Authorization": f"Bearer {token}"}
        url = f"{self.url}/chatapi/text"
        async with self.session.post(url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def stream(self, ticket: str, **headers: str) -> tuple[int, str]:
        url, params = f"{self.url}/chatapi/stream", {"token": ticket}
        headers = {**SESSION, **headers}
        async with self.session.get(url, params=params, headers=headers) as response:
            return response.status, await response.text()

    async def token(self) -> str:
        return str((await self.login())[1]["data"]["token"])

    async def ticket(self) -> str:
        return str((await self.text(await self.token()))[1]["data"]["token"])


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script("Hi you 😀")) as running:
        yield running


@pytest.fixture
async def client(server: LlmSandbox) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(skip_auto_headers=["User-Agent"]) as session:
        yield Client(session, server.gptalk_url)


async def test_the_stream_is_cumulative_and_ends_with_done(client: Client) -> None:
    status, text = await client.stream(await client.ticket())
    assert status == 200
    data = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert data.pop() == "[DONE]"
    assert [json.loads(item)["content"] for item in data] == ["Hi", "Hi you", "Hi you 😀"]


async def test_cumulative_text_can_end_in_half_an_emoji(server: LlmSandbox, client: Client) -> None:
    server.script(Script("a😀", lone_surrogates=True))
    _, text = await client.stream(await client.ticket())
    data = [json.loads(line[6:])["content"] for line in text.split("\n\n")[:2]]
    assert data[0] == "a\ud83d"
    assert data[1] == "a😀"


async def test_login_says_until_when_the_token_is_good(server: LlmSandbox, client: Client) -> None:
    server.gptalk.token_lifetime = 100
    before = int(time.time())
    status, reply = await client.login()
    assert status == 200
    assert before + 100 <= reply["data"]["expires_at"] <= time.time() + 100


async def test_a_token_is_good_for_five_uses(server: LlmSandbox, client: Client) -> None:
    token = await client.token()
    assert [(await client.text(token))[0] for _ in range(6)] == [200] * 5 + [401]
    assert server.gptalk.uses == [5]
    assert (await client.text(await client.token()))[0] == 200
    assert server.gptalk.logins == 2
    assert server.gptalk.uses == [5, 1]


async def test_an_expired_token_is_a_401(server: LlmSandbox, client: Client) -> None:
    server.gptalk.token_lifetime = -1
    status, reply = await client.text(await client.token())
    assert (status, reply["error"]["field"]) == (401, "Authorization")
    assert server.gptalk.uses == [0]


async def test_tokens_can_be_made_to_expire(server: LlmSandbox, client: Client) -> None:
    token = await client.token()
    assert (await client.text(token))[0] == 200
    server.gptalk.expire_tokens()
    assert (await client.text(token))[0] == 401
    assert (await client.text(await client.token()))[0] == 200


@pytest.mark.parametrize("token", ["", "made-up"])
async def test_an_unknown_token_is_a_401(client: Client, token: str) -> None:
    assert (await client.text(token))[0] == 401


async def test_the_next_call_of_a_kind_can_be_refused(server: LlmSandbox, client: Client) -> None:
    token = await client.token()
    server.gptalk.refuse_next("text")
    server.gptalk.refuse_next("login", 503)
    assert (await client.text(token))[0] == 401
    assert (await client.text(token))[0] == 200
    assert [(await client.login())[0] for _ in range(2)] == [503, 200]
    assert server.gptalk.uses == [1, 0]


async def test_a_ticket_works_once(client: Client) -> None:
    ticket = await client.ticket()
    assert (await client.stream(ticket))[0] == 200
    assert (await client.stream(ticket))[0] == 404
    assert (await client.stream("made-up"))[0] == 404


async def test_the_stream_takes_no_bearer(client: Client) -> None:
    ticket = await client.ticket()
    status, text = await client.stream(ticket, Authorization="Bearer x")
    assert status == 400
    assert json.loads(text)["error"]["field"] == "Authorization"
    assert (await client.stream(ticket))[0] == 200


async def test_a_scripted_http_error_answers_the_text_call(
    server: LlmSandbox, client: Client
) -> None:
    token = await client.token()
    server.script(Script(fault=HttpReply(429, retry_after="3")), times=1)
    assert (await client.text(token))[0] == 429
    assert (await client.text(token))[0] == 200


async def test_the_prompt_is_recorded_as_messages(server: LlmSandbox, client: Client) -> None:
    await client.stream(await client.ticket())
    messages = [[(m.role, m.text) for m in record.messages] for record in server.requests]
    asked = [("system", "Be brief."), ("user", "hello")]
    assert messages == [[], asked, asked]
    assert [record.finished for record in server.requests] == [True] * 3


@pytest.mark.parametrize("header", SESSION)
async def test_each_session_header_is_required_on_every_call(client: Client, header: str) -> None:
    headers = {name: value for name, value in SESSION.items() if name != header}
    token = await client.token()
    replies = [await client.login(headers=headers), await client.text(token, headers=headers)]
    assert [(status, body["error"]["field"]) for status, body in replies] == [(403, header)] * 2
    url = f"{client.url}/chatapi/stream"
    async with client.session.get(url, headers=headers) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("User-Agent", "curl/8"),
        ("x-auth-appid", "1"),
        ("x-auth-openid", "x"),
        ("x-auth-platform", "x"),
        ("x-auth-timestamp", "now"),
    ],
)
async def test_each_session_header_is_checked(client: Client, header: str, value: str) -> None:
    status, reply = await client.login(headers={**SESSION, header: value})
    assert (status, reply["error"]["field"]) == (403, header)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fingerprint", None),
        ("fingerprint", "0123"),
        ("fingerprint", "X" * 32),
        ("platform", "web"),
        ("device", "x"),
    ],
)
async def test_each_login_field_is_checked(
    server: LlmSandbox, client: Client, field: str, value: object
) -> None:
    status, reply = await client.login({**LOGIN, field: value})
    assert (status, reply["error"]["field"]) == (400, field)
    assert server.gptalk.logins == 0


@pytest.mark.parametrize("field", TEXT)
async def test_each_text_field_is_required(client: Client, field: str) -> None:
    body = {name: value for name, value in TEXT.items() if name != field}
    status, reply = await client.text(await client.token(), body)
    assert (status, reply["error"]["field"]) == (400, field)


@pytest.mark.parametrize("field", [*TEXT, "stream"])
async def test_each_text_field_is_checked(server: LlmSandbox, client: Client, field: str) -> None:
    status, reply = await client.text(await client.token(), {**TEXT, field: None})
    assert (status, reply["error"]["field"]) == (400, field)
    assert server.gptalk.uses == [0]
