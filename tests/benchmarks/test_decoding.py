"""What the decoding benchmark says is of whole answers, and their length costs no memory."""

from __future__ import annotations

from benchmarks.decoding import Decoding, Reading, report, run


def test_both_clients_read_every_chunk_and_keep_none() -> None:
    decoding = run(chunks=50_000, sdk_chunks=1_000)
    assert (decoding.ours.chunks, decoding.sdk.chunks) == (50_000, 1_000)
    assert decoding.ours.cpu > 0
    assert decoding.sdk.cpu > 0
    # The answer is 16 MB.
    assert decoding.ours.growth < 2
    assert decoding.ours.peak > 5


def test_the_report_compares_them() -> None:
    text = report(Decoding(Reading(300, 0.001, 40, 0.2), Reading(20, 0.001, 70, 0)))
    assert "| Parlance | 300,000 | 300 | 40 MB | 0.2 MB |" in text
    assert "| openai SDK | 20,000 | 20 | 70 MB | 0.0 MB |" in text
    assert "15.0 times as fast" in text
