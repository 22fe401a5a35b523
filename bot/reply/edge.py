"""The streaming edge: Markdown cut off anywhere → Markdown that is safe to show.

What is shown of an unfinished answer must not flicker: no marker is shown as text that becomes
formatting a moment later. Only the last line and the last block can hold such a marker, so only
they are changed, in this order:

1. A last line that may yet become anything (`-`, `1.`, "```p", `- [`, a table's header) waits.
2. An inline construct whose end is not written (a link, `&am`, `<https://…`) waits.
3. Code and emphasis that are open are closed.

Each step is taken once, and takes time in proportion to the text. What is held back is known to
follow what is shown, so whatever that alone decides (`[a]` before a `[`) needs no other look.

Text that only looks like markup (`2 ** 3`, `*args`) may lose its marker for a while; the finished
answer is rendered from its source, without `heal`, and so is complete.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bot.reply.markdown import (
    ATOMS,
    SPANS,
    SPARE,
    Token,
    clean,
    escaped,
    escapes,
    parse_last_leaf,
    verbatim,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LINK_TEXT = 200
"""Characters. `[` is text where no `]` follows for so long: better a flicker than a stall."""
LONGEST_HEADER = 200
"""Characters. `a | b` is text, and no table's header, where its line goes on for so long."""
MOST_CLOSED = SPARE
"""Characters. Delimiters that would need more to close them are no emphasis, but a model's loop."""

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
_OPENS_TARGET = re.compile(r"\([\s>]*+")
_TARGET_IN_BRACKETS = re.compile(r"<[^<>\n]*+>?+")
_SPACE = re.compile(r"\s")
_TITLE = re.compile(
    r"""(?: \s[\s>]*+
        (?: "(?:[^"\\]|\\.)*+"?+ | '(?:[^'\\]|\\.)*+'?+ | \((?:[^()\\]|\\.)*+\)?+ )?+
        \\?+ \s*+ )?+ \Z""",
    re.VERBOSE | re.DOTALL,
)

# What may stand after the text of a block that goes on.
_OPEN_LINE = re.compile(r"[ \t]*")
_OPEN_PARAGRAPH = re.compile(r"[ \t]*(?:\n[ \t>]*)?")

_DELIMITERS = frozenset("*_~|`")
_BRACKETS = frozenset({"[", "![", "]"})
_SPAN_ENDS = frozenset(f"/{kind}" for kind in SPANS)


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
    for held_back in (_without_header, _without_unfinished):
        finished = held_back(text, leaf)
        if finished != text:
            text, leaf = finished, parse_last_leaf(finished)
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


def _without_header(text: str, leaf: list[Token]) -> str:
    """Hold back what may become a table's header."""
    if not _is_open(text, leaf) or leaf[0].kind in ("Heading", "TableCell"):
        return text
    header = _header_start(text, leaf)
    return text if header is None else _without_marker_line(text[:header])


def _header_start(text: str, leaf: list[Token]) -> int | None:
    """Where the last line's first bar is, if that line may become a table's header."""
    end = leaf[-1].end
    line = text.rfind("\n", 0, end) + 1
    opening = _ROW_OPENING.match(text, line, end)
    if opening:
        return opening.end()
    if end - line > LONGEST_HEADER or "|" not in text[line:end]:
        return None
    bars = _BAR.finditer(text, line, end)
    bar = next(bars, None)
    for token in leaf:
        while bar and token.kind in ATOMS and token.end > bar.start():
            if token.kind == "Text" and not escaped(text, bar.start()):
                return bar.start()
            bar = next(bars, None)
    return None


def _without_unfinished(text: str, leaf: list[Token]) -> str:
    """Hold back an inline construct whose end is not written; close open code."""
    if not _is_open(text, leaf):
        return text
    start, end = leaf[0].start, leaf[-1].end
    runs = _runs(text, leaf)
    link = _unfinished_link(text[:end], runs)
    code = next((run for run in runs if run.text[0] == "`"), None)
    if code and (link is None or code.start < link):
        # In a cell, a backslash may be there for the bar behind it.
        waiting_too = "\\" if leaf[0].kind == "TableCell" else ""
        inner = text[code.end : end].rstrip("` \t\n" + waiting_too)
        if inner.strip("> \t\n"):
            return text[: code.end] + inner + code.text
        return _held_back(text, code.start, start)
    word = max(start, *(text.rfind(space, 0, end) for space in " \t\n"))
    waiting = _WAITING.search(text, word, end)
    held = end if link is None else link
    if waiting and not escaped(text, waiting.start()):
        held = min(held, waiting.start())
    shown = _held_back(text, held, start)
    return text if len(shown) == end else shown


