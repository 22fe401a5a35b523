"""The process's standard output and error: whatever prints there shows no secret it knows.

The last net, below the log and every command: libraries print, too, and so does the interpreter.
"""

from __future__ import annotations

import io
import sys
import threading
from typing import TextIO

from providers.redact import learn, mask_known
from providers.secret_forms import url_secrets


def mask() -> None:
    """Pass all that is printed from now on through `mask_known`.

    URLs among the program's arguments are known from here on: what is wrong with arguments is told
    before any setting is read.
    """
    for argument in sys.argv[1:]:
        learn(url_secrets(argument.removeprefix("--to=")))
    sys.stdout, sys.stderr = _masked(sys.stdout), _masked(sys.stderr)


def _masked(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # Closed from outside, or a program's that runs us within it.
    stream.flush()
    return Masked(stream)


class Masked(io.TextIOWrapper):
    """Writes whole lines, or what there is at a `flush`: a secret may come in several pieces."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._lock = threading.RLock()
        self._held = ""
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
        )

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("only text can be written here")
        with self._lock:
            self._held += text
            if "\n" in text:
                self._release()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            self._release()
            super().flush()

    def _release(self) -> None:
        held, self._held = self._held, ""
        if held:
            super().write(mask_known(held))
