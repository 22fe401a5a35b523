"""Writes lines of formatted text in Discord's dialect."""

from __future__ import annotations

from bot.platforms.discord.dialect import (
    INTERRUPTS,
    URL_MAY_END,
    ZERO_WIDTH,
    code_span,
    escaped,
    parts,
)

BOLD, STRUCK, ITALIC = "**", "~~", "*"
_STYLES = (BOLD, STRUCK, ITALIC)
"""Of those that begin together, the first is the outermost: Discord reads `***a* b**`, but not
`***a** b*`."""


class Writer:
    """Markdown under construction.

    A span opens where text of its style is written, and closes where other text is, or the line
    ends. So none is empty, none begins or ends with white space, and neighbours are one.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._text = ""  # not yet escaped: that may depend on what follows
        self._space = ""  # stands between two pieces, never at the end of a line
        self._wanted: list[str] = []  # the styles of what is written next
        self._open: list[str] = []  # the styles of what was written last, from outside in
        self._bare_url: int | None = None  # the piece that would go on in the next one
        self._at_line_start = True
        self._in_label = False

    def __str__(self) -> str:
        """What is written; the last line has ended."""
        return "".join(self._pieces)

    @property
    def empty(self) -> bool:
        return not self._pieces

    def ends_with(self, markup: str) -> bool:
        return bool(self._pieces) and self._pieces[-1].endswith(markup)

    # Lines

    def begin_line(self, prefix: str) -> None:
        """The prefix is markup."""
        self._pieces.append(prefix)
        self._at_line_start = True

    def end_line(self) -> None:
        self._flush()
        wanted, self._wanted = self._wanted, []
        self._close_unwanted()
        self._wanted = wanted
        self._space = ""
        self._bare_url = None

    def markup(self, markup: str) -> None:
        """Write what is not to be escaped and stands in no span."""
        self._pieces.append(markup)

    # Text

    def text(self, text: str) -> None:
        self._text += text

    def code(self, code: str) -> None:
        self._flush()
        self._verbatim(code_span(code))

    def url(self, url: str) -> None:
        """Write a link that shows its URL."""
        self._flush()
        self._verbatim(f"<{url}>")

    def open(self, style: str) -> None:
        if style not in self._wanted:
            self._flush()
        self._wanted.append(style)

    def close(self) -> None:
        """End the style that was opened last."""
        if self._wanted[-1] not in self._wanted[:-1]:
            self._flush()
        self._wanted.pop()

    def open_label(self) -> None:
        """Begin the text of a link; it is maskable."""
        self._flush()
        self._put("[")
        self._in_label = True

    def close_label(self, target: str) -> None:
        self._flush()
        self._close_unwanted()
        self._pieces.append(f"]({target})")
        self._in_label = False

    # Pieces

    def _flush(self) -> None:
        """Write the text that is complete."""
        text, self._text = self._text, ""
        for part, is_url in parts(text):
            core = part.strip()
            if not core:
                self._space += part
                continue
            start = part.index(core)
            self._space += part[:start]
            if is_url:
                self._verbatim(core)
                self._bare_url = len(self._pieces) - 1
            elif self._in_label:
                self._put(core)
            else:
                self._put(escaped(core, at_line_start=self._at_line_start))
            self._space += part[start + len(core) :]

    def _verbatim(self, markdown: str) -> None:
        """Write what can't be escaped: it stands in no span that it would end."""
        wanted = self._wanted
        if INTERRUPTS.search(markdown):
            self._wanted = []
        self._put(markdown)
        self._wanted = wanted

    def _put(self, markdown: str) -> None:
        """Write a piece in the wanted styles."""
        closed = self._close_unwanted()
        opened = [style for style in _STYLES if style in self._wanted and style not in self._open]
        self._open += opened
        opening = "".join(opened)
        if self._at_line_start:
            self._space = ""
        elif not self._space:
            first = (opening + markdown)[0]
            if not closed:
                self._end_url(opening + markdown)
            if first in "*~`" and self._pieces[-1].endswith(first):
                self._space = ZERO_WIDTH
        if closed or self._space:
            self._bare_url = None
        self._pieces += (self._space + opening, markdown)
        self._space = ""
        self._at_line_start = False

    def _close_unwanted(self) -> bool:
        """Close the outermost style that is not wanted, and those in it; whether there are any."""
        kept = 0
        while kept < len(self._open) and self._open[kept] in self._wanted:
            kept += 1
        closing = "".join(reversed(self._open[kept:]))
        if not closing:
            return False
        if closing.startswith(STRUCK) and self._pieces[-1].endswith("~"):
            closing = ZERO_WIDTH + closing
        self._pieces.append(closing)
        del self._open[kept:]
        return True

    def _end_url(self, following: str) -> None:
        """Keep what follows a bare URL directly from being part of it."""
        if self._bare_url is None:
            return
        rest = URL_MAY_END.sub("", following, count=1)
        if rest and not rest[0].isspace():
            self._pieces[self._bare_url] = f"<{self._pieces[self._bare_url]}>"
        if rest:
            self._bare_url = None
