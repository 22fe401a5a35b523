"""What was said, what is shown, and so what to send next: the page ledger.

Pure: no clock, no I/O. The plan is the one owner of what is on the reader's screen. It is asked by
`next`, which changes nothing; what changes it is told to it by name: `write`, `end`, `shown`, ….
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar

from bot.reply.surface import Rendered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.reply.pages import Page, Pages

_UNKNOWN: Rendered[object] = Rendered("…")
"""Stands for what a message of an earlier run reads, and for what is not looked at again."""


class Form(Enum):
    """What is shown for a page: its own text, or another where that is not taken."""

    WRITTEN = auto()
    PLAIN = auto()
    """Without formatting."""
    EXCUSE = auto()
    """A line in its place."""


@dataclass(frozen=True, slots=True)
class Show:
    """Make page number `page` read `rendered`: edit `message`, or create it where that is None."""

    page: int
    number: int
    """Of the message among all that were ever created for the answer, from 0."""
    message: str | None
    rendered: Rendered[object]
    reaches: int
    """Characters of the answer that the reader has once this is shown."""
    closes: bool = False
    """The reader has all of the answer once this is shown."""
    form: Form = Form.WRITTEN

    @property
    def creates(self) -> bool:
        """Whether it is a new message."""
        return self.message is None


class _NoShow:
    __slots__ = ()
    creates: ClassVar[bool] = False
    closes: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Remove(_NoShow):
    """Delete `message`: another took its place, or the answer has become shorter."""

    message: str


@dataclass(frozen=True, slots=True)
class Wait(_NoShow):
    """Everything that can be shown is shown; more text may come."""


@dataclass(frozen=True, slots=True)
class Look(_NoShow):
    """Not all that is written is laid out yet: `look` goes on with it; others may go first."""


@dataclass(frozen=True, slots=True)
class Finished(_NoShow):
    """The whole answer is shown."""


Step = Show | Remove | Wait | Look | Finished
"""Each tells whether it `creates` a message, and whether it `closes` the answer."""


@dataclass(slots=True)
class _Posted:
    """A page's message.

    Invariant: once the page is closed and `shown` is its final rendering, it is never sent again.
    """

    number: int
    message: str
    shown: Rendered[object] | None = None
    """None: posted by an earlier run; what it reads is not known."""
    grew: bool = True
    """Posted before its answer was complete, so that its reader may think to have read it."""


class Plan:
    """The course of one reply, from the first word to the last message.

    Pages are created in order, and a page that is closed shows its final text before the next
    one is created, so that at every moment the chat reads from top to bottom.
    """

    def __init__(
        self,
        pages: Pages,
        posted: Sequence[tuple[int, str]] = (),
        *,
        stood: int = 0,
        fresh_final: bool = False,
    ) -> None:
        """`posted`: the messages that an earlier run of this turn created, with their numbers.

        `stood`: how many characters of the answer they show, as far as is known.
        """
        self._pages = pages
        self._posted = [_Posted(number, message) for number, message in posted]
        self._stood = stood
        self._fresh_final = fresh_final
        self._created = self._posted[-1].number + 1 if self._posted else 0
        self._replaced: list[_Posted] = []
        """Messages that are deleted once the first of those in their place is shown."""
        self._settled = 0
        """Pages before this one are closed and shown in full; perhaps it is, too."""
        self._step: Step | None = None
        """What `next` has found out. Each change of the plan drops it."""
        self._plain = False
        self._holds = False
        """A message can't be edited: a page is posted, and shown again only when it is closed."""
        self.ended = False
        """Nothing more is written."""
        self.given_up = False
        """What is written since is dropped: the platform does not take the answer."""
        self._written = 0
        self._shown = 0

    @property
    def begun(self) -> bool:
        """Whether the answer has any text yet."""
        return self._written > 0

    @property
    def overtaking(self) -> bool:
        """Whether the reader sees more of an earlier run's answer than is written by now.

        It stays until the answer is longer, or complete: nobody is shown a text that shrinks.
        """
        return not self.ended and self._written <= self._stood

    @property
    def stands(self) -> bool:
        """Whether the reader has a message of the answer."""
        return bool(self._posted or self._replaced)

    @property
    def behind(self) -> int:
        """Characters that are written and not shown."""
        return self._written - self._shown

    def next(self) -> Step:
        """What to do now: the same until something is written, shown, ended or looked at.

        Dear to tell after a change, as the open page is laid out again; else free.
        """
        if self._step is None:
            self._step = self._following()
        return self._step

    def look(self) -> None:
        """Go on laying out what is written, where `next` said `Look`."""
        self._step = None

    def write(self, delta: str) -> None:
        """The answer goes on with `delta`."""
        if self.given_up:
            return
        assert not self.ended
        self._step = None
        self._written += len(delta)
        self._pages.write(delta)

    def restore(self, text: str) -> bool:
        """Go on from `text`, which an earlier run has shown; False where this run has overtaken it.

        What was written is dropped: it was not shown.
        """
        if not self.overtaking or self.given_up:
            return False
        self._pages.clear()
        self._written = 0
        self.write(text)
        return True

    def end(self, notice: str = "", *, instead: str = "") -> None:
        """The answer is complete; `notice` is a line of our own below it.

        `instead` is shown in place of an answer of which nothing can be seen.
        """
        if self.given_up:
            return
        assert not self.ended
        self._step = None
        self.ended = True
        self._pages.close(notice, instead=instead)

    def cut(self, notice: str) -> None:
        """The reader wants no more: end with `notice` after the pages that are begun."""
        if self.given_up:
            return
        self._step = None
        self.ended = True
        self._pages.cut(len(self._posted), notice)

    def otherwise(self, show: Show, excuse: str) -> Show | None:
        """What to try in place of `show`, which is not taken; None if there is nothing more.

        First the same text plain, then `excuse`, unless that is empty. Invariant: the excuse is a
        message below what stands, so that trying it changes nothing of the answer.
        """
        plain = show.rendered.plain()
        if show.form is Form.WRITTEN and show.rendered != plain:
            return replace(show, rendered=plain, form=Form.PLAIN)
        if show.form is Form.EXCUSE or not excuse:
            return None
        below = show.page < len(self._posted) or bool(self._replaced)
        return Show(
            show.page + below,
            # Another number than the page's own: so it has another nonce.
            self._created + show.creates,
            None,
            self._pages.render(excuse),
            self._written,
            closes=True,
            form=Form.EXCUSE,
        )

    def _following(self) -> Step:
        """What `next` gives."""
        at = self._settled
        if self._replaced and at < len(self._posted):
            return Remove(self._replaced[-1].message)
        pages = () if self.overtaking else self._pages.view(at + 1)
        while at < len(pages):
            last = self._pages.complete and at == len(pages) - 1
            if show := self._shows(at, pages[at], last=last):
                return show
            if not pages[at].closed:
                break
            at += 1
            pages = self._pages.view(at + 1)
        return self._beyond(at, len(pages))

    def _shows(self, number: int, page: Page, *, last: bool) -> Show | None:
        """What makes the message of page `number` read `page`; None if it does, or must wait."""
        posted = self._posted[number] if number < len(self._posted) else None
        if posted and self._fresh_final and self.ended and last and posted.grew:
            posted = None  # Its end is posted anew.
        if posted and self._holds and not page.closed:
            return None
        rendered = page.rendered.plain() if self._plain else page.rendered
        if posted and posted.shown == rendered:
            return None
        return Show(
            number,
            posted.number if posted else self._created,
            posted.message if posted else None,
            rendered,
            reaches=self._written if last else self._shown,
            closes=last and self.ended,
        )

    def _beyond(self, at: int, pages: int) -> Step:
        """What to do if so many pages are laid out, and those before `at` are shown."""
        if not self.overtaking and not self._pages.complete and at >= pages:
            return Look()
        if not self.ended:
            return Wait()
        if len(self._posted) > pages:
            return Remove(self._posted[-1].message)
        return Finished()

    def shown(self, show: Show, message: str) -> None:
        """`message` reads what `show` asked for."""
        self.created(show, message)
        self._shown = max(self._shown, show.reaches)
        self._posted[show.page].shown = show.rendered
        if show.form is Form.EXCUSE:
            self._give_up(show)
            return
        self._plain = self._plain or show.form is Form.PLAIN
        self._settle(show.page)

    def created(self, show: Show, message: str) -> None:
        """`message` is there for what `show` asked for; what it reads is not known."""
        self._step = None
        if not show.creates:
            return
        if len(self._posted) < show.page:
            # Nothing came in its place: it stands after all.
            self._posted.append(self._replaced.pop(0))
        self._replace(show.page)
        self._posted.append(_Posted(show.number, message, grew=not self.ended))
        self._created = show.number + 1

    def renew(self, show: Show, *, hold: bool = False) -> None:
        """The message of `show` can't be edited any more: post it, and all below it, anew.

        `hold`: what is posted from here on can't be edited either.
        """
        self._step = None
        self._holds = self._holds or hold
        self._settled = show.page
        self._replace(show.page)

    def gone(self, show: Show) -> bool:
        """The message of `show` is gone. True where an earlier run may have deleted it itself.

        That run had posted another in its place, and ended before it could note the deletion.
        """
        posted = self._posted[show.page]
        if posted.shown is not None or posted is self._posted[-1]:
            return False
        self._step = None
        del self._posted[show.page]
        return True

    def removed(self, remove: Remove) -> None:
        self._step = None
        messages = self._replaced or self._posted
        assert messages[-1].message == remove.message
        messages.pop()

    def _settle(self, page: int) -> None:
        """All pages before `page` are closed and shown; their texts are let go."""
        before = range(self._settled, page)
        self._pages.let_go(before)
        for number in before:
            self._posted[number].shown = _UNKNOWN
        self._settled = page

    def _replace(self, page: int) -> None:
        """The messages from `page` on go once the first of those in their place is shown."""
        self._replaced += self._posted[page:]
        del self._posted[page:]

    def _give_up(self, excuse: Show) -> None:
        """What stands stays, and `excuse`, which is shown below it, is the end of the answer."""
        ending = [excuse.rendered]
        if excuse.page:
            above = self._posted[excuse.page - 1]
            above.shown = above.shown or _UNKNOWN
            ending.insert(0, above.shown)
        self._pages.replace(excuse.page + 1 - len(ending), ending)
        self._settled = excuse.page
        self._posted[excuse.page].grew = False
        self.ended = self.given_up = True
