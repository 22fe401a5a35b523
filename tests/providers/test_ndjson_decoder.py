"""Newline-delimited JSON, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.ndjson import NdjsonDecoder

BOM = b"\xef\xbb\xbf"
LINES = st.lists(
    st.binary(min_size=1).filter(
        lambda b: b == b.strip() and b"\n" not in b and not b.startswith(BOM)
    )
)


def decode(*chunks: bytes) -> list[bytes]:
    decoder = NdjsonDecoder()
    return [line for chunk in chunks for line in decoder.decode(chunk)] + decoder.flush()


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \r\n \n"]), st.data())
def test_lines_arrive_whole_however_the_stream_is_cut(
    lines: list[bytes], end: bytes, data: st.DataObject
) -> None:
    stream = b"".join(line + end for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(*pieces) == lines


def test_the_last_line_counts_without_its_newline() -> None:
    assert decode(b'{"a":1}\n{"b"', b":2}") == [b'{"a":1}', b'{"b":2}']


def test_a_line_is_given_as_soon_as_it_is_complete() -> None:
    decoder = NdjsonDecoder()
    assert decoder.decode(b"{}") == []
    assert decoder.decode(b"\n{") == [b"{}"]
    assert decoder.flush() == [b"{"]
    assert decoder.flush() == []


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert decode(b"\xef\xbb", b"\xbf{}\n{}\n") == [b"{}", b"{}"]


@pytest.mark.parametrize("size", [1, 1000])
def test_a_line_longer_than_any_buffer_is_read(size: int) -> None:
    line = b"x" * 100_000
    pieces = [line[i : i + size] for i in range(0, len(line), size)]
    assert decode(*pieces, b"\n") == [line]
