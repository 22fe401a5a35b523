"""Writes lines of formatted text in Discord's dialect."""

from __future__ import annotations

from bot.platforms.discord.dialect import (
    ENDS_SPOILER,
    INTERRUPTS,
    URL_MAY_END,
    ZERO_WIDTH,
    code_span,
    escaped,
    parts,
)

HIDDEN, BOLD, STRUCK, ITALIC = "||", "**", "~~", "*"
_STYLES = (HIDDEN, BOLD, STRUCK, ITALIC)
"""Of those that begin together, the first is the outermost: Discord reads `***a* b**`, but not
`***a** b*`."""


class Writer:
    """Markdown under construction.

    A span opens where text of its style is written, and closes where other text is, or the line
    ends. So none is empty, none begins or ends with white space, and neighbours are one.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._text: list[str] = []  # not yet escaped: that may depend on what follows
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
        self.end_text()
        if self._open:
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
        self._text.append(text)

    def end_text(self) -> None:
        """Text that follows is no part of the text before it, nor of a URL in that."""
        if not self._text:
            return
        text = "".join(self._text)
        self._text.clear()
        for part, is_url in parts(text) if "://" in text else ((text, False),):
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

    def code(self, code: str) -> None:
        self.end_text()
        self._verbatim(code_span(code))

    def open(self, style: str) -> None:
        if style not in self._wanted:
            self.end_text()
        self._wanted.append(style)

    def close(self) -> None:
        """End the style that was opened last."""
        if self._wanted[-1] not in self._wanted[:-1]:
            self.end_text()
        self._wanted.pop()

    def open_label(self) -> None:
        """Begin the text of a link; it is maskable."""
        self.end_text()
        self._put("[")
        self._in_label = True

    def close_label(self, target: str) -> None:
        self.end_text()
        self._close_unwanted()
        self._pieces.append(f"]({target})")
        self._in_label = False

    # Pieces

    def _verbatim(self, markdown: str) -> None:
        """Write what can't be escaped: it stands in no span that it would end."""
        wanted = self._wanted
        if INTERRUPTS.search(markdown):
            # What is hidden stays hidden where it can.
            hidden = HIDDEN in wanted and not ENDS_SPOILER.search(markdown)
            self._wanted = [HIDDEN] if hidden else []
        self._put(markdown)
        self._wanted = wanted

    def _put(self, markdown: str) -> None:
        """Write a piece in the wanted styles."""
        opening = self._change_styles() if self._open or self._wanted else ""
        if self._at_line_start:
            self._space = ""
            self._at_line_start = False
        elif not self._space:
            self._join(opening + markdown)
        else:
            self._bare_url = None
        self._pieces += (self._space + opening, markdown)
        self._space = ""

    def _change_styles(self) -> str:
        """Close what is not wanted; return what opens the rest of what is."""
        self._close_unwanted()
        opened = [style for style in _STYLES if style in self._wanted and style not in self._open]
        self._open += opened
        return "".join(opened)

    def _close_unwanted(self) -> None:
        """Close the outermost style that is not wanted, and those in it."""
        kept = 0
        while kept < len(self._open) and self._open[kept] in self._wanted:
            kept += 1
        closing = "".join(reversed(self._open[kept:]))
        if not closing:
            return
        # These end where they are first written, be it behind a backslash.
        if closing.startswith((STRUCK, HIDDEN)) and self.ends_with(closing[0]):
            closing = ZERO_WIDTH + closing
        self._pieces.append(closing)
        self._bare_url = None
        del self._open[kept:]

    def _join(self, following: str) -> None:
        """Keep what follows directly from being part of what was written last."""
        if self._bare_url is not None:
            self._end_url(following)
        if following[0] in "*~`|" and self.ends_with(following[0]):
            self._space = ZERO_WIDTH

    def _end_url(self, following: str) -> None:
        """Set the bare URL off, by brackets if it can be, where it would go on in what follows."""
        assert self._bare_url is not None
        url = self._pieces[self._bare_url]
        rest = URL_MAY_END.sub("", following, count=1)
        if rest and not rest[0].isspace():
            if ">" in url:
                self._space = " "
            else:
                self._pieces[self._bare_url] = f"<{url}>"
        if rest:
            self._bare_url = None
