"""Markdown as models write it: strategies for Hypothesis, and one long answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from bot.platforms.telegram.spans import Span
    from bot.reply.surface import Rendered

WORDS = (
    "alpha",
    "beta",
    "gamma.",
    "snake_case",
    "50%",
    "naïve",
    "日本語",
    "👩‍💻",
    "List<String>",
    "a < b",
    "&lt;",
    "&amp;",
    "\\*",
    "(~5)",
    "end!",
    "(aside)",
)


def _wrapped(inner: st.SearchStrategy[str], *marks: str) -> st.SearchStrategy[str]:
    return st.builds("{1}{0}{1}".format, inner, st.sampled_from(marks))


def _lines(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("\n".join)


def _many(inner: st.SearchStrategy[str], most: int, between: str) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=most).map(between.join)


words = _many(st.sampled_from(WORDS), 4, " ")
_code_in_cells = ["x", "foo()", "a*b", "**k", "<T>", "[i]"]
code = _wrapped(st.sampled_from(_code_in_cells), "`")
urls = st.sampled_from(["http://e.org/a_b", "https://x.y/~u?q=1&r=2", "<u v>"])
links = st.builds("[{}]({})".format, words, urls)
images = st.builds("![{}](http://i.mg/x)".format, words)
atoms = words | code | links | images | st.just("<http://e.or>")
_phrases = _many(atoms, 3, " ")
# In a spoiler Telegram shows code as text: hidden it must stay.
_hidden = _many(words | links | images | st.just("`foo()`"), 3, " ")
styled = (
    atoms
    | _wrapped(_phrases, "**", "*", "_", "~~", "***")
    | _wrapped(_hidden, "||")
    | st.builds("**{} *{}***".format, _phrases, _phrases)
    | st.builds("**{} *{}* x**".format, _phrases, _phrases)
)
inline = _many(styled, 5, " ")
paragraphs = _many(inline, 2, "\n")
headings = st.builds("{} {}".format, st.sampled_from(["#", "##", "####"]), inline)


def _fenced(opening: str, lines: list[str]) -> str:
    closing = re.match("`+|~+", opening)
    assert closing
    return "\n".join([opening, *lines, closing[0]])


_code_lines = st.sampled_from(["x = 1", "  y", "", "# c", "| a |", "- **b**", "`z`", "🙂"])
fences = st.builds(
    _fenced, st.sampled_from(["```py", "```", "~~~", "````md"]), st.lists(_code_lines, max_size=5)
)


def _listed(items: list[str], first: int | None, box: str) -> str:
    lines = []
    for number, item in enumerate(items):
        marker = "- " if first is None else f"{first + number}. "
        head, *rest = item.split("\n")
        lines.append(f"{marker}{box}{head}")
        lines += [" " * len(marker) + line if line else "" for line in rest]
    return "\n".join(lines)


def _lists(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        _listed,
        st.lists(items, min_size=1, max_size=3),
        st.sampled_from([None, 1, 3]),
        st.just(""),
    )


_tasks = st.builds(
    _listed, st.lists(inline, min_size=1, max_size=3), st.none(), st.sampled_from(["[ ] ", "[x] "])
)
_flat = _lists(inline | _lines(inline, fences) | st.builds("{}\n\n{}".format, inline, inline))
lists = _flat | _tasks | _lists(inline | _lines(inline, _flat))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


quotes = (paragraphs | _flat | fences | _many(paragraphs, 2, "\n\n")).map(_quoted)
# A bar parts cells, be it in code.
_cells = words | _wrapped(st.sampled_from(_code_in_cells), "`")
_rows = st.builds("| {} | {} |".format, _cells, _wrapped(words, "**") | links)
tables = _lines(_rows, st.just("|---|:-:|"), _many(_rows, 4, "\n"))
blocks = paragraphs | headings | fences | lists | quotes | st.just("---")
documents = _many(blocks, 5, "\n\n")
documents_with_tables = _many(blocks | tables, 5, "\n\n")

# Anything at all, but dense in what means something.
_scraps = st.sampled_from(
    [
        *"*_~`[]()<>!&;#|-+=\\\n 1.:x\t",
        *("```", "~~", "**", "  ", "    ", "> ", "- ", "1. ", "- [ ] ", "](http://a)", "&amp;"),
        *("||", "^", "||x"),
        *("| a | b |\n|---|---|\n", "word ", "👩‍💻", "é", "\ufe0f", "\u200b", "[^1]: x"),
        *("\x00", "\r", "\ud83d", "\x04"),
    ]
)
scraps = st.lists(_scraps, max_size=60).map("".join) | st.text(max_size=60)

_SECTION = """\
## {n}. Section *number {n}* 🚀

Some **bold text with `code` in it** and a [link to the docs](https://example.com/docs_{n}?a=1&b=2),
then `List<String>` and List<String>, a < b, 2 ** 3 and snake_case. Press <Enter> now! ~~Old~~ new.

{n}. First step with **bold**
   - nested *item* one 👩‍💻
   - nested item two
     - deeper still, `x = {n}`
{m}. Second step

   With a paragraph of its own.

```python
def f{n}(items: list[int]) -> int:
    return sum(x ** 2 for x in items)  # **not bold**

print(f{n}([1, 2, 3]))
```

| name | value | note |
|:-----|------:|------|
| row **{n}** | {n} | 日本語 |
| other | `{m}` | 🙂 ok |

> A quote that says something, and
> goes on **boldly** over lines.

- [ ] to do {n}
- [x] done {n}

---

"""


def long_answer(sections: int) -> str:
    """About 100 words a section, with everything a model uses."""
    return "".join(_SECTION.format(n=n, m=n + 1) for n in range(1, sections + 1))


def without_code(rendered: Rendered[Span]) -> str:
    """The text, with all that is shown as code left out."""
    units = rendered.text.encode("utf-16-le")
    kept, end = [], 0
    for span in rendered.entities:
        if span.type in ("code", "pre"):
            kept.append(units[end : 2 * span.offset].decode("utf-16-le"))
            end = 2 * (span.offset + span.length)
    return "\0".join([*kept, units[end:].decode("utf-16-le")])


def visible(text: str) -> str:
    """Without white space, bullets and what tables are drawn with."""
    return re.sub(r"[\s•│─┼]+", "", text)
