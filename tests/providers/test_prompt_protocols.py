"""getgpt, yqcloud and aichat on the wire."""

from __future__ import annotations

import re

import orjson
import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad
from hypothesis import given
from hypothesis import strategies as st
from wire import Wire, as_json, ask, delta, head, in_chunks, response, serve, sse, user

from providers.aichat import AiChat
from providers.base import (
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    Finish,
    FinishReason,
    Message,
    OverloadedError,
    Provider,
    ProviderError,
    ProviderSettings,
    RateLimitedError,
    Role,
    TextDelta,
    TruncatedError,
)
from providers.getgpt import GetGpt, sign
from providers.gptalk import GpTalk
from providers.prompt import format_prompt
from providers.yqcloud import BLOCK_NOTICE, INSTRUCTION, RawTextDecoder, Yqcloud

STOP = Finish(FinishReason.STOP)
CONVERSATION = [
    Message.of(Role.SYSTEM, "Be brief."),
    user("hi"),
    Message.of(Role.ASSISTANT, "hello"),
    user("how are you?"),
]


def provider_at(kind: type[Provider], wire: Wire, **settings: object) -> Provider:
    return kind(ProviderSettings(kind.kind, base_url=wire.url, **settings))


@pytest.mark.parametrize("kind", [GetGpt, Yqcloud, AiChat, GpTalk])
def test_base_url_is_required_by_name(kind: type[Provider]) -> None:
    with pytest.raises(ValueError, match="base_url is required"):
        kind(ProviderSettings(kind.kind))


def test_one_message_is_a_bare_prompt() -> None:
    assert format_prompt([user("hi")]) == "hi"


def test_several_messages_are_lines_that_await_the_answer() -> None:
    assert format_prompt(CONVERSATION) == (
        "System: Be brief.\nUser: hi\nAssistant: hello\nUser: how are you?\nAssistant:"
    )


def unseal(signature: str) -> bytes:
    sealed, key, iv = signature[:-32], signature[-32:-16], signature[-16:]
    cipher = AES.new(key.encode(), AES.MODE_CBC, iv.encode())
    return unpad(cipher.decrypt(bytes.fromhex(sealed)), AES.block_size)


@given(st.binary())
def test_a_signature_opens_with_the_key_and_iv_at_its_end(question: bytes) -> None:
    signature = sign(question)
    assert re.fullmatch(r"(?:[0-9a-f]{32})+[0-9a-f]{32}", signature)
    assert unseal(signature) == question


def test_no_two_signatures_share_a_key() -> None:
    assert len({sign(b"same")[-32:] for _ in range(20)}) == 20


async def test_getgpt_sends_the_conversation_sealed() -> None:
    async with serve(sse(delta("fine", "stop"), "[DONE]")) as wire:
        await ask(provider_at(GetGpt, wire), CONVERSATION)
    request = wire.received[0]
    assert request.path == "/api/chat/stream"
    assert request.headers["referer"] == f"{wire.url}/"
    assert request.headers["user-agent"].startswith("Mozilla/5.0")
    question = orjson.loads(unseal(request.json["signature"]))
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-.*", question.pop("uuid"))
    assert question == {
        "messages": [{"role": str(m.role), "content": m.text} for m in CONVERSATION],
        "frequency_penalty": 0,
        "max_tokens": 4000,
        "model": "gpt-3.5-turbo",
        "presence_penalty": 0,
        "temperature": 1,
        "top_p": 1,
        "stream": True,
    }


async def test_getgpt_text_that_looks_like_the_protocol_survives() -> None:
    pieces = ['a line "content" and data: more', "\n\ndata: [DONE]\n", "end"]
    reply = sse(*map(delta, pieces), delta(finish="content_filter"), "[DONE]")
    async with serve(reply) as wire:
        outcome = await ask(provider_at(GetGpt, wire))
    assert outcome.text == "".join(pieces)
    assert outcome.events[-1] == STOP


async def error_of(kind: type[Provider], reply: bytes) -> tuple[str, ProviderError]:
    async with serve(reply) as wire:
        outcome = await ask(provider_at(kind, wire))
    assert outcome.error is not None
    return outcome.text, outcome.error


async def test_getgpt_filtered_without_any_text_is_an_error() -> None:
    _, error = await error_of(GetGpt, sse(delta(finish="content_filter"), "[DONE]"))
    assert type(error) is ContentFilteredError


async def test_getgpt_without_an_end_marker_is_truncated() -> None:
    text, error = await error_of(GetGpt, sse(delta("half")))
    assert (text, type(error)) == ("half", TruncatedError)


