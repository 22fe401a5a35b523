"""Markdown that is built together with what it means, so that no parser need be asked.

Each strategy gives a `Built`: the source, and every character that a reader sees of it, with its
styles. What is not seen of the source is markup.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[st.SearchStrategy], object]


class Seen(NamedTuple):
    character: str
    styles: frozenset[str] = frozenset()
    """bold, italic, strike, spoiler, code, pre, link, quote, h1 to h6. What is no style of its own:
    item (in a list's item), url (a URL that stands for itself), table, and bare, which is a table
    whose first line may be one of a paragraph."""


class Built(NamedTuple):
    source: str
    seen: tuple[Seen, ...]

    def styled(self, *styles: str) -> Built:
        added = frozenset(styles)
        return self._replace(seen=tuple(Seen(c, old | added) for c, old in self.seen))


UNSEEN = re.compile("[\\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff•│─┼]")
"""White space, what shows nothing, bullets, and what tables are drawn with."""


def text(source: str, shown: str | None = None) -> Built:
    shown = source if shown is None else shown
    return Built(source, tuple(Seen(each) for each in UNSEEN.sub("", shown)))


def joined(parts: list[Built], between: str = "") -> Built:
    return Built(between.join(part.source for part in parts), sum((p.seen for p in parts), ()))


def _around(opening: str, inner: Built, closing: str) -> Built:
    return Built(opening + inner.source + closing, inner.seen)


# Inline

_LETTERS = [
    "alpha",
    "be",
    "c",
    "naïve",
    "日本語",
    "שלום",
    "e\u0301te\u0301",
    "👩‍💻",
    "🇩🇪🇫🇷",
    "👍🏽",
]
_LITERALS = {
    **{f"\\{mark}": mark for mark in "*_`[]~|<>#!()&\\-+"},
    "\\*\\*": "**",
    "\\`x\\`": "`x`",
    "a\\_b\\_": "a_b_",
    "\\[x\\](y)": "[x](y)",
    "&lt;": "<",
    "&amp;": "&",
    "&#42;": "*",
    "&#x5f;": "_",
    "&quot;x&quot;": '"x"',
    "&nbsp;x": "x",
    "AT&T": "AT&T",
    "R&Dx;": "R&Dx;",
    "a&b": "a&b",
}
_ODD = [
    *("snake_case", "a_b_c", "x[0]", "[y]", "[^1]", "[a][b]", "(a)", "(a [b])", "wow!", "#1", "C#"),
    *("2 * 3", "2 ** 3", "a < b", "a <= b", "x -> y", "1.5", "50%", "~5", "a~b", "1-2", "C++"),
    *("List<String>", "<br>", "<b>x</b>", "<T", "</div>", "<!-- c -->", '<a href="b">', "x || y"),
    *("www.e.org", "a@b.org", ":smile:", "a:b", "e.g. x", "x..."),
    *('"q"', "'q'", "“q”", "w" * 70, "x\ty", "a  b", "a = b"),
]
_CODE = ["x", "foo()", "a*b", "**k", "<T>", "[i]", "a_b_", "~~", "x || y", "\\", "&lt;", "- a"]
_URLS = [
    *("https://t.org/", "https://t.org/a_b", "https://t.org/~u?q=1&r=2", "https://t.org/a*b*"),
    *("https://t.org/a(b)c", "<https://t.org/a>", "https://t.org/a\\)b", "https://t.org/a&amp;b"),
]
_TITLES = ["", "", "", ' "t"', " 't'", " (t)", ' "a \\" b"', "\n'a b'", ' "a*b_c`d"', " ", '  "]("']
_DELIMITERS = {
    "bold": ["**", "**", "__"],
    "italic": ["*", "_"],
    "strike": ["~~"],
    "spoiler": ["||"],
}
_STYLES = frozenset(_DELIMITERS) | {"link"}
_IN_CELLS = _STYLES - {"spoiler", "link"}

_letters = st.sampled_from(_LETTERS).map(text)
_literals = st.sampled_from(sorted(_LITERALS)).map(lambda source: text(source, _LITERALS[source]))
_AUTOLINK = "<https://e.org/a_b*c>"
_BARE_URL = "https://e.org/a_b?c=d&e=f"
_odd = st.sampled_from(_ODD).map(text) | st.just(text(_BARE_URL).styled("url"))


@st.composite
def _code(draw: Draw, free: frozenset[str]) -> Built:
    # Discord can't hide bars in code.
    code = draw(st.sampled_from(_CODE if "spoiler" in free else _CODE[:4]))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return text(f"`` {code}`{code} ``", f"{code}`{code}").styled("code")
    if kind == 1:
        return text(f"`` `{code}` ``", f"`{code}`").styled("code")
    return text(f"`{code}`", code).styled("code")


@st.composite
def _link(draw: Draw, depth: int, free: frozenset[str]) -> Built:
    label = draw(inlines(depth - 1, free - {"link"}, most=2))
    kind = draw(st.integers(0, 6))
    if kind == 0:
        label = _around("x [", label, "]")
        label = label._replace(seen=(Seen("x"), Seen("["), *label.seen, Seen("]")))
    elif kind == 1:
        image = f"![{label.source}](https://t.org/i)"
        label = label._replace(source=image)
    bang = "!" if kind in (2, 3) else ""
    target = draw(st.sampled_from(_URLS)) + draw(st.sampled_from(_TITLES))
    return _around(f"{bang}[", label, f"]({target})").styled("link")


@st.composite
def _atom(draw: Draw, depth: int, free: frozenset[str]) -> Built:
    plain = [_letters, _letters, _literals, _odd, _code(free)]
    nested = []
    if depth:
        nested.append(st.just(text(_AUTOLINK[1:-1]).styled("url")._replace(source=_AUTOLINK)))
        nested += [_link(depth, free)] if "link" in free else []
        nested += [_formatted(depth, free)] * 4 if free - {"link"} else []
    kinds = plain + nested
    return draw(kinds[draw(st.integers(0, len(kinds) - 1))])


@st.composite
def _formatted(draw: Draw, depth: int, free: frozenset[str]) -> Built:
    style = draw(st.sampled_from(sorted(free - {"link"})))
    delimiter = draw(st.sampled_from(_DELIMITERS[style]))
    kind = draw(st.integers(0, 5))
    if kind == 0 and delimiter in ("**", "*") and {"bold", "italic"} <= free:
        return joined([text("in"), text("side").styled(style), text("word")], delimiter)
    # The parser can't read ||~~(a)~~||, nor the other way round.
    barred = {"strike", "spoiler"} if style in ("strike", "spoiler") else {style}
    inner = draw(inlines(depth - 1, free - barred, most=3))
    if kind == 1:
        inner = joined([text("("), inner, text(")")])
    # Bars or tildes beside their own kind would be longer delimiters.
    if delimiter in ("||", "~~") and delimiter[0] in (inner.source[0], inner.source[-1]):
        inner = joined([text("a "), inner, text(" b")])
    return _around(delimiter, inner, delimiter).styled(style)


@st.composite
def inlines(draw: Draw, depth: int = 2, free: frozenset[str] = _STYLES, most: int = 4) -> Built:
    """Pieces of text, code and formatted text on one line."""
    parts = draw(st.lists(_atom(depth, free), min_size=1, max_size=most))
    return joined(parts, " ")


# Blocks


@st.composite
def _paragraph(draw: Draw) -> Built:
    lines = draw(st.lists(inlines(), min_size=1, max_size=3))
    return joined([_begun(line) for line in lines], draw(st.sampled_from(["\n", "  \n", "\\\n"])))


def _begun(line: Built) -> Built:
    """A line of text that no block begins with."""
    return joined([text("x"), line], " ") if re.match(r"[\s#>+\-=~`|\d]", line.source) else line


@st.composite
def _heading(draw: Draw) -> Built:
    level = draw(st.integers(1, 6))
    inner = draw(inlines(most=2))
    closing = draw(st.sampled_from(["", "", " #", " ##"]))
    inner = inner._replace(source=inner.source.replace("\n", " "))
    return _around("#" * level + " ", _begun(inner), closing).styled(f"h{level}")


_CODE_LINES = [
    "x = 1",
    "  y",
    "",
    "# c",
    "| a |",
    "|---|",
    "- **b**",
    "`z`",
    "``",
    "🙂",
    "> q",
    "*",
]


@st.composite
def _fence(draw: Draw) -> Built:
    fence = draw(st.sampled_from(["```", "```", "~~~", "````", "~~~~~"]))
    info = draw(st.sampled_from(["", "py", "c++ x", " sh"]))
    lines = draw(st.lists(st.sampled_from(_CODE_LINES), min_size=1, max_size=4))
    if len(fence) > 3:
        lines = [fence[:3], *lines, fence[:3]]
    elif fence[0] == "~":
        lines = ["```", *lines]
    code = "\n".join(lines)
    return text(f"{fence}{info}\n{code}\n{fence}", code).styled("pre")


@st.composite
def _indented(draw: Draw) -> Built:
    lines = draw(
        st.lists(st.sampled_from(["x = 1", "**b", "- a", "`", "# c"]), min_size=1, max_size=3)
    )
    return text("\n".join(f"    {line}" for line in lines), "".join(lines)).styled("pre")


def _rows(cells: list[list[Built]], *, outer: bool) -> list[str]:
    rows = [" | ".join(cell.source for cell in row) for row in cells]
    return [f"| {row} |" for row in rows] if outer else rows


_cell_words = (
    st.sampled_from(["a", "be", "日本", "1", "🙂"]).map(text)
    | st.sampled_from(["\\|", "&lt;", "x\\|y"]).map(
        lambda each: text(each, each.replace("\\|", "|").replace("&lt;", "<"))
    )
    | st.sampled_from(["`x`", "`a\\|b`", "`**k`"]).map(
        lambda each: text(each, each.strip("`").replace("\\|", "|"))
    )
    | st.builds(
        lambda mark, word: text(f"{mark}{word}{mark}", word),
        st.sampled_from(["**", "*", "_", "~~", "***"]),
        st.sampled_from(["b", "c d"]),
    )
)


@st.composite
def _table(draw: Draw) -> Built:
    """Small enough to be aligned on every platform."""
    columns = draw(st.integers(1, 3))
    cells = draw(
        st.lists(st.lists(_cell_words, min_size=columns, max_size=columns), min_size=2, max_size=4)
    )
    outer = columns == 1 or draw(st.integers(0, 2)) > 0
    if not outer:
        cells[0] = [cell if "`" not in cell.source else text("x") for cell in cells[0]]
        cells = [[_begun(row[0]), *row[1:]] for row in cells]
    sides = draw(
        st.lists(st.sampled_from(["---", ":--", "--:", ":-:", "-"]), min_size=3, max_size=3)
    )
    line = _rows([[text(side) for side in sides[:columns]]], outer=outer)
    header, *body = _rows(cells, outer=outer)
    seen = sum((cell.seen for row in cells for cell in row), ())
    built = Built("\n".join([header, *line, *body]), seen).styled("pre", "table")
    return built if outer else built.styled("bare")


_rules = st.sampled_from(["---", "***", "- - -", "___", "* * *"]).map(
    lambda rule: text(rule, "———")
)
_CLOSED = ("heading", "fence", "rule")
"""What can't go on in a line below it."""


def _placed(block: Built, first: str, rest: str) -> Built:
    head, *lines = block.source.split("\n")
    below = [rest + line if line else rest.rstrip() for line in lines]
    return block._replace(source="\n".join([first + head, *below]))


@st.composite
def _quote(draw: Draw, depth: int) -> Built:
    block = draw(blocks(depth - 1, most=2))
    tight = draw(st.integers(0, 4)) == 0 and not re.search(r"^[ \t]", block.source, re.MULTILINE)
    marker = ">" if tight else "> "
    return _placed(block, marker, marker).styled("quote")


@st.composite
def _list(draw: Draw, depth: int) -> Built:
    ordered = draw(st.booleans())
    first = draw(st.sampled_from([1, 1, 1, 0, 7, 99]))
    mark = draw(st.sampled_from([".", ".", ")"] if ordered else ["-", "-", "*", "+"]))
    space = draw(st.sampled_from([" ", " ", " ", "  ", "   "]))
    between = draw(st.sampled_from(["\n", "\n", "\n\n"]))
    items = []
    for number in range(first, first + draw(st.integers(1, 3))):
        marker = f"{number}{mark}" if ordered else mark
        shown = text(marker if ordered else "")
        plain = depth <= 1 or draw(st.booleans())
        block = draw(_paragraph() if plain else blocks(depth - 1, most=2, in_item=True))
        head = marker + space
        if plain and draw(st.integers(0, 3)) == 0:
            box = draw(st.sampled_from(["[ ] ", "[x] "]))
            shown = joined([shown, text("☐" if box == "[ ] " else "☑")])
            placed = _placed(block, head + box, " " * len(head))
        else:
            placed = _placed(block, head, " " * len(head))
        items.append(Built(placed.source, (*shown.seen, *placed.seen)).styled("item"))
    return joined(items, between)


@st.composite
def _block(draw: Draw, depth: int) -> tuple[str, Built]:
    kinds = {
        "paragraph": _paragraph(),
        "heading": _heading(),
        "fence": _fence(),
        "table": _table(),
        "rule": _rules,
        "list": _list(depth) if depth else None,
        "quote": _quote(depth) if depth else None,
    }
    names = ["paragraph", "paragraph", *(name for name, each in kinds.items() if each is not None)]
    names += ["list"] * 2 if depth else []
    kind = draw(st.sampled_from(names))
    return kind, draw(kinds[kind])


@st.composite
def blocks(draw: Draw, depth: int = 2, most: int = 4, *, in_item: bool = False) -> Built:
    drawn = draw(st.lists(_block(depth), min_size=1, max_size=most))
    if in_item and drawn[0][0] in (
        "rule",
        "quote",
    ):  # - --- is a rule; Telegram quotes a whole line
        drawn = [("paragraph", draw(_paragraph())), *drawn]
    elif draw(st.integers(0, 9)) == 9:
        drawn.insert(0, ("fence", draw(_indented())))
    kind, whole = drawn[0]
    for following, block in drawn[1:]:
        close = _may_follow(kind, following, block) and draw(st.booleans())
        whole = joined([whole, block], "\n" if close else "\n\n")
        kind = following
    return whole


def _may_follow(kind: str, following: str, block: Built) -> bool:
    """Whether a block may stand right below one of `kind`."""
    if kind in _CLOSED and not (kind == "rule" and following == "rule"):
        return True
    if kind == "paragraph":
        return following in ("heading", "fence", "quote") or (
            following == "list" and bool(re.match(r"[-*+]|1[.)]", block.source))
        )
    return kind in ("list", "quote") and following in ("heading", "fence")


documents = blocks()
long_documents = blocks(most=10)
