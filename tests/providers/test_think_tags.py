"""`<think>` at the start of an answer is reasoning, wherever the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import ReasoningDelta, TextDelta
from providers.think import ThinkSplitter, overlap


def split(*pieces: str) -> tuple[str, str]:
    splitter = ThinkSplitter()
    deltas = [delta for piece in pieces for delta in splitter.feed(piece)]
    deltas += splitter.flush()
    assert all(delta.text for delta in deltas)
    return (
        "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta)),
        "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)),
    )


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("<think>so</think>\n\nYes", "so", "Yes"),
        ("\n<think>\nso</think>Yes", "so", "Yes"),
        ("<think></think>Yes", "", "Yes"),
        ("Yes <think>no</think>", "", "Yes <think>no</think>"),
        ("<think>a < b </thin no</think>Yes </think>", "a < b </thin no", "Yes </think>"),
        ("<think>never closed", "never closed", ""),
        ("<thinking>", "", "<thinking>"),
        ("  plain", "", "  plain"),
        ("<thi", "", "<thi"),
    ],
)
def test_thought_and_answer_are_told_apart(text: str, thought: str, answer: str) -> None:
    assert split(text) == (thought, answer)
    assert split(*text) == (thought, answer)


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "th", "ink>", " ", "word", "\n"])))
def test_one_piece_or_many_make_no_difference(pieces: list[str]) -> None:
    assert split(*pieces) == split("".join(pieces))


def test_plain_text_is_not_held_back() -> None:
    assert list(ThinkSplitter().feed("Y")) == [TextDelta("Y")]


@given(st.text("ab<"), st.text("ab<", min_size=1))
def test_overlap_is_the_longest_end_that_may_begin_the_marker(text: str, marker: str) -> None:
    lengths = [n for n in range(1, len(marker)) if marker[:n] == text[-n:]]
    assert overlap(text, marker) == max(lengths, default=0)


def test_nothing_overlaps_an_empty_marker() -> None:
    assert overlap("text", "") == 0
