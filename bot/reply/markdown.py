"""Markdown as a model writes it, read into tokens.

CommonMark with tables, strikethrough and task lists, and three deliberate differences, so that
nothing a model writes is lost: HTML is text, a single tilde is text (`~5` means "about 5"), and
a link reference definition (`[1]: https://…`) is text.

What a model in a loop writes may be of any form, so the work must be bounded whatever the text: a
document that is nested deeper than `DEEPEST`, or that has far more parts than anybody writes, is
read as plain text. Everything else here takes steps in proportion to the source.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import pyromark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTINUED = "\x04"
"""Stands where a page takes up a block in its middle: the list markers before it are not shown.

Every markup leaves it out; it is never part of what a model wrote.
"""


class Token(NamedTuple):
    """A piece of Markdown; a block or span gives one token at its start and one at its end.

    `start` and `end` are offsets in the source, in characters.
    """

    kind: str
    """Text, Code, SoftBreak, HardBreak, Rule, TaskListMarker; Paragraph, Heading, BlockQuote,
    List, Item, CodeBlock, Table, TableHead, TableRow, TableCell, Emphasis, Strong, Strikethrough,
    Spoiler, Link, Image at a start, and the same with a slash before it at an end."""
    value: str
    """Text and Code: what is shown. Heading: its level. Item: its marker as written, with the
    spaces up to the content. CodeBlock: the info string. Link, Image: the URL. Table: n, l, c or r
    for each column. TaskListMarker: x where it is ticked."""
    start: int
    end: int


DEEPEST = 48
"""Blocks and spans that may stand in each other: what a token costs grows with those around it."""
MOST_EVENTS, EVENTS_PER_CHARACTER = 1_500, 0.5
"""What the parser may make of a source, and how much more of each of its characters. Ordinary prose
comes to 0.2 a character, a dense table to 0.9. (The parser fills up short table rows: a wide
header makes thousands of cells of a few characters.)"""
SPARE = 16
"""Of the bounds, what `parse_last_leaf` leaves for the closing marks that may be added."""

SPANS = frozenset({"Emphasis", "Strong", "Strikethrough", "Spoiler", "Link", "Image"})
ATOMS = frozenset({"Text", "Code", "SoftBreak", "HardBreak", "TaskListMarker"})
INLINE = SPANS | ATOMS | {f"/{kind}" for kind in SPANS}

_OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
)
# The parser knows no spoilers, but superscript, `^^x^^`, which is of the same form.
_WITH_SPOILERS = _OPTIONS | pyromark.Options.ENABLE_SUPERSCRIPT
_UNWANTED = re.compile(r"[\x00-\x03\x05-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MARKER = re.compile(r"[\s>]*((?:[-*+]|\d{1,9}[.)])(?: {1,4}(?=[^ \n])| ?))")

# The parser has no switch for HTML and the like. So each character that would begin it is hidden
# behind a control character of the same length, and shown again in what the parser returns.
_HIDDEN = str.maketrans("<~:", "\x01\x02\x03")
_SHOWN = str.maketrans("\x01\x02\x03", "<~:")
_SPOILERS_SHOWN = str.maketrans("\x01\x02\x03^\x05", "<~:|^")
# A table goes from the line above its delimiter row to an empty line. There, a line in which bars
# stand by twos is no row. (A bar that ends the text may be half of what is to come.)
_TABLE = re.compile(
    r"^.+\n(?=[ \t>|:*+-]+$)(?=.*-)(?=.*\|).+(?:\n(?![ \t>]*$).*)*\n?", re.MULTILINE
)
_NO_ROW = re.compile(r"^(?=.*\|\|)(?:[^|\\\n]|\\.|\|\|(?!\|))*(?:\|\Z|\\?$)(?!\|)", re.MULTILINE)
_BARS = re.compile(r"(\\.|\|{3,})|\|\|")
_NAMES = {"Superscript": "Spoiler"}
"""What the parser calls otherwise."""
_LINES = re.compile(r"\n|[^\n]+")
_ESCAPE = re.compile(r"\\(?:[\s\S]|\Z)")
_SPECIAL = re.compile(
    r"""
      \\[\s\S]                                      # an escape
    | \]\( (?: <[^<>\n]*>(?=[)\s])                  # ](<URL>
             | [^\s<>()]+ (?:\([^\s<>()]*\)[^\s<>()]*)* )  # ](URL
    | <[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*>        # <https://…>
    | <[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+>      # <a@b.c>
    | ~~+
    | ( < | ~ | \]: )                                # what is hidden
    """,
    re.VERBOSE,
)


def clean(text: str) -> str:
    """Without control characters; lone surrogates are replaced. `parse` takes only clean text."""
    return _UNWANTED.sub(lambda match: "\ufffd" if match[0] >= "\ud800" else "", text)


def parse(source: str) -> list[Token]:
    """All tokens in order; `source` is clean. Never fails: beyond the bounds, all is text."""
    parsed = _Parsed(source)
    if parsed.events is None:
        return _plain(source)
    return [parsed.token(event, span) for event, span in parsed.events]


def parse_last_leaf(source: str) -> list[Token]:
    """The tokens of the last block that holds text or code, its own start first.

    Empty where no such block ends the source, and where the source is plain text, or nearly is. A
    tight list item's text starts with its Item, or, where the text follows another block, with the
    end of that block.
    """
    parsed = _Parsed(source, SPARE)
    if parsed.events is None:
        return []
    tokens: list[Token] = []
    for event, span in reversed(parsed.events):
        token = parsed.token(event, span)
        if token.kind in INLINE:
            tokens.append(token)
        elif token.kind == "TableCell" and token.start == token.end:
            continue  # not written yet: the parser fills up short rows
        elif tokens or token.kind == "CodeBlock":
            tokens.append(token)
            break
        elif not token.kind.startswith("/"):
            return []
    tokens.reverse()
    return tokens


def _with_spoilers(source: str) -> str:
    """`||` as the superscript that the parser knows, where it may mark a spoiler.

    Every caret is hidden: what the parser gives back as one was a bar.
    """
    source = source.replace("^", "\x05")
    parts, end = [], 0
    for table in _TABLE.finditer(source):
        parts += [
            _BARS.sub(_as_superscript, source[end : table.start()]),
            _NO_ROW.sub(lambda line: _BARS.sub(_as_superscript, line[0]), table[0]),
        ]
        end = table.end()
    return "".join([*parts, _BARS.sub(_as_superscript, source[end:])])


def _as_superscript(bars: re.Match[str]) -> str:
    return bars[0] if bars[1] else "^^"


def _hide(match: re.Match[str]) -> str:
    return match[0].translate(_HIDDEN) if match[1] else match[0]


def _plain(source: str) -> list[Token]:
    """The lines of `source` as one paragraph without any markup."""
    end = len(source)
    tokens = [Token("Paragraph", "", 0, end)]
    for part in _LINES.finditer(source, len(source) - len(source.lstrip("\n"))):
        kind, value = ("SoftBreak", "") if part[0] == "\n" else ("Text", part[0])
        tokens.append(Token(kind, value, *part.span()))
    return [*tokens, Token("/Paragraph", "", 0, end)]


def escapes(source: str) -> frozenset[int]:
    """The positions of all characters from which a backslash takes the meaning."""
    if "\\" not in source:
        return frozenset()
    return frozenset(match.start() + 1 for match in _ESCAPE.finditer(source))


def escaped(source: str, position: int) -> bool:
    """Whether the character at `position` is one of `escapes`; for one look."""
    first = position
    while first and source[first - 1] == "\\":
        first -= 1
    return (position - first) % 2 == 1


def verbatim(source: str, token: Token) -> bool:
    """Whether a Text token stands in the source as it is shown: it is no entity."""
    return source[token.start : token.end] == token.value


_Event: TypeAlias = str | dict[str, Any]
"""As the parser has it: a bare name, or a dict of one key."""

_CONTINUATION_BYTES = range(0x80, 0xC0)
_FIRST_BYTES = bytes(byte not in _CONTINUATION_BYTES for byte in range(256))
"""1 for a byte that begins a character in UTF-8, 0 for the others."""


def _within(
    parsed: Iterator[tuple[_Event, dict[str, int]]], deepest: int, most: int
) -> list[tuple[_Event, dict[str, int]]] | None:
    """The events; None where they go beyond a bound, of which no more is asked then."""
    events: list[tuple[_Event, dict[str, int]]] = []
    depth = 0
    for each in parsed:
        events.append(each)
        event = each[0]
        if "Start" in event:
            depth += 1
            if depth > deepest or len(events) > most:
                return None
        elif "End" in event:
            depth -= 1
    return None if len(events) > most else events


class _Parsed:
    """The parser's events, and what makes tokens of them."""

    def __init__(self, source: str, spare: int = 0) -> None:
        """`spare` is left of the bounds."""
        self._source = source
        hidden = _SPECIAL.sub(_hide, source)
        self._shows = _SHOWN if hidden != source else None
        options = _OPTIONS
        if "||" in source:
            hidden, options, self._shows = _with_spoilers(hidden), _WITH_SPOILERS, _SPOILERS_SHOWN
        most = MOST_EVENTS + int(EVENTS_PER_CHARACTER * len(source)) - 4 * spare
        events = cast(
            "Iterator[tuple[_Event, dict[str, int]]]",
            pyromark.events_with_range(hidden, options=options),
        )
        self.events = _within(events, DEEPEST - spare, most)
        """None where there are too many, or they are nested too deep."""
        # The offset in characters for each offset in bytes, which is what the parser counts.
        self._offset: Sequence[int] = (
            range(len(source) + 1)
            if source.isascii()
            else list(accumulate(source.encode().translate(_FIRST_BYTES), initial=0))
        )

    def token(self, event: _Event, span: dict[str, int]) -> Token:
        start, end = self._offset[span["start"]], self._offset[span["end"]]
        if isinstance(event, str):
            return Token(event, "", start, end)
        ((kind, value),) = event.items()
        match kind:
            case "Start":
                return self._start(value, start, end)
            case "End":
                name = value if isinstance(value, str) else next(iter(value))
                return Token("/" + _NAMES.get(name, name), "", start, end)
            case "TaskListMarker":
                return Token(kind, "x" if value else "", start, end)
            case "Code":
                return Token(kind, self._shown(value), start, end)
        return Token("Text", self._shown(value), start, end)

    def _start(self, tag: _Event, start: int, end: int) -> Token:
        if tag == "Item":
            # After a tab the parser's range begins somewhat early.
            marker = _MARKER.match(self._source, start)
            return (
                Token("Item", marker[1], marker.start(1), end)
                if marker
                else Token("Item", "- ", start, end)
            )
        if isinstance(tag, str):
            return Token(_NAMES.get(tag, tag), "", start, end)
        ((kind, detail),) = tag.items()
        return Token(kind, self._detail(kind, detail), start, end)

    def _detail(self, kind: str, detail: Any) -> str:  # noqa: ANN401  # as the parser has it
        match kind:
            case "Heading":
                return str(detail["level"]).removeprefix("H")
            case "CodeBlock":
                return "" if detail == "Indented" else self._shown(detail["Fenced"])
            case "Link" | "Image":
                scheme = "mailto:" if detail["link_type"] == "Email" else ""
                return scheme + self._shown(detail["dest_url"])
            case "Table":
                return "".join(alignment[0].lower() for alignment in detail)
        return ""

    def _shown(self, text: str) -> str:
        return text.translate(self._shows) if self._shows else text
