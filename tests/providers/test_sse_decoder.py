"""SSE: what is decoded, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.sse import SseDecoder, SseEvent

STREAM = (
    b"\xef\xbb\xbf: OPENROUTER PROCESSING\n\n"
    b"data: one\n\n"
    b"data:two\r\n\r\n"
    b":\r\r"
    b"event: error\rdata: thr\xc3\xa9e\rdata:  indented\r\r"
    b"id: 7\nretry: 10\nunknown: field\n\n"
    b"data\n\n"
    b'error: {"code":500}\n\n'
    b'{\r\n  "error": {\n    "code": 503\n  }\n}\n\n'
    b"event: lost\n\n"
    b"data: \xf0\x9f\x98\x80 last, without its blank line"
)
EVENTS = [
    SseEvent(b"one"),
    SseEvent(b"two"),
    SseEvent("thrée\n indented".encode(), "error"),
    SseEvent(b""),
    SseEvent(b'{"code":500}', "error"),
    SseEvent(b'{\n  "error": {\n    "code": 503\n  }\n}'),
    SseEvent("😀 last, without its blank line".encode()),
]


def decode(*chunks: bytes) -> list[SseEvent]:
    decoder = SseDecoder()
    events = [event for chunk in chunks for event in decoder.decode(chunk)]
    return events + decoder.flush()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def test_every_kind_of_line_is_decoded() -> None:
    assert decode(STREAM) == EVENTS


def test_byte_by_byte_gives_the_same_events() -> None:
    assert decode(*(bytes([byte]) for byte in STREAM)) == EVENTS


@given(st.lists(st.integers(min_value=0), max_size=12))
def test_any_cut_gives_the_same_events(places: list[int]) -> None:
    assert decode(*cut(STREAM, places)) == EVENTS


@given(
    st.lists(
        st.sampled_from(
            [b"data: x", b"data", b"\n", b"\r", b"\r\n", b":c", b"event: e", b"\xc3", b"{"]
        )
    ),
    st.lists(st.integers(min_value=0), max_size=8),
)
def test_any_bytes_decode_alike_whole_and_cut(lines: list[bytes], places: list[int]) -> None:
    stream = b"".join(lines)
    assert decode(*cut(stream, places)) == decode(stream)


@given(st.lists(st.text().filter(lambda text: "\r" not in text), min_size=1))
def test_what_an_encoder_writes_comes_back(texts: list[str]) -> None:
    fields = ["".join(f"data: {line}\n" for line in text.split("\n")) for text in texts]
    stream = "\n".join((*fields, "")).encode()
    assert decode(stream) == [SseEvent(text.encode()) for text in texts]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_is_given_as_soon_as_its_blank_line_is_there(end: bytes) -> None:
    decoder = SseDecoder()
    assert decoder.decode(b"data: x" + end) == []
    assert decoder.decode(end) == [SseEvent(b"x")]
    assert decoder.flush() == []


def test_a_line_of_megabytes_in_small_chunks_is_one_event() -> None:
    long = b"x" * 3_000_000
    assert decode(*cut(b"data: " + long + b"\n\n", list(range(0, len(long), 1000)))) == [
        SseEvent(long)
    ]
