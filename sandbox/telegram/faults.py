"""Faults on demand: which call meets which trouble. Pure but for the release of hanging calls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from sandbox.faults import FaultList

GET_UPDATES = "getupdates"
WEBHOOK = "webhook"
"""Stands for the method where a fault meets the deliveries to a webhook."""


class FaultKind(StrEnum):
    FLOOD = "flood"
    """429 with `seconds`; with `penalty`, the chat stays closed until they are over."""
    ERROR = "error"
    """Refused before it is applied with `status` and `description`, or `body` as it is; a 502 comes
    as nginx's page."""
    REFUSE_ENTITIES = "refuse_entities"
    """As ERROR, for calls that carry entities: they can't be parsed."""
    RESET = "reset"
    """The connection is reset before the call is applied."""
    DROP_AFTER_ACCEPT = "drop_after_accept"
    """The call is applied, then the connection is closed without an answer. For method "webhook":
    the bot took the update, and its answer never arrives."""
    HANG = "hang"
    """Nothing happens until the fault is released (then the call goes on) or the client goes."""
    SLOW = "slow"
    """`seconds` pass before the call is applied."""
    HOLD_AFTER_ACCEPT = "hold_after_accept"
    """The call is applied; its answer is held until the fault is released or the client goes."""
    WRONG_ANSWER = "wrong_answer"
    """The call is applied, then answered 200 with `body`."""


_LATE = (FaultKind.DROP_AFTER_ACCEPT, FaultKind.HOLD_AFTER_ACCEPT, FaultKind.WRONG_ANSWER)


@dataclass(slots=True)
class Fault:
    """What happens to the calls that match."""

    kind: FaultKind
    method: str | None = None
    """None: every method but getUpdates and webhook, which must be named."""
    chat_id: int | None = None
    """None: every chat, and the calls that name none."""
    containing: str = ""
    """Only calls whose text holds this."""
    count: int | None = 1
    """How many matching calls it meets; None: every one until it is cleared."""
    after: int = 0
    """How many matching calls pass first."""
    seconds: float = 0.0
    penalty: bool = True
    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    description: str = ""
    body: str = ""

    def __post_init__(self) -> None:
        self.kind = FaultKind(self.kind)
        if self.kind in (FaultKind.FLOOD, FaultKind.SLOW) and self.seconds <= 0:
            raise ValueError(f'a fault "{self.kind.value}" needs seconds greater than 0')

    def matches(
        self, method: str, chat_id: int | None, text: str = "", *, has_entities: bool
    ) -> bool:
        if self.method is None:
            named = method.lower() not in (GET_UPDATES, WEBHOOK)
        else:
            named = method.lower() == self.method.lower()
        here = self.chat_id in (None, chat_id) and self.containing in text
        return named and here and (has_entities or self.kind is not FaultKind.REFUSE_ENTITIES)


class Faults(FaultList[Fault]):
    def take(
        self, method: str, chat_id: int | None, text: str = "", *, has_entities: bool
    ) -> Fault | None:
        """The fault a call meets before it is applied, used up by one."""
        matching = [
            f for f in self._faults if f.matches(method, chat_id, text, has_entities=has_entities)
        ]
        return self._use([f for f in matching if f.kind not in _LATE])

    def take_accepted(self, method: str, chat_id: int | None, text: str = "") -> Fault | None:
        """The fault a call meets once it is applied, used up by one."""
        matching = [f for f in self._faults if f.matches(method, chat_id, text, has_entities=False)]
        return self._use([f for f in matching if f.kind in _LATE])