async def test_yqcloud_sends_the_whole_history_as_one_prompt() -> None:
    async with serve(response(b"fine", content_type="application/octet-stream")) as wire:
        provider = Yqcloud(ProviderSettings("yqcloud", base_url=f"{wire.url}/"), now=lambda: 1.5)
        outcome = await ask(provider, CONVERSATION)
    assert outcome.events == [TextDelta("fine"), STOP]
    request = wire.received[0]
    assert request.path == "/api/generateStream"
    assert request.headers["authority"] == wire.url.removeprefix("http://")
    assert request.headers["origin"] == wire.url
    assert request.headers["referer"] == f"{wire.url}/"
    assert request.headers["user-agent"].startswith("Mozilla/5.0")
    assert request.json == {
        "prompt": "User: hi\nAssistant: hello\nUser: how are you?\nAssistant:",
        "userId": "#/chat/1500",
        "network": True,
        "apikey": "",
        "system": "Be brief.",
        "withoutContext": False,
        "stream": True,
    }


async def test_yqclouds_first_version_sends_the_last_message_and_drops_its_echo() -> None:
    prompt = f"{INSTRUCTION} | how are you?"
    reply = head() + f"{prompt}fine, {INSTRUCTION}thanks".encode()
    async with serve(reply) as wire:
        settings = ProviderSettings("yqcloud", base_url=wire.url)
        outcome = await ask(Yqcloud(settings, last_message_only=True), CONVERSATION)
    assert wire.received[0].json["prompt"] == prompt
    assert "stream" not in wire.received[0].json
    assert outcome.text == "fine, thanks"


async def test_yqcloud_text_about_the_instruction_is_kept() -> None:
    text = f"{INSTRUCTION} is what the first version sent"
    async with serve(response(text.encode())) as wire:
        assert (await ask(provider_at(Yqcloud, wire))).text == text


def decode_raw(decoder: RawTextDecoder, chunks: list[bytes]) -> str:
    events = [event for chunk in chunks for event in decoder.decode(chunk)]
    events += decoder.flush()
    assert events.pop() == STOP
    assert all(event.text for event in events)
    return "".join(event.text for event in events)


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.text(), st.integers(1, 7))
def test_raw_text_cut_anywhere_is_whole(text: str, size: int) -> None:
    assert decode_raw(RawTextDecoder(), in_pieces(text.encode(), size)) == text


@given(st.text(max_size=9), st.integers(1, 60))
def test_an_echo_cut_anywhere_is_dropped(text: str, size: int) -> None:
    prompt = f"{INSTRUCTION} | {text}?"
    body = f"{prompt}yes. {prompt}".encode()
    assert decode_raw(RawTextDecoder(prompt), in_pieces(body, size)) == "yes. "


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_the_block_notice_is_an_error_however_it_is_cut(size: int) -> None:
    body = in_chunks(*in_pieces(f"{BLOCK_NOTICE}: 请联系".encode(), size))
    reply = head(200, "Transfer-Encoding: chunked", content_type="text/plain") + body
    text, error = await error_of(Yqcloud, reply)
    assert (text, type(error)) == ("", RateLimitedError)


async def test_text_that_only_begins_like_the_notice_is_an_answer() -> None:
    async with serve(response("sorry, 您的ip".encode())) as wire:
        assert (await ask(provider_at(Yqcloud, wire))).text == "sorry, 您的ip"


async def test_raw_text_cut_off_keeps_what_was_held_back() -> None:
    cut = in_chunks(b"half, sorry", end=False)
    text, error = await error_of(Yqcloud, head(200, "Transfer-Encoding: chunked") + cut)
    assert (text, type(error)) == ("half, sorry", ConnectionFailedError)


async def test_an_empty_raw_text_is_an_error() -> None:
    _, error = await error_of(Yqcloud, response(b""))
    assert type(error) is BadResponseError


async def test_aichat_sends_lines_and_reads_one_reply() -> None:
    async with serve(as_json({"message": "fine", "response": True})) as wire:
        outcome = await ask(provider_at(AiChat, wire, temperature=0.5), CONVERSATION)
    assert outcome.events == [TextDelta("fine"), STOP]
    request = wire.received[0]
    assert request.path == "/api/text"
    assert request.headers["origin"] == wire.url
    assert request.json == {
        "message": (
            "system: Be brief.\nuser: hi\nassistant: hello\nuser: how are you?\nassistant:"
        ),
        "temperature": 0.5,
        "presence_penalty": 0,
        "top_p": 1,
        "frequency_penalty": 0,
    }


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (as_json({"message": "text", "response": False}), BadResponseError),
        (as_json({"message": "text", "response": ""}), BadResponseError),
        (as_json({"message": ""}), BadResponseError),
        (as_json({"message": None}), BadResponseError),
        (as_json({"error": {"message": "no"}}), OverloadedError),
        (as_json(["text"]), BadResponseError),
        (response(b"<title>Gone</title>", content_type="text/html"), BadResponseError),
        (response(b'{"message": "cut'), BadResponseError),
        (response(b""), BadResponseError),
    ],
)
async def test_an_aichat_reply_without_a_message_is_an_error(
    reply: bytes, kind: type[ProviderError]
) -> None:
    text, error = await error_of(AiChat, reply)
    assert (text, type(error)) == ("", kind)
