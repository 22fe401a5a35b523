"""`python -m benchmarks.looks`: the longest that one look at an answer holds up the event loop.

A look lays out what was written since the last one: the page that is open, on the platform's own
terms. What a model in a loop writes is compared with an ordinary answer of the same length, in one
run; each text is streamed, and comes at once as an answer that was stored.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.platforms.discord.markup import DiscordMarkup
from bot.platforms.telegram.markup import TelegramMarkup
from bot.reply.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.reply.surface import Markup

LENGTH = 16_000
"""Characters of each text."""
DELTA = 800
"""Characters between two looks: about two seconds of a fast model."""
PLATFORMS: dict[str, tuple[Markup, int]] = {
    "Telegram": (TelegramMarkup(), 4096),
    "Discord": (DiscordMarkup(), 2000),
}
"""Each with its page size."""

_ORDINARY = """\
## Section {n}: what to keep in mind

Some **bold words**, a bit of *emphasis*, `code`, and [a link](https://example.org/{n}) in a
paragraph of a few lines that goes on (as they do) until all is said, or nearly all of it.

1. First, do this: `make check`, then look at what it says.
2. Then **that**, unless it was done before.
   - A nested point, which is short.

```python
def answer(question: str) -> int:
    return {n}  # of course
```

| name | value | note |
|------|------:|------|
| a    |   {n} | none |
| b    |    12 | some |

"""
UNITS = (
    *("[ ] ", "<", "[INST]", "[]", "[0][1]", "\\", "\\\\", " ", "\n", "*", "*a ", "**a ", "*_"),
    *("a**b", "_a_ ", "`", "`a", "`a ``b ", "[", "![", "](", "[a](", "[a](b", "[a](<", '[a](b "'),
    *("> ", ">", "- ", "+ ", "1. ", "- > ", "- [ ] ", "|", "||", "||a|| ", "| a ", "|a|b\n"),
    *("a|b\n-|-\n", "&", "&amp", "<a", "<a@", "<http://", "http://a)", "~~", "~~a~~ ", "# a\n"),
    *("# \n", "[](x)", "![](x)", "[\u200b](http://a.b) ", "\u200b"),
    *("- a\n", "a\n=\n", "```\n", "[a]: b\n", "a", "👍🏽", "🇩🇪", "e\u0301", "\u0301", "@everyone"),
)
"""What is repeated to the length of a text."""


def texts() -> dict[str, str]:
    """The degenerate ones, by what they are made of."""
    made = {repr(unit): (unit * LENGTH)[:LENGTH] for unit in UNITS}
    header = f"|{'a' * (LENGTH // 2)}|b|c|\n|-|-|-|\n"
    made["a table with a long header"] = (header + "|x|y|z|\n" * LENGTH)[:LENGTH]
    wide = "|a" * (LENGTH // 5) + "|\n" + "|-" * (LENGTH // 5) + "|\n"
    made["a table with a wide header"] = (wide + "|\n" * LENGTH)[:LENGTH]
    made["brackets that close"] = "[" * (LENGTH // 2) + "]" * (LENGTH // 2)
    made["emphasis that closes"] = "**a " * (LENGTH // 8) + " a**" * (LENGTH // 8)
    made["a URL and parentheses"] = "http://a" + ")" * (LENGTH - 8)
    return made


def ordinary() -> str:
    return "".join(_ORDINARY.format(n=n) for n in range(LENGTH))[:LENGTH]


@dataclass(frozen=True, slots=True)
class Worst:
    """The longest look at one of some texts."""

    ms: float
    text: str
    how: str
    """On which platform, and whether it was streamed."""


def worst(named: dict[str, str], *, streamed: bool) -> dict[str, Worst]:
    """For each platform, over all texts."""
    found = {}
    for platform, (markup, size) in PLATFORMS.items():
        how = f"{platform}, {'streamed' if streamed else 'stored'}"
        each = (
            Worst(max(_looks(Pages(markup, size), text, streamed=streamed)) * 1000, name, how)
            for name, text in named.items()
        )
        found[platform] = max(each, key=lambda one: one.ms)
    return found


def _looks(pages: Pages, text: str, *, streamed: bool) -> Iterator[float]:
    """CPU seconds of each look until all is laid out; as the plan looks, page by page."""
    step = DELTA if streamed else len(text)
    closed = 0
    for start in range(0, len(text), step):
        pages.write(text[start : start + step])
        if start + step >= len(text):
            pages.close("That is all.")
        while True:
            began = time.process_time()
            view = pages.view(closed + 1)
            yield time.process_time() - began
            closed = sum(page.closed for page in view)
            if pages.complete:
                break


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.looks", description=__doc__).parse_args()
    gc.disable()
    sys.stdout.write(report())


def report() -> str:
    """A table of Markdown."""
    rows = [
        "| | ordinary, ms | degenerate, ms | times as long | worst of them |",
        "|---|--:|--:|--:|---|",
    ]
    for streamed in (True, False):
        usual = worst({"ordinary": ordinary()}, streamed=streamed)
        odd = worst(texts(), streamed=streamed)
        for platform, one in odd.items():
            times = one.ms / usual[platform].ms
            code = f"`` {one.text} ``" if one.text.startswith(("'", '"')) else one.text
            rows.append(
                f"| {one.how} | {usual[platform].ms:.0f} | {one.ms:.0f} | {times:.1f} | {code} |"
            )
    return "\n".join((*rows, ""))


if __name__ == "__main__":
    main()
