"""Which script answers which request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.llm.journal import Record

if TYPE_CHECKING:
    from sandbox.llm.script import Script

Condition = Callable[[Record], bool]


def last_user_message_contains(needle: str) -> Condition:
    def holds(record: Record) -> bool:
        texts = [message.text for message in record.messages if message.role == "user"]
        return bool(texts) and needle in texts[-1]

    return holds


@dataclass(slots=True)
class _Entry:
    script: Script
    when: Condition | None
    times: int | None
    """Requests it may still answer; None: any number."""


@dataclass(slots=True)
class Playbook:
    """Chooses by condition first, then from the queue, then the default.

    Within each of these the entry that was added first wins. Only requests that passed the
    protocol's checks choose, so a refused request uses nothing up.
    """

    default: Script
    _entries: list[_Entry] = field(default_factory=list)

    def add(self, script: Script, *, times: int | None, when: Condition | str | None) -> None:
        """Use `script` for the next `times` requests, those that meet `when`, or by default.

        A string as `when` is looked for in the last user message.
        """
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1, not {times}")
        if when is None and times is None:
            self.default = script
            return
        condition = last_user_message_contains(when) if isinstance(when, str) else when
        self._entries.append(_Entry(script, condition, times))

    def choose(self, record: Record) -> Script:
        """The script for this request; a counted entry loses one use."""
        entry = self._conditional(record) or next((e for e in self._entries if not e.when), None)
        if entry is None:
            return self.default
        if entry.times is not None:
            entry.times -= 1
            if not entry.times:
                self._entries.remove(entry)
        return entry.script

    def _conditional(self, record: Record) -> _Entry | None:
        return next((e for e in self._entries if e.when and e.when(record)), None)
