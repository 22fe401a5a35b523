"""Where a continuation repeats the end of what it continues."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.resume import LONGEST_OVERLAP, Seam, overlap


def joined(partial: str, *pieces: str) -> str:
    seam = Seam(partial)
    return partial + "".join(map(seam.write, pieces)) + seam.flush()


@pytest.mark.parametrize(
    ("partial", "continuation", "whole"),
    [
        ("The end is", " near", "The end is near"),
        ("The end is", "is near", "The end is near"),
        ("The end is", "The end is near", "The end is near"),
        ("The end i", "is near", "The end is near"),
        ("a long sentence th", "sentence that goes on", "a long sentence that goes on"),
        ("Grüße 您好, 世", "您好, 世界", "Grüße 您好, 世界"),
        ("the same", "the same", "the same"),
    ],
)
def test_a_repetition_is_left_out(partial: str, continuation: str, whole: str) -> None:
    assert joined(partial, continuation) == whole


@pytest.mark.parametrize(
    ("partial", "continuation"),
    [
        ("10", "0 apples"),
        ("bal", "loon"),
        ("f(x) }\n", "}\n"),
        ("wait.", ".. what"),
        ("within", "in it"),
        ("| a |\n| - |\n", "| b |"),
        ("", "all of it"),
    ],
)
def test_what_only_looks_like_one_stays(partial: str, continuation: str) -> None:
    assert joined(partial, continuation) == partial + continuation


def test_text_flows_as_soon_as_it_is_sure() -> None:
    seam = Seam("one two three")
    assert seam.write("two") == ""
    assert seam.write(" three") == ""
    assert seam.write(" four") == " four"
    assert seam.write(" three") == " three"


def test_text_that_repeats_nothing_is_not_held_back() -> None:
    assert Seam("one two three").write(" four") == " four"


@given(st.text("ab 1.\n"), st.text("ab 1.\n"), st.data())
def test_the_pieces_it_comes_in_change_nothing(
    partial: str, continuation: str, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(continuation)), max_size=5).map(sorted))
    places = [0, *cuts, len(continuation)]
    pieces = [continuation[a:b] for a, b in pairwise(places)]
    end = partial[-LONGEST_OVERLAP:]
    expected = partial + continuation[overlap(end, continuation) :]
    assert joined(partial, *pieces) == expected


@given(st.text(), st.text())
def test_nothing_is_lost_but_what_stands_there_already(partial: str, continuation: str) -> None:
    whole = joined(partial, continuation)
    assert whole.startswith(partial)
    added = whole[len(partial) :]
    assert continuation.endswith(added)
    assert partial.endswith(continuation[: len(continuation) - len(added)])


@given(st.text(min_size=8, max_size=LONGEST_OVERLAP), st.text(), st.text(min_size=1))
def test_a_long_repetition_is_always_found(tail: str, before: str, after: str) -> None:
    whole = joined(before + tail, tail + after)
    assert len(whole) <= len(before + tail + after)
