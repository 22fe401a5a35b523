"""Answers in which every word tells its place, so that a loss, a double or a swap is seen."""

from __future__ import annotations

import re


def numbered(count: int) -> str:
    return " ".join(f"w{n}" for n in range(count))


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\bw(\d+)\b", text)]
