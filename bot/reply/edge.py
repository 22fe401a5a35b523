"""The streaming edge: Markdown cut off anywhere → Markdown that is safe to show.

What is shown of an unfinished answer must not flicker: no marker is shown as text that becomes
formatting a moment later. Only the last line and the last block can hold such a marker, so only
they are changed, in this order:

1. A last line that may yet become anything (`-`, `1.`, "```p", `- [`, a table's header) waits.
2. An inline construct whose end is not written (a link, `&am`, `<https://…`) waits.
3. Code and emphasis that are open are closed.

Text that only looks like markup (`2 ** 3`, `*args`) may lose its marker for a while; the finished
answer is rendered from its source, without `heal`, and so is complete.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bot.reply.markdown import ATOMS, SPANS, Token, clean, escaped, parse_last_leaf, verbatim

LONGEST_LINK_TEXT = 200
"""Characters. `[` is text where no `]` follows for so long: better a flicker than a stall."""
LONGEST_HEADER = 200
"""Characters. `a | b` is text, and no table's header, where its line goes on for so long."""

# A line of nothing but markers, and digits that may become one: a list item, a heading, a task
# box, a rule, an underlined heading, a fence, a table's delimiter row, or the start of emphasis.
_M = r"[ \t>*+=_~`#|:-]*+"
_MARKERS_ONLY = re.compile(rf"{_M}(?:\d{{1,9}}[.)]?{_M})?(?:\[[ xX]?\]?{_M})?")
_CONTAINERS = r"[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t][ \t>]*+)*+"
_FENCE = re.compile(r"`+|~+")
_FENCE_OPENING = re.compile(rf"{_CONTAINERS}(?:```+[^`]*|~~~+.*)")
_FENCE_CLOSING = re.compile(r"[ \t>]*+(?:`+|~+)[ \t]*")
_ROW_OPENING = re.compile(rf"{_CONTAINERS}(?=\|(?!\|[^\s|]))")
_BAR = re.compile(r"(?<!\|)\|(?!\|)")

# The start of an image, a strikethrough, an entity or an autolink, or a backslash.
_WAITING = re.compile(
    r"(?:!+|(?<!~)~|&(?:\#?[0-9A-Za-z]{0,31})|<(?:[0-9A-Za-z][!-;=?-_a-~]*)?|\\)\Z"
)
# What may follow `[text]` in a link that is not closed yet: (url "title"; in a quote, `>` begins
# the lines.
_TITLES = r"""(?: "(?:[^"\\]|\\.)*+"? | '(?:[^'\\]|\\.)*+'? | \((?:[^()\\]|\\.)*+\)? ) \\?"""
_DESTINATION = re.compile(
    rf"\( [\s>]*+ (?: <[^<>\n]*>? | [^\s<]\S* )? (?: \s[\s>]*+ (?:{_TITLES})? \s* )?",
    re.VERBOSE | re.DOTALL,
)

# What may stand after the text of a block that goes on.
_OPEN_LINE = re.compile(r"[ \t]*")
_OPEN_PARAGRAPH = re.compile(r"[ \t]*(?:\n[ \t>]*)?")

_DELIMITERS = frozenset("*_~|`")


class _Run(NamedTuple):
    """Delimiters or brackets that the parser took for text, as nothing matches them so far."""

    text: str
    start: int
    end: int


def heal(markdown: str) -> str:
    """What to show of an answer of which `markdown` is all that has been written so far."""
    source = clean(markdown)
    text = _without_marker_line(source)
    leaf = parse_last_leaf(text)
    if _is_open_code_block(text, leaf):
        return source if _goes_on_as_code(source, len(text)) else text
    # What is held back may uncover what waits, too.
    while (finished := _without_unfinished(text, leaf)) != text:
        text = finished
        leaf = parse_last_leaf(text)
    return _with_emphasis_closed(text, leaf)


def interrupted(markdown: str) -> str:
    """An answer that goes no further, with nothing held back, fit for a block to follow it."""
    text = clean(markdown)
    healed = heal(text)
    if healed.startswith(text.rstrip()):
        text = healed
    leaf = parse_last_leaf(f"{text}\n\nnext block")
    fence = _FENCE.match(text, leaf[0].start) if leaf and leaf[0].kind == "CodeBlock" else None
    return f"{text.rstrip()}\n{fence[0]}" if fence else text


def _without_marker_line(text: str) -> str:
    start = text.rfind("\n") + 1
    if _MARKERS_ONLY.fullmatch(text, start) or _FENCE_OPENING.fullmatch(text, start):
        return text[:start]
    return text


def _is_open_code_block(text: str, leaf: list[Token]) -> bool:
    """Whether a line that is added to `text` is code; indented code is left as it is, too."""
    if not leaf or leaf[0].kind != "CodeBlock":
        return False
    block = leaf[0]
    first, _, rest = text[block.start : block.end].rstrip().partition("\n")
    fence = _FENCE.match(first)
    last = rest.rpartition("\n")[2].strip(" \t>")
    closed = fence and last.startswith(fence[0]) and not last.strip(fence[0])
    return not closed and not text[block.end :].strip()


def _goes_on_as_code(source: str, line: int) -> bool:
    """Whether the last line, of markers only, belongs to the code above it, and can't close it."""
    if line == len(source) or _FENCE_CLOSING.fullmatch(source, line):
        return False
    leaf = parse_last_leaf(source)
    return bool(leaf) and leaf[0].kind == "CodeBlock"


