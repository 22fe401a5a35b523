"""Newline-delimited JSON: bytes in, lines out.

https://github.com/ndjson/ndjson-spec; blank lines and a CR before the newline are allowed for.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class NdjsonDecoder:
    """Decodes a stream that arrives in chunks cut anywhere. Lines may be of any length."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        """Pieces of a line whose end has not come: joined once, so a long line costs no more."""
        self._at_start = True

    def decode(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes, without blank ones and their ends."""
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
        return [line for line in map(bytes.strip, lines) if line]

    def flush(self) -> list[bytes]:
        """Return the last line where its newline is missing."""
        return self.decode(b"\n")
