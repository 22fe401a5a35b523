"""What was said, what is shown, and so what to send next: the page ledger.

Pure: no clock, no I/O. The plan is the one owner of what is on the reader's screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.reply.pages import Pages
    from bot.reply.surface import Rendered


@dataclass(frozen=True, slots=True)
class Show:
    """Make page number `page` read `rendered`: edit `message`, or create it where that is None."""

    page: int
    message: str | None
    rendered: Rendered[object]
    reaches: int
    """Characters of the answer that the reader has once this is shown."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete `message`: an earlier run posted it for a page that this answer does not have."""

    message: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Everything that can be shown is shown; more text may come."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer is shown."""


Step = Show | Remove | Wait | Finished


@dataclass(slots=True)
class _Posted:
    """A page's message.

    Invariant: once the page is closed and `shown` is its final rendering, it is never sent again.
    """

    message: str
    shown: Rendered[object] | None = None
    """None: posted by an earlier run; what it reads is not known."""


class Plan:
    """The course of one reply, from the first word to the last message.

    Pages are created in order, and a page that is closed shows its final text before the next
    one is created, so that at every moment the chat reads from top to bottom.
    """

    def __init__(self, pages: Pages, posted: Sequence[str] = ()) -> None:
        """`posted`: the messages that an earlier run of this turn created, by page."""
        self._pages = pages
        self._posted = [_Posted(message) for message in posted]
        self._settled = 0
        """Pages before this one are closed and shown in full."""
        self._plain = False
        self._ended = False
        self._written = 0
        self._shown = 0

    @property
    def first_shown(self) -> bool:
        """Whether this run has put any text before the reader."""
        return self._shown > 0

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def behind(self) -> int:
        """Characters that are written and not shown."""
        return self._written - self._shown

    def write(self, delta: str) -> None:
        """The answer goes on with `delta`."""
        assert not self._ended
        self._written += len(delta)
        self._pages.write(delta)

    def end(self, notice: str = "") -> None:
        """The answer is complete; `notice` is a line of our own below it."""
        assert not self._ended
        self._ended = True
        self._pages.close(notice)

    def cut(self, notice: str) -> None:
        """The reader wants no more: end with `notice` after the pages that are begun."""
        self._ended = True
        self._pages.cut(len(self._posted), notice)
        self._settled = min(self._settled, len(self._posted))

    def drop_formatting(self) -> bool:
        """Show everything plain from here on; False where it is plain already."""
        was, self._plain = self._plain, True
        return not was

    def next(self) -> Step:
        """What to do now; the same answer until something is written, shown or ended."""
        pages = self._pages.view(self._settled + 1)
        while self._settled < len(pages):
            number, page = self._settled, pages[self._settled]
            posted = self._posted[number] if number < len(self._posted) else None
            rendered = page.rendered.plain() if self._plain else page.rendered
            if posted is None or posted.shown != rendered:
                last = self._pages.complete and number == len(pages) - 1
                reaches = self._written if last else self._shown
                return Show(number, posted.message if posted else None, rendered, reaches)
            if not page.closed:
                break
            self._settled += 1
            pages = self._pages.view(self._settled + 1)
        if not self._ended:
            return Wait()
        if len(self._posted) > len(pages):
            return Remove(self._posted[-1].message)
        return Finished()

    def shown(self, show: Show, message: str) -> None:
        """`message` reads what `show` asked for."""
        if show.page == len(self._posted):
            self._posted.append(_Posted(message))
        self._posted[show.page].shown = show.rendered
        self._shown = max(self._shown, show.reaches)

    def removed(self, remove: Remove) -> None:
        assert self._posted[-1].message == remove.message
        self._posted.pop()
