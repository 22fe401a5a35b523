"""Images: in each server's own shape, and as a note where nobody could see them."""

from __future__ import annotations

import re

import orjson
import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad
from wire import Received, as_json, ask, delta, events, head, serve, sse, user

from providers.base import (
    BadRequestError,
    ImagePart,
    Message,
    ProviderSettings,
    Role,
    TextDelta,
    TextPart,
)
from providers.images import IMAGE_NOTE
from providers.registry import capabilities, create, kinds

PICTURE = Message(Role.USER, (TextPart("What is this?"), ImagePart(b"\x89PNG", "image/png")))
PNG = "iVBORw=="

ANSWERS = {
    "openai": sse(delta("hi", "stop")),
    "responses": sse(
        {"type": "response.output_text.delta", "delta": "hi"},
        {"type": "response.completed", "response": {"status": "completed"}},
    ),
    "anthropic": sse(
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    ),
    "gemini": sse(
        {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}
    ),
    "ollama": as_json({"message": {"content": "hi"}, "done": True}),
}
SHAPES = {
    "openai": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ],
    "responses": [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    ],
    "anthropic": [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
        },
    ],
    "gemini": [
        {"text": "What is this?"},
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
    ],
    "ollama": {"role": "user", "content": "What is this?", "images": [PNG]},
}


def said_in(kind: str, request: Received) -> object:
    """What a request holds of the only message."""
    match kind:
        case "responses":
            return request.json["input"][0]["content"]
        case "gemini":
            return request.json["contents"][0]["parts"]
        case "ollama":
            return request.json["messages"][0]
        case _:
            return request.json["messages"][0]["content"]


def provider(kind: str, url: str) -> object:
    return create(ProviderSettings(kind, base_url=url, model="m", rate=0))


def test_every_provider_that_takes_images_is_tested_here() -> None:
    assert {kind for kind in kinds() if capabilities(kind).takes_images} == set(SHAPES)


@pytest.mark.parametrize("kind", SHAPES)
async def test_an_image_is_sent_in_the_servers_own_shape(kind: str) -> None:
    async with serve(ANSWERS[kind]) as wire:
        outcome = await ask(provider(kind, wire.url), [PICTURE])
    assert outcome.text == "hi"
    assert said_in(kind, wire.received[0]) == SHAPES[kind]


@pytest.mark.parametrize("kind", SHAPES)
async def test_an_image_may_come_without_words(kind: str) -> None:
    alone = Message(Role.USER, PICTURE.parts[1:])
    async with serve(ANSWERS[kind]) as wire:
        outcome = await ask(provider(kind, wire.url), [alone])
    assert outcome.text == "hi"
    said = said_in(kind, wire.received[0])
    assert said == (SHAPES[kind] | {"content": ""} if kind == "ollama" else SHAPES[kind][1:])


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        pytest.param(400, "this model does not support image input", id="Ollama"),
        pytest.param(400, "m is not a multimodal model", id="vLLM"),
        pytest.param(422, "unknown variant `image_url`, expected `text`", id="DeepSeek"),
        pytest.param(404, "No endpoints found that support image input", id="OpenRouter"),
        pytest.param(
            500, "image input is not supported - hint: you may need the mmproj", id="llama.cpp"
        ),
        pytest.param(400, "Could not process image", id="Anthropic: a broken image"),
    ],
)
async def test_a_model_that_sees_no_images_is_asked_again_with_a_note(
    kind: str, status: int, refusal: str
) -> None:
    async with serve(as_json({"error": {"message": refusal}}, status), ANSWERS[kind]) as wire:
        outcome = await ask(provider(kind, wire.url), [PICTURE])
    assert outcome.events[0] == TextDelta("hi")
    assert outcome.error is None
    assert len(wire.received) == 2
    again = wire.received[1].body.decode()
    assert IMAGE_NOTE in again
    assert PNG not in again


@pytest.mark.parametrize("kind", SHAPES)
async def test_a_server_that_refuses_for_ever_is_asked_only_once_more(kind: str) -> None:
    refusal = as_json({"error": {"message": "no image here"}}, 400)
    async with serve(refusal) as wire:
        outcome = await ask(provider(kind, wire.url), [PICTURE])
    assert type(outcome.error) is BadRequestError
    assert len(wire.received) == 2


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(
    ("message", "refusal"), [(PICTURE, "no such model"), (user("hi"), "no image here")]
)
async def test_another_refusal_is_final(kind: str, message: Message, refusal: str) -> None:
    async with serve(as_json({"error": {"message": refusal}}, 400)) as wire:
        outcome = await ask(provider(kind, wire.url), [message])
    assert type(outcome.error) is BadRequestError
    assert len(wire.received) == 1


async def test_an_image_outside_the_users_messages_is_a_note() -> None:
    shown = Message(Role.ASSISTANT, (TextPart("Look:"), PICTURE.parts[1]))
    async with serve(ANSWERS["anthropic"]) as wire:
        await ask(provider("anthropic", wire.url), [user("draw"), shown, user("nice")])
    assert wire.received[0].json["messages"][1]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "text", "text": IMAGE_NOTE},
    ]


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("yqcloud", head(content_type="text/plain") + b"hi"),
        ("aichat", as_json({"message": "hi"})),
    ],
)
async def test_a_text_only_provider_gets_a_note(kind: str, reply: bytes) -> None:
    async with serve(reply) as wire:
        outcome = await ask(provider(kind, wire.url), [PICTURE])
    assert outcome.text == "hi"
    sent = wire.received[0].body.decode()
    assert f"What is this?\\n{IMAGE_NOTE}" in sent
    assert PNG not in sent


async def test_getgpt_gets_a_note_inside_what_it_encrypts() -> None:
    async with serve(ANSWERS["openai"]) as wire:
        outcome = await ask(provider("getgpt", wire.url), [PICTURE])
    assert outcome.text == "hi"
    signature = wire.received[0].json["signature"]
    sealed, key, iv = signature[:-32], signature[-32:-16], signature[-16:]
    cipher = AES.new(key.encode(), AES.MODE_CBC, iv.encode())
    question = orjson.loads(unpad(cipher.decrypt(bytes.fromhex(sealed)), AES.block_size))
    assert question["messages"] == [{"role": "user", "content": f"What is this?\n{IMAGE_NOTE}"}]


async def test_gptalk_gets_a_note() -> None:
    login = as_json({"data": {"token": "t", "expires_at": 9e9}})
    ticket = as_json({"data": {"token": "ticket"}})
    stream = head() + events({"content": "hi"}, "[DONE]")
    async with serve(login, ticket, stream) as wire:
        outcome = await ask(provider("gptalk", wire.url), [PICTURE])
    assert outcome.text == "hi"
    assert wire.received[1].json["content"] == f"What is this?\n{IMAGE_NOTE}"


async def test_the_demo_reads_the_note() -> None:
    outcome = await ask(provider("demo", ""), [Message(Role.USER, PICTURE.parts[1:])])
    assert re.search(r"\S", outcome.text)
    assert outcome.error is None
