"""Every fault in every protocol: what the reader gets, and what docs/faults.md says of it."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter

import pytest
from fault_matrix import FAULTS, PAGE, TEXT, Matrix, page, run
from model_servers import KEY, KINDS

from providers.registry import capabilities
from sandbox.llm.script import CleanEnd, Cut, Malformed, Stall, StreamError

STREAMED = {kind for kind in KINDS if capabilities(kind).supports_stream}
AFTER_TWO_TOKENS = (StreamError, Cut, CleanEnd, Stall, Malformed)


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return asyncio.run(run())


def test_the_page_says_what_happens(matrix: Matrix) -> None:
    assert page(matrix) == PAGE.read_text("utf-8"), "`make faults` writes docs/faults.md anew"


def test_every_question_ends_in_an_answer_or_in_an_error(matrix: Matrix) -> None:
    assert len(matrix.outcomes) == len(FAULTS) * len(KINDS)
    for one in matrix.outcomes:
        assert one.heard.finished is (one.error is None), (one.fault.name, one.kind)


def test_only_raw_text_can_pass_for_an_answer(matrix: Matrix) -> None:
    assert {one.kind for one in matrix.outcomes if not one.error and one.heard.text != TEXT} == {
        "yqcloud"
    }


def test_what_came_before_a_fault_is_kept_and_nothing_else_is_shown(matrix: Matrix) -> None:
    kept = 0
    for one in matrix.outcomes:
        if not one.error:
            continue
        fault = one.fault.script.fault
        if isinstance(fault, AFTER_TWO_TOKENS) and fault.after == 2 and one.kind in STREAMED:
            kept += 1
            assert one.heard.text.startswith("Grüße, alpha"), (one.fault.name, one.kind)
        assert TEXT.startswith(one.heard.text), (one.fault.name, one.kind)
    assert kept == 7 * len(STREAMED) - 2  # of yqcloud, two are no error


def test_no_secret_is_told_to_anybody(matrix: Matrix) -> None:
    told = [PAGE.read_text("utf-8"), *matrix.logged]
    for one in matrix.outcomes:
        if one.error:
            told += [repr(one.error), one.reads, "".join(traceback.format_exception(one.error))]
    assert matrix.tokens
    for secret in (KEY, *matrix.tokens):
        assert [text for text in told if secret in text] == []
    repeated = [str(o.error) for o in matrix.outcomes if o.fault.name == "401 that repeats the key"]
    assert len(repeated) == len(KINDS)
    assert all("Incorrect API key provided: ***." in message for message in repeated)


def test_no_provider_asks_twice_by_itself(matrix: Matrix) -> None:
    asked = Counter(
        (record.api, record.messages[-1].text) for record in matrix.requests if record.messages
    )
    once = [kind for kind in KINDS if kind != "gptalk"]  # which takes several calls for one answer
    assert {(kind, fault.name): 1 for fault in FAULTS for kind in once}.items() <= asked.items()


def test_a_server_that_stalls_is_left(matrix: Matrix) -> None:
    stalling = {fault.name for fault in FAULTS if fault.stalls}
    left = [
        record.client_closed_at
        for record in matrix.requests
        if record.messages and record.messages[-1].text in stalling
        if not record.path.endswith("/text") or record.api != "gptalk"
    ]
    assert len(left) == len(stalling) * len(KINDS)
    assert None not in left
