"""Whatever a server sends, a decoder gives events or a ProviderError, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.aichat import ReplyDecoder
from providers.anthropic import MessageDecoder
from providers.base import Event, ProviderError, ReasoningDelta, TextDelta
from providers.chat_chunks import ChatDecoder
from providers.errors import read_error
from providers.gemini import CandidateDecoder
from providers.gptalk import GrowingTextDecoder
from providers.ollama import ChatLineDecoder
from providers.responses import ResponseDecoder
from providers.yqcloud import RawTextDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.answer import Decoder

NAMES = """
choices delta message content reasoning finish_reason usage x_groq prompt_tokens error code type
object detail loc msg text thinking response innererror details error_code retryDelay
content_block stop_reason stop_details explanation output item status summary output_index
candidates parts thought finishReason promptFeedback blockReason usageMetadata done done_reason
"""
VALUES = """
content_block_delta content_block_start message_start message_delta message_stop error end_turn
response.output_text.delta response.completed response.incomplete response.failed reasoning
response.reasoning_text.delta message incomplete refusal STOP SAFETY MAX_TOKENS length
"""
KEYS = st.sampled_from(NAMES.split())
STRINGS = st.text() | st.sampled_from(VALUES.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.floats(allow_nan=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
DECODERS = [
    ChatDecoder,
    ResponseDecoder,
    MessageDecoder,
    CandidateDecoder,
    ChatLineDecoder,
    ReplyDecoder,
    GrowingTextDecoder,
    RawTextDecoder,
]


def run(decoder: Decoder, chunks: list[bytes]) -> list[Event]:
    events: list[Event] = []
    try:
        for chunk in chunks:
            events.extend(decoder.decode(chunk))
        events.extend(decoder.flush())
    except ProviderError:
        events.extend(decoder.drain())
    return events


def check(events: list[Event]) -> None:
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta):
            assert event.text
            event.text.encode()  # no surrogate


@pytest.mark.parametrize("make", DECODERS)
@given(st.lists(JSON, max_size=4))
def test_any_json_in_events(make: Callable[[], Decoder], values: list[object]) -> None:
    check(run(make(), [b"data: " + orjson.dumps(value) + b"\n\n" for value in values]))


@pytest.mark.parametrize("make", DECODERS)
@given(JSON)
def test_any_json_as_the_body(make: Callable[[], Decoder], value: object) -> None:
    check(run(make(), [orjson.dumps(value)]))


@given(st.lists(JSON, max_size=4))
def test_any_json_in_lines(values: list[object]) -> None:
    check(run(ChatLineDecoder(), [orjson.dumps(value) + b"\n" for value in values]))


@pytest.mark.parametrize("make", DECODERS)
@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"data: ", b"{", b"\n\n", b"<"])))
def test_any_bytes(make: Callable[[], Decoder], chunks: list[bytes]) -> None:
    check(run(make(), chunks))


@given(JSON.map(orjson.dumps) | st.binary())
def test_any_error_body_is_read_as_one_line(body: bytes) -> None:
    message = read_error(body).message
    assert message == " ".join(message.split())
    message.encode()
