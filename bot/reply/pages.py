"""Markdown that grows → pages that fit the platform; a closed page never changes.

A page is closed when what is written no longer fits it. The border is chosen from the shortest
text that does not fit, so it depends on the answer, not on the pieces it comes in. (A table may
shrink when its layout changes; there, and only there, the pieces may matter.)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from os.path import commonprefix
from typing import TYPE_CHECKING

from bot.reply.borders import Rank, borders
from bot.reply.edge import heal, interrupted
from bot.reply.graphemes import is_blank
from bot.reply.markdown import CONTINUED, clean
from bot.reply.surface import Rendered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.reply.borders import Border
    from bot.reply.surface import Markup

_LEAST_FILLED = {
    Rank.BLOCK: 0.6,
    Rank.ITEM: 0.6,
    Rank.LINE: 0.6,
    Rank.SENTENCE: 0.7,
    Rank.WORD: 0.3,
    Rank.PHRASE: 0.3,
    Rank.CHARACTER: 0.0,
}
"""How much of the page a border must leave filled to be worth it; else a finer one is taken."""

_FINE = (Rank.CHARACTER,)
_COARSE = tuple(rank for rank in Rank if rank not in _FINE)

_TRIES = 4
"""Borders that are tried one after another; beyond, each step leaves out twice as many. Of ordinary
text the first always does."""

_LEAST_SOURCE, _SOURCE_SHARE = 8_000, 4
"""Characters of a page's source that are looked at in any case, and how many for each character
that a page can show. A full page of links takes less; what takes more shows next to nothing, and
would be looked at whole, to its end."""

_HEADER_SHARE = 8
"""A table's header is repeated if it takes no more than one part in so many of a page."""


@dataclass(frozen=True, slots=True)
class Page:
    source: str
    """Markdown that stands for itself."""
    rendered: Rendered[object]
    closed: bool
    """It never changes any more."""


_LET_GO = Page("", Rendered("…"), closed=True)