def _held_back(text: str, held: int, start: int) -> str:
    """What is shown before `held`, from where on all is held back, in a block from `start` on.

    Delimiters wait, too: what they open or close depends on what follows them. So does a backslash
    before a line that is held back: it may break the line, or be text.
    """
    shown = max(start, len(text[:held].rstrip("*_~|")))
    kept = _without_marker_line(text[: shown + escaped(text, shown)])
    line_end = len(kept) - 1
    if kept.endswith("\\\n") and escaped(kept, line_end):
        return kept[: line_end - 1]
    return kept


def _runs(text: str, leaf: list[Token]) -> list[_Run]:
    """The unmatched delimiters and brackets of a block, in order."""
    escaped_at = escapes(text)
    found: list[tuple[int, int]] = []
    for token in leaf:
        bracket = token.value in _BRACKETS
        if token.kind != "Text" or not (bracket or _DELIMITERS.issuperset(token.value)):
            continue
        if not verbatim(text, token) or token.start in escaped_at:
            continue
        start, end = found[-1] if found else (0, -1)
        if end == token.start and text[start] == text[token.start] and not bracket:
            found[-1] = (start, token.end)
        else:
            found.append((token.start, token.end))
    return [_Run(text[start:end], start, end) for start, end in found]


def _unfinished_link(text: str, runs: list[_Run]) -> int | None:
    """Where a link or an image begins that the rest of the text may belong to."""
    open_brackets: list[_Run] = []
    starts: list[int] = []
    reaches_end = _reaching_end(text)
    for run in runs:
        if run.text in ("[", "!["):
            open_brackets.append(run)
        elif run.text == "]" and open_brackets:
            opening = open_brackets.pop()
            if run.end == len(text) or reaches_end(run.end):
                starts.append(opening.start)
    starts += [run.start for run in open_brackets if len(text) - run.end <= LONGEST_LINK_TEXT]
    return min(starts, default=None)


def _reaching_end(text: str) -> Callable[[int], bool]:
    """Tells whether a link's target may go on to the end; of places behind `[text]`, in order.

    A bare URL goes on to white space, through all that would begin another: what follows it is
    looked at once.
    """
    url_end = 0
    seen: dict[int, bool] = {}

    def reaches_end(position: int) -> bool:
        nonlocal url_end
        opening = _OPENS_TARGET.match(text, position)
        if not opening:
            return False
        start = opening.end()
        in_brackets = _TARGET_IN_BRACKETS.match(text, start)
        if in_brackets:
            end = in_brackets.end()
        else:
            if start > url_end or not url_end:
                space = _SPACE.search(text, start)
                url_end = space.start() if space else len(text)
            end = url_end
        if end not in seen:
            seen[end] = bool(_TITLE.match(text, end))
        return seen[end]

    return reaches_end


def _with_emphasis_closed(text: str, leaf: list[Token]) -> str:
    """Close emphasis that is open."""
    if not _is_open(text, leaf):
        return text
    closers = [run.text for run in _live_runs(text, leaf) if _opens(text, run)]
    if not closers or sum(map(len, closers)) > MOST_CLOSED:
        return text
    return text[: leaf[-1].end].rstrip() + "".join(reversed(closers))


def _live_runs(text: str, leaf: list[Token]) -> list[_Run]:
    """Unmatched delimiters, but for those within a span that is closed: they stay as they are."""
    end = leaf[-1].end
    runs = [run for run in _runs(text, leaf) if run.text[0] in "*_~|"]
    closed = sorted(
        (token.start, token.end)
        for token in leaf
        if token.kind in _SPAN_ENDS and (token.end < end or token.kind in ("/Link", "/Image"))
    )
    live: list[_Run] = []
    following, reached = 0, 0
    for run in runs:
        while following < len(closed) and closed[following][0] <= run.start:
            reached = max(reached, closed[following][1])
            following += 1
        if run.start >= reached:
            live.append(run)
    return live


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
