"""Lone surrogates: joined where both halves come, U+FFFD where one does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.surrogates import SurrogateJoiner, dump_json, parse_json, repair

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def utf16_units(text: str) -> list[str]:
    """The text cut at UTF-16 units, as a careless server cuts it."""
    coded = text.encode("utf-16-le", "surrogatepass")
    return [chr(int.from_bytes(coded[i : i + 2], "little")) for i in range(0, len(coded), 2)]


def join(pieces: list[str]) -> str:
    joiner = SurrogateJoiner()
    return "".join([*map(joiner.feed, pieces), joiner.flush()])


@given(st.text())
def test_text_cut_at_every_unit_is_joined_again(text: str) -> None:
    assert join(utf16_units(text)) == text


@given(st.lists(ANY_TEXT))
def test_nothing_that_comes_out_holds_a_surrogate(pieces: list[str]) -> None:
    joiner = SurrogateJoiner()
    for piece in [*map(joiner.feed, pieces), joiner.flush()]:
        piece.encode()


@given(st.lists(ANY_TEXT))
def test_where_it_is_cut_makes_no_difference(pieces: list[str]) -> None:
    assert join(pieces) == repair("".join(pieces))


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        (["\ud83d", "\ude00"], "😀"),
        (["\ud83d", "", "\ude00!"], "😀!"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["\ude00"], "\ufffd"),
        (["a\ud83d"], "a\ufffd"),
        (["\ud83d", "\ud83d\ude00"], "\ufffd😀"),
    ],
)
def test_a_half_without_its_partner_becomes_a_replacement(pieces: list[str], joined: str) -> None:
    assert join(pieces) == joined


def test_json_with_lone_surrogates_and_broken_utf8_is_parsed() -> None:
    assert parse_json(rb'{"a": "\ud83d"}') == {"a": "\ud83d"}
    assert parse_json(b'["\xff"]') == ["\ufffd"]


@pytest.mark.parametrize("broken", [b"", b"{", b"data", b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(broken: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(broken)


@given(ANY_TEXT)
def test_any_text_can_be_written_as_json(text: str) -> None:
    assert parse_json(dump_json({"text": text})) == {"text": repair(text)}
