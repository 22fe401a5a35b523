"""What is asked of an OpenAI-compatible server."""

from __future__ import annotations

import pytest
from wire import as_json, ask, delta, serve, sse, user

from providers.base import (
    BadRequestError,
    Finish,
    FinishReason,
    ImagePart,
    Message,
    ProviderSettings,
    Role,
    TextDelta,
    TextPart,
)
from providers.openai import OpenAI

STOP = Finish(FinishReason.STOP)


def openai(url: str, **settings: object) -> OpenAI:
    return OpenAI(ProviderSettings("openai", base_url=f"{url}/v1", **settings))


async def test_the_request_holds_what_was_set() -> None:
    async with serve(sse(delta("hi", "stop"))) as wire:
        provider = openai(f"{wire.url}", api_key="sk-abc", model="m", temperature=0.5, max_tokens=9)
        await ask(provider, [Message.of(Role.SYSTEM, "Be brief."), user("hello")])
    request = wire.received[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-abc"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 9,
    }


async def test_nothing_is_sent_that_was_not_set() -> None:
    async with serve(sse(delta("hi", "stop"))) as wire:
        await ask(OpenAI(ProviderSettings("openai", base_url=f"{wire.url}/v1/?region=eu")))
    request = wire.received[0]
    assert request.target == "/v1/chat/completions?region=eu"
    assert "authorization" not in request.headers
    assert request.json.keys() == {"messages", "stream", "stream_options"}


async def test_images_are_sent_as_data_urls() -> None:
    picture = Message(Role.USER, (TextPart("What?"), ImagePart(b"\x89PNG", "image/png")))
    async with serve(sse(delta("hi", "stop"))) as wire:
        await ask(openai(wire.url), [picture])
    assert wire.received[0].json["messages"][0]["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]


async def test_neighbours_of_one_role_become_one_message() -> None:
    async with serve(sse(delta("hi", "stop"))) as wire:
        await ask(openai(wire.url), [user("one"), user("two")])
    assert wire.received[0].json["messages"] == [{"role": "user", "content": "one\n\ntwo"}]


@pytest.mark.parametrize(
    "refusal",
    [
        {"error": {"message": "Unrecognized request argument supplied: stream_options"}},
        {"detail": [{"loc": ["body", "stream_options"], "msg": "extra fields not permitted"}]},
    ],
)
async def test_refused_stream_options_are_left_out_from_then_on(refusal: dict) -> None:
    async with serve(as_json(refusal, 400), sse(delta("hi", "stop"))) as wire:
        provider = openai(wire.url)
        for _ in range(2):
            got = [event async for event in provider.stream([user("hello")])]
            assert got == [TextDelta("hi"), STOP]
        await provider.close()
    sent = ["stream_options" in request.json for request in wire.received]
    assert sent == [True, False, False]


async def test_a_server_that_refuses_for_ever_is_asked_only_once_more() -> None:
    refusal = as_json({"error": {"message": "stream_options is not permitted"}}, 400)
    async with serve(refusal) as wire:
        outcome = await ask(openai(wire.url))
    assert type(outcome.error) is BadRequestError
    assert len(wire.received) == 2


async def test_max_tokens_is_renamed_where_the_server_wants_it() -> None:
    said = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    refusal = as_json({"error": {"message": said, "param": "max_tokens"}}, 400)
    async with serve(refusal, sse(delta("hi", "stop"))) as wire:
        outcome = await ask(openai(wire.url, max_tokens=5))
    assert outcome.text == "hi"
    assert wire.received[1].json["max_completion_tokens"] == 5
    assert "max_tokens" not in wire.received[1].json


async def test_a_template_without_a_system_role_gets_it_in_the_users_message() -> None:
    refusal = as_json({"error": {"message": "System role not supported"}}, 400)
    async with serve(refusal, sse(delta("hi", "stop"))) as wire:
        outcome = await ask(openai(wire.url), [Message.of(Role.SYSTEM, "Be brief."), user("hello")])
    assert outcome.text == "hi"
    assert wire.received[1].json["messages"] == [{"role": "user", "content": "Be brief.\n\nhello"}]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, "api_key"),
        ({"api_key": "sk-abc"}, "model"),
        ({"base_url": "localhost:8000/v1"}, "base_url"),
        ({"base_url": "http://h/v1", "api_key": "sk-abc\n"}, "api_key"),
        ({"base_url": "http://h/v1", "proxy": "socks5://h"}, "proxy"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(settings: dict, names: str) -> None:
    with pytest.raises(ValueError, match=names) as caught:
        OpenAI(ProviderSettings("openai", **settings))
    assert "sk-abc" not in str(caught.value)