def _is_open(text: str, leaf: list[Token]) -> bool:
    """Whether what is added to `text` may belong to this block of text."""
    if not leaf or leaf[0].kind == "CodeBlock":
        return False
    one_line = leaf[0].kind in ("Heading", "TableCell")
    after = _OPEN_LINE if one_line else _OPEN_PARAGRAPH
    return bool(after.fullmatch(text, leaf[-1].end))


def _without_unfinished(text: str, leaf: list[Token]) -> str:
    """Hold back an inline construct, or a table, whose end is not written; close open code."""
    if not _is_open(text, leaf):
        return text
    end = leaf[-1].end
    line = text.rfind("\n", 0, end) + 1
    if leaf[0].kind not in ("Heading", "TableCell"):
        header = _header_start(text, leaf, line)
        if header is not None:
            return _without_marker_line(text[:header])
    runs = _runs(text, leaf)
    link = _unfinished_link(text[:end], runs)
    code = next((run for run in runs if run.text[0] == "`"), None)
    if code and (link is None or code.start < link):
        # In a cell, a backslash may be there for the bar behind it.
        waiting_too = "\\" if leaf[0].kind == "TableCell" else ""
        return _with_code_closed(text[:end], code, waiting_too)
    undelimited = _without_delimiters(text[:end], leaf[0].start)
    if len(undelimited) < end:
        return _without_marker_line(undelimited)
    word = max(leaf[0].start, *(text.rfind(space, 0, end) for space in " \t\n"))
    waiting = _WAITING.search(text, word, end)
    held = [link] if link is not None else []
    if waiting and not escaped(text, waiting.start()):
        held.append(waiting.start())
    return _without_marker_line(text[: min(held)]) if held else text


def _header_start(text: str, leaf: list[Token], line: int) -> int | None:
    """Where the last line's first bar is, if that line may become a table's header."""
    end = leaf[-1].end
    opening = _ROW_OPENING.match(text, line, end)
    if opening:
        return opening.end()
    if end - line > LONGEST_HEADER:
        return None
    for bar in _BAR.finditer(text, line, end):
        token = next(each for each in leaf if each.end > bar.start() and each.kind in ATOMS)
        if token.kind == "Text" and not escaped(text, bar.start()):
            return bar.start()
    return None


def _runs(text: str, leaf: list[Token]) -> list[_Run]:
    """The unmatched delimiters and brackets of a block, in order."""
    runs: list[_Run] = []
    for token in leaf:
        if token.kind != "Text" or not verbatim(text, token) or escaped(text, token.start):
            continue
        if token.value in ("[", "![", "]"):
            runs.append(_Run(token.value, token.start, token.end))
        elif _DELIMITERS.issuperset(token.value):
            last = runs[-1] if runs else None
            if last and last.end == token.start and last.text[0] == token.value[0]:
                runs[-1] = _Run(last.text + token.value, last.start, token.end)
            else:
                runs.append(_Run(token.value, token.start, token.end))
    return runs


def _unfinished_link(text: str, runs: list[_Run]) -> int | None:
    """Where a link or an image begins that the rest of the text may belong to."""
    open_brackets: list[_Run] = []
    starts: list[int] = []
    for run in runs:
        if run.text in ("[", "!["):
            open_brackets.append(run)
        elif run.text == "]" and open_brackets:
            opening = open_brackets.pop()
            if run.end == len(text) or _DESTINATION.fullmatch(text, run.end):
                starts.append(opening.start)
    starts += [run.start for run in open_brackets if len(text) - run.end <= LONGEST_LINK_TEXT]
    return min(starts, default=None)


def _with_code_closed(text: str, opening: _Run, waiting_too: str) -> str:
    """Close inline code, or hold it back while there is nothing in it."""
    code = text[opening.end :].rstrip("` \t\n" + waiting_too)
    if not code.strip("> \t\n"):
        return _without_marker_line(text[: opening.start])
    return text[: opening.end] + code + opening.text


def _without_delimiters(text: str, start: int) -> str:
    """Without delimiters at the very end: what they open or close depends on what follows them."""
    end = max(start, len(text.rstrip("*_~|")))
    return text[: end + escaped(text, end)]


def _with_emphasis_closed(text: str, leaf: list[Token]) -> str:
    """Close emphasis that is open."""
    if not _is_open(text, leaf):
        return text
    closers = [run.text for run in _live_runs(text, leaf) if _opens(text, run)]
    if not closers:
        return text
    return text[: leaf[-1].end].rstrip() + "".join(reversed(closers))


def _live_runs(text: str, leaf: list[Token]) -> list[_Run]:
    """Unmatched delimiters, but for those within a span that is closed: they stay as they are."""
    end = leaf[-1].end
    runs = [run for run in _runs(text, leaf) if run.text[0] in "*_~|"]
    for token in leaf:
        closes = token.kind.startswith("/") and token.kind[1:] in SPANS
        if closes and (token.end < end or token.kind in ("/Link", "/Image")):
            runs = [run for run in runs if not token.start <= run.start < token.end]
    return runs


def _opens(text: str, run: _Run) -> bool:
    """CommonMark's rule for a delimiter run that can open emphasis.

    https://spec.commonmark.org/0.31.2/#left-flanking-delimiter-run
    """
    before, after = text[run.start - 1 : run.start] or " ", text[run.end : run.end + 1] or " "
    if after.isspace() or (run.text[0] in "~|" and len(run.text) != len("~~")):
        return False
    if before.isspace() or not before.isalnum():
        return True
    return after.isalnum() and run.text[0] != "_"
