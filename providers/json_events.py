"""What the streamed formats share: JSON objects in server-sent events, and the text in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from providers.ending import End, Ending
from providers.errors import error_from_payload
from providers.payload import is_done, read_event, read_objects
from providers.speech import Speech
from providers.sse import SseDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from providers.base import Event
    from providers.payload import Payload
    from providers.sse import SseEvent

_BLANK = b"\xef\xbb\xbf \t\r\n"


class JsonEventDecoder(ABC):
    """Decodes JSON objects in SSE, or one whole document; a `providers.answer.Decoder`.

    A document is an answer that was not streamed, an error, or some proxy's web page, whatever
    its content type says. A format says what its objects mean.
    """

    def __init__(self, *, marker: bool = False) -> None:
        """`marker`: as for `Ending`."""
        self._ending = Ending(marker=marker)
        self._speech = Speech()
        self._opening = b""
        """Blank bytes before the body shows whether it is SSE or a whole document."""
        self._document: list[bytes] | None = None
        self._sse: SseDecoder | None = None

    @property
    def end(self) -> End:
        return self._ending.state

    def decode(self, chunk: bytes) -> Iterator[Event]:
        if self._sse is None and self._document is None:
            chunk = self._opening = self._opening + chunk
            self._choose_format()
        if self._document is not None:
            self._document.append(chunk)
        elif self._sse is not None:
            yield from self._read_events(self._sse.decode(chunk))

    def flush(self) -> Iterator[Event]:
        if self._document is not None:
            for payload in read_objects(b"".join(self._document).strip(_BLANK)):
                yield from self._read_whole(payload)
            self._ending.mark()
        if self._sse is not None:
            yield from self._read_events(self._sse.flush())
        if self._may_end():
            yield from self._end()

    def drain(self) -> Iterable[Event]:
        return self._speech.drain()

    def _choose_format(self) -> None:
        first = self._opening.lstrip(_BLANK)[:1]
        if first in {b"{", b"[", b"<"}:
            self._document = []
        elif first:
            self._sse = SseDecoder()

    def _read_events(self, events: list[SseEvent]) -> Iterator[Event]:
        for event in events:
            if is_done(event.data):
                yield from self._done()
                continue
            payload = read_event(event)
            if event.type == "error":
                raise error_from_payload(payload)
            if payload is not None:
                yield from self._read(payload)

    def _done(self) -> Iterable[Event]:
        """Return what `[DONE]` completes, a marker that most formats have no need of."""
        return self._end() if self._may_end() else ()

    def _may_end(self) -> bool:
        """Tell whether the body may end here; elsewhere its end is a truncation."""
        return bool(self._ending.reason) or self.end is End.CERTAIN

    @abstractmethod
    def _read(self, payload: Payload) -> Iterable[Event]:
        """Return what one event adds."""

    @abstractmethod
    def _read_whole(self, payload: Payload) -> Iterable[Event]:
        """Return what is in an answer that was not streamed."""

    @abstractmethod
    def _end(self) -> Iterable[Event]:
        """Return the last events, with Finish last, or raise how the answer failed."""