class Pages:
    """Lays out one answer.

    The cost of `view` is that of the open page and of what was written since; closed pages are
    not looked at again.
    """

    def __init__(self, markup: Markup, page_size: int) -> None:
        self._markup = markup
        self._page_size = page_size
        self._pages: list[Page] = []
        self._written: list[str] = []  # since the last view
        self._text = ""  # of the open page, in Markdown
        self._taken_up = 0  # how much of the text opens again what the page before closed
        self._fitting = 0  # so much of the text is known to fit
        self._shown = self._page("", closed=False)  # what was laid out last
        self._open: Page | None = None
        self._finished = False
        self._instead = ""
        self._notice = ""  # not yet below the text
        self._changed = False

    def write(self, delta: str) -> None:
        """Append to the answer."""
        assert not self._finished, "a finished answer is not written on"
        self._written.append(delta)

    def clear(self) -> None:
        """Forget what is written, of which nothing has been laid out."""
        assert not self._pages
        assert not self._text
        self._written.clear()

    def close(self, notice: str = "", *, instead: str = "") -> None:
        """The answer is finished: nothing is held back any more, and the last page closes.

        `notice` is Markdown of our own, a block below an answer that was broken off anywhere;
        `instead` is shown if nothing of the whole answer can be seen.
        """
        self._finished = True
        self._instead = instead
        self._notice = "\n\n".join(filter(None, (self._notice, notice)))
        self._changed = True

    def cut(self, pages: int, notice: str) -> None:
        """End with `notice`, leaving out what would go beyond the first `pages` (at least one)."""
        begun = max(pages, 1)
        while len(self.view(begun)) < begun and not self.complete:
            pass  # What is not laid out yet can't be told from what goes beyond.
        if len(self._pages) >= begun:
            self._keep(begun)
        self.close(notice)

    def let_go(self, pages: range) -> None:
        """These are closed, and nobody looks at them again: of a long answer only the end is kept.

        They are counted on, and read "…".
        """
        for number in pages:
            self._pages[number] = _LET_GO

    def replace(self, kept: int, ending: Sequence[Rendered[object]]) -> None:
        """End with the first `kept` pages, then those of `ending`."""
        self._keep(kept)
        self._pages += [Page("", rendered, closed=True) for rendered in ending]
        self.close()

    def render(self, markdown: str) -> Rendered[object]:
        """Markdown of our own as a page of its own."""
        return self._markup.render(markdown)

    def _keep(self, pages: int) -> None:
        del self._pages[pages:]
        self._written.clear()
        self._text, self._notice, self._taken_up, self._fitting = "", "", 0, 0

    def view(self, most: int | None = None) -> Sequence[Page]:
        """The pages so far, in order: closed ones, and an open one if it shows anything.

        None is empty, and none is larger than the page size. If there are to be `most` closed pages
        at most, one page is broken off at a time, so that a long text that came at once takes no
        long time at once: until it is `complete`, there is more to see.
        """
        if self._written:
            self._text += clean("".join(self._written)).replace(CONTINUED, "")
            self._written.clear()
            self._changed = True
        if self._changed and (most is None or len(self._pages) < most):
            self._changed = not self._lay_out(most)
        return [*self._pages, self._open] if self._open else [*self._pages]

    @property
    def complete(self) -> bool:
        """Whether the last view laid out all that is written."""
        return not self._changed

    def _lay_out(self, most: int | None) -> bool:
        """Lay out all, or what there is up to the next page's end; return whether that was all."""
        self._open = None
        while (length := self._shortest_too_long()) is not None:
            self._break_page(self._text[:length])
            if most is not None:
                return False
        self._open = self._shown if _is_seen(self._shown) else None
        if self._instead and not self._pages and self._open is None:
            self._text, self._instead = self._instead, ""
            self._fitting = 0
            return self._lay_out(most)
        return True

    def _shortest_too_long(self) -> int | None:
        """How much of the text is one character too long for a page; None if all of it fits."""
        fitting, step = self._fitting, self._page_size
        most = self._taken_up + max(_LEAST_SOURCE, _SOURCE_SHARE * self._page_size)
        while self._fits(length := self._up_to(min(fitting + step, most))):
            if length == len(self._text):
                self._fitting = length
                return None
            if length == most:
                return length
            fitting, step = length, 2 * step
        while length - fitting > 1:
            middle = (fitting + length) // 2
            if self._fits(middle):
                fitting = middle
            else:
                length = middle
        return length

    def _up_to(self, length: int) -> int:
        """So much of the text, or all of it; then the notice belongs to it.

        The notice waits for the last page, so that a long answer is not looked at in one go.
        """
        if length >= len(self._text) and self._notice:
            self._text = f"{interrupted(self._text)}\n\n{self._notice}".lstrip("\n")
            self._notice = ""
        return min(length, len(self._text))

    def _fits(self, length: int) -> bool:
        """Whether the page fits when only so much of the text is written; lays it out."""
        text = self._text[:length]
        is_last = self._finished and length == len(self._text)
        self._shown = self._page(text if is_last else heal(text), closed=is_last)
        return self._size(self._shown) <= self._page_size

    def _break_page(self, text: str) -> None:
        """Close the page at the best border within `text`, which is too long for it."""
        for border in _thinned(self._borders(text)):
            page = self._page(border.page(text), closed=True)
            if self._size(page) <= self._page_size:
                self._turn(page, border.start, border.opening(text))
                return
        self._cut(text)

    def _borders(self, text: str) -> Iterator[Border]:
        """The borders to try, the best first."""
        healed = heal(text)
        written = len(commonprefix([text, healed]))  # noqa: RUF071  # characters are meant
        poor: list[Border] = []
        for ranks in (_COARSE, _FINE):
            found = borders(healed, self._page_size // _HEADER_SHARE, characters=ranks is _FINE)
            found = [each for each in found if each.start <= written and each.end > self._taken_up]
            for rank in ranks:
                least = self._taken_up + _LEAST_FILLED[rank] * (len(text) - self._taken_up)
                of_rank = [each for each in reversed(found) if each.rank is rank]
                yield from (each for each in of_rank if each.end >= least)
                poor += (each for each in of_rank if each.end < least)
        yield from poor

    def _cut(self, text: str) -> None:
        """Where there is no border, as in a URL that is longer than a page: cut, but fit."""
        start, length = self._taken_up, self._page_size
        page = self._page(text[start : start + length], closed=True)
        while self._size(page) > self._page_size and length > 1:
            length //= 2
            page = self._page(text[start : start + length], closed=True)
        self._turn(page, start + length, "")

    def _turn(self, page: Page, start: int, opening: str) -> None:
        """This page is closed; the next one goes on with the text from `start`."""
        if _is_seen(page):
            self._pages.append(page)
        self._text = opening + self._text[start:]
        self._taken_up = self._fitting = len(opening)

    def _page(self, source: str, *, closed: bool) -> Page:
        return Page(source, self._markup.render(source), closed)

    def _size(self, page: Page) -> int:
        return self._markup.size(page.rendered)


def _is_seen(page: Page) -> bool:
    return not is_blank(page.rendered.text)


def _thinned(borders: Iterator[Border]) -> Iterator[Border]:
    """The first few, then fewer and fewer: a text may have thousands of which none will do."""
    yield from islice(borders, _TRIES)
    step = 2
    while (border := next(islice(borders, step - 1, None), None)) is not None:
        yield border
        step *= 2
