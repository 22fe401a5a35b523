"""Server-sent events: bytes in, events out.

The grammar is https://html.spec.whatwg.org/multipage/server-sent-events.html, with three
additions that model servers need: the last event counts although its blank line is missing, a
non-standard `error:` field (old llama.cpp) is an event of type `error`, and lines of JSON without
`data:` are an event (Gemini's errors amid the stream: https://github.com/vercel/ai/issues/5217).
"""

from __future__ import annotations

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    data: bytes
    """The `data` lines joined by newlines; bytes, because a JSON parser takes them as they are."""
    type: str = "message"


class SseDecoder:
    """Decodes a stream that arrives in chunks cut anywhere. Lines may be of any length.

    `id` and `retry` are for clients that reconnect: they are ignored, as are comments.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        """Pieces of a line whose end has not come: joined once, so a long line costs no more."""
        self._data: list[bytes] = []
        self._type = "message"
        self._in_json = False
        """The lines of this event are bare JSON."""
        self._after_cr = False
        """The last chunk ended in CR: a LF that comes first belongs to it."""
        self._at_start = True

    def decode(self, chunk: bytes) -> list[SseEvent]:
        """Return the events that `chunk` completes."""
        events: list[SseEvent] = []
        data = self._data
        for line in self._complete_lines(chunk):
            if line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif line:
                self._field(line)
            else:
                if data:
                    events.append(SseEvent(b"\n".join(data), self._type))
                    data.clear()
                self._type = "message"
                self._in_json = False
        return events

    def flush(self) -> list[SseEvent]:
        """Return the event that the end of the stream completes, if any."""
        return self.decode(b"\n\n") if self._line or self._data else []

    def _complete_lines(self, chunk: bytes) -> list[bytes]:
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            lines[0] = b"".join((*self._line, lines[0]))
            self._line.clear()
        if rest:
            self._line.append(rest)
        if lines and self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        return lines

    def _field(self, line: bytes) -> None:
        if self._in_json or line.startswith((b"{", b"[")):
            self._in_json = True
            self._data.append(line)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._type = value.decode("utf-8", "replace")
        elif name == b"error":
            self._type = "error"
            self._data.append(value)
        elif name == b"data":
            self._data.append(value)
