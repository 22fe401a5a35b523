"""The only loop that sends: plan x pace x surface x clock."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

import structlog

from bot.backoff import backoff
from bot.reply.pace import Call, Priority
from bot.reply.pages import Pages
from bot.reply.plan import Finished, Form, Look, Plan, Remove, Show, Step, Wait
from bot.reply.surface import (
    AlreadyPostedError,
    ChatClosedError,
    MessageGoneError,
    NotAllowedError,
    NotAppliedError,
    RefusedError,
    SlowDownError,
    SurfaceError,
    UneditableError,
    UnknownFateError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.reply.gate import Gate
    from bot.reply.surface import Surface

log = structlog.get_logger(__name__)

FIRST_BACKOFF = 0.5
"""Seconds to wait after the first failed call in a row."""
UNKNOWN_CREATES = 8
"""Attempts at a page's create of which no answer came. Each may leave an orphan, so from the second
on they are made only while the platform takes other calls; after so many in a row it is taken to
swallow our messages, and the reply is given up."""
DOUBTED_AFTER = 6
"""Failed calls in a row, a quarter of a minute in all, after which the text may be their cause. It
is if the platform shows the typing indicator, then fails the same text again, and then takes it
plain, or an excuse. Otherwise it is the platform."""
NOT_ALLOWED = 7
"""Attempts, half a minute in all, while a right is missing in the middle of an answer."""
UNEDITABLE = 2
"""Edits in a row that are refused for good: then a page is shown when it is closed, not before."""
TYPING_AFTER = 0.3
"""Seconds of silence before it is shown: where a text comes sooner, it would only cost its call."""
TYPING_RETRY = 1.0
"""Seconds after which it is asked again whether there is a token for it."""
TYPING_OVERLAP = 0.5
"""Seconds before the typing indicator fades at which it is shown anew."""


class Delivered(Enum):
    """How a reply ended on the reader's screen."""

    WHOLE = auto()
    """All of it is shown."""
    REMOVED = auto()
    """The reader deleted the message that was being written."""
    CLOSED = auto()
    """The chat can't be written to any more, or the platform does not take the answer's text."""


class Ledger(Protocol):
    """Remembers over a crash which messages were posted for a turn."""

    async def posted(self, number: int, message: str) -> None:
        """`message` is the answer's message of this `number`; the numbers grow from 0."""
        ...

    async def removed(self, message: str) -> None:
        """`message`, once posted, is deleted."""
        ...


@dataclass(slots=True)
class Counts:
    """What a reply cost; for the log and the metrics."""

    calls: int = 0
    refusals: int = 0
    ambiguous: int = 0
    """Creates of unknown fate that were sent again: each may have left an orphan message."""
    first_shown: float | None = None
    """When the first text was shown, the last word was said, all of it was shown; on the event
    loop's clock."""
    ended: float | None = None
    delivered: float | None = None


class Reply:
    """One answer on its way to one chat.

    `write` and `end` are called by whoever reads the model and never wait; `deliver` runs beside
    them and is the only one that calls the platform: one call at a time, never cancelled.
    """

    def __init__(
        self,
        surface: Surface,
        gate: Gate,
        ledger: Ledger,
        *,
        nonce: str,
        posted: Sequence[tuple[int, str]] = (),
        stood: int = 0,
        excuse: str = "",
    ) -> None:
        """`nonce` names the turn; `posted` are the messages of an earlier, interrupted run.

        `stood`: how many characters of the answer they show, as far as is known. `excuse` is
        Markdown that ends an answer whose text the platform does not take.
        """
        self.counts = Counts()
        self._surface = surface
        self._gate = gate
        self._ledger = ledger
        self._nonce = nonce
        self._excuse = excuse
        limits = surface.limits
        pages = Pages(surface.markup, limits.page_size)
        self._plan = Plan(pages, posted, stood=stood, fresh_final=limits.fresh_final)
        self._edit = self._create = Call(surface.chat, limits.chat)
        if limits.creates is not None:
            self._create = Call(surface.chat, limits.creates, "create")
        self._loop = asyncio.get_running_loop()
        self._since = self._begun = self.called_at = self._loop.time()
        self.priority = Priority.FIRST
        """Kept up to date: the pace asks for it of every reply whenever one may go."""
        self._news = asyncio.Event()
        self._text_shown = asyncio.Event()
        """Or the reply ended without any: nothing is being prepared any more."""
        self._failures = 0
        """Failed calls in a row; a refusal for rate is no failure."""
        self._unknown_creates = 0
        """Creates in a row of which no answer came."""
        self._uneditable = 0
        """Edits in a row that were refused for good."""
        self._doubted = False
        """The platform has just answered another call of this chat, so what fails now is the text's
        own fault."""
        self._instead: Show | None = None
        """Shown next in place of what the plan asks for: a create of unknown fate with the text it
        had, whatever has been written since, so that an orphan holds a page's first text and no
        more; or another form of a text that is not taken."""

    # What the pace wants to know (bot.reply.pace.Waiting).

    @property
    def call(self) -> Call:
        creates = self._plan.creates if self._instead is None else self._instead.message is None
        return self._create if creates else self._edit

    @property
    def behind(self) -> int:
        return self._plan.behind

    @property
    def since(self) -> float:
        return self._since

    @property
    def begun(self) -> float:
        return self._begun

    @property
    def closes(self) -> bool:
        return self._plan.closes()

    # What the reader of the model says.

    def write(self, delta: str) -> None:
        if not self._plan.behind:
            self._since = self._loop.time()
        if not self._plan.begun:
            self._begun = self._since
        self._plan.write(delta)
        self._news.set()

    def restore(self, text: str) -> bool:
        """Show `text` of an earlier run in place of what is written, if that is not shown yet."""
        return self._plan.restore(text)

    def end(self, notice: str = "", *, instead: str = "") -> None:
        """The answer is complete; `notice` is shown below it.

        `instead` is shown in place of an answer of which nothing can be seen.
        """
        if self._plan.begun:
            self._gate.pace.ended(self._loop.time() - self._begun)
        self.counts.ended = self._loop.time()
        self._plan.end(notice, instead=instead)
        self._complete()

    def cut(self, notice: str) -> None:
        """The reader wants no more: pages that are not begun are left out, also after `end`."""
        self._plan.cut(notice)
        self._complete()

    def _complete(self) -> None:
        self.priority = Priority.FINAL
        self._news.set()
        self._gate.changed()

    # The sender.

    async def deliver(self) -> Delivered:
        """Show the answer until all of it is shown, or the reader will have no more of it."""
        self._typing = asyncio.create_task(self._type())
        self._gate.pace.joined(self._surface.chat)
        try:
            while not isinstance(step := self._plan.next(), Finished):
                if isinstance(step, Look):
                    await asyncio.sleep(0)
                    continue
                if isinstance(step, Wait):
                    self._news.clear()
                    await self._news.wait()
                    continue
                call = await self._gate.admit(self)
                await self._take(call, self._plan.next())
        except MessageGoneError:
            return Delivered.REMOVED
        except (ChatClosedError, RefusedError, UnknownFateError) as error:
            log.warning("reply given up", chat=str(self._surface.chat), reason=str(error))
            return Delivered.CLOSED
        finally:
            self._text_shown.set()
            self._gate.pace.left(self._surface.chat)
        self.counts.delivered = self._loop.time()
        return Delivered.CLOSED if self._plan.given_up else Delivered.WHOLE

    async def _take(self, call: Call, step: Step) -> None:
        """Make the one call that was admitted, if it is still the one to make."""
        if not isinstance(step, Show | Remove) or self.call is not call:
            self._gate.not_made(call)
            return
        if self._instead and isinstance(step, Show):
            step = self._instead
        self.counts.calls += 1
        trouble: SurfaceError | None = None
        left_at = self._loop.time()
        try:
            await (self._show(step) if isinstance(step, Show) else self._remove(step))
        except SurfaceError as error:
            trouble = error
        finally:
            self._gate.done(call)
        if allowance := self._surface.allowance:
            self._gate.pace.told(call, allowance, self._loop.time())
        if trouble is None:
            self._gate.pace.took(call, self._loop.time() - left_at, self._loop.time())
            self._succeeded(call)
        else:
            await self._recover(call, step, trouble)

    def _succeeded(self, call: Call) -> None:
        self._text_shown.set()
        self._failures = self._unknown_creates = 0
        self._doubted, self._instead = False, None
        self._since = self._loop.time()
        if self.counts.first_shown is None:
            self.counts.first_shown = self._since
        self._gate.pace.succeeded(call, self._since)

    async def _show(self, show: Show) -> None:
        if show.message is None:
            nonce = f"{self._nonce}:{show.number}"
            try:
                message = await self._surface.create(show.rendered, number=show.page, nonce=nonce)
            except AlreadyPostedError as error:
                await self._ledger.posted(show.number, error.message)
                self._plan.created(show, error.message)
                return
            await self._ledger.posted(show.number, message)
        else:
            message = show.message
            await self._surface.edit(message, show.rendered)
            self._uneditable = 0
        self._plan.shown(show, message)
        if not self._plan.ended:
            self.priority = Priority.PREVIEW

    async def _remove(self, remove: Remove) -> None:
        await self._surface.delete(remove.message)
        await self._ledger.removed(remove.message)
        self._plan.removed(remove)

    async def _recover(self, call: Call, step: Show | Remove, error: SurfaceError) -> None:
        """Wait as long as `error` asks; raise it where waiting does not help."""
        match error:
            case SlowDownError():
                self.counts.refusals += 1
                self._gate.pace.refused(call, error.retry_after, self._loop.time())
                log.info("slowed down", chat=str(self._surface.chat), retry_after=error.retry_after)
            case RefusedError() if self._say_otherwise(step):
                log.warning("text refused, trying another form", reason=str(error))
            case MessageGoneError() if (
                isinstance(step, Show) and step.message and self._plan.forget(step)
            ):
                self._instead = None
                await self._ledger.removed(step.message)
            case UneditableError():
                self._uneditable += 1
                self._instead = None
                self._plan.renew(hold=self._uneditable >= UNEDITABLE)
                log.info("can't be edited any more, posting anew", reason=str(error))
            case NotAppliedError() | UnknownFateError():
                await self._fail(step, error)
            case NotAllowedError() if self._plan.stands and self._failures + 1 < NOT_ALLOWED:
                await self._back_off(error)
            case _:
                raise error

    async def _fail(self, step: Show | Remove, error: SurfaceError) -> None:
        """Try again, later or in another form."""
        may_be_there = isinstance(error, UnknownFateError) and not self._surface.limits.nonces
        if isinstance(step, Show) and step.message is None and may_be_there:
            # The excuse is not insisted on: it may be the platform after all.
            self._instead = None if step.form is Form.EXCUSE else step
            await self._wait_for_answers(error)
            return
        if isinstance(step, Show) and self._failures + 1 >= DOUBTED_AFTER:
            if not self._doubted and await self._answers():
                self._doubted, self._instead = True, step
                return
            if self._doubted and self._say_otherwise(step):
                log.warning("the text fails, trying another form", reason=str(error))
                return
            self._instead = None
        await self._back_off(error)

    def _say_otherwise(self, step: Show | Remove) -> bool:
        """Try another form of what was not taken at once; False if there is none."""
        other = None
        if isinstance(step, Show):
            other = self._instead = self._plan.otherwise(step, self._excuse)
        return other is not None

    async def _wait_for_answers(self, error: SurfaceError) -> None:
        """After a create of unknown fate; raises `error` if there were too many of them."""
        self.counts.ambiguous += 1
        self._unknown_creates += 1
        if self._unknown_creates >= UNKNOWN_CREATES:
            raise error
        await self._back_off(error)
        while self._unknown_creates > 1 and not await self._answers():
            await self._back_off(error)

    async def _answers(self) -> bool:
        """Whether the platform answers another call for this chat."""
        while not self._gate.may_act(self._surface.chat):  # noqa: ASYNC110 - tokens come with time
            await asyncio.sleep(TYPING_RETRY)
        try:
            await self._surface.typing()
        except (NotAppliedError, UnknownFateError):
            return False
        except SurfaceError:
            return True
        return True

    async def _back_off(self, error: SurfaceError) -> None:
        self._failures += 1
        self._doubted = False
        delay = backoff(self._failures, FIRST_BACKOFF)
        log.warning(
            "platform call failed", chat=str(self._surface.chat), reason=str(error), again_in=delay
        )
        await asyncio.sleep(delay)

    async def _type(self) -> None:
        """Show the typing indicator until the first text; it is decoration and never insists.

        It ends by itself, not by being cancelled: that could cut a request under way.
        """
        again_in = TYPING_AFTER
        while not await self._text_is_shown(again_in):
            again_in = TYPING_RETRY
            nothing_new = self._plan.overtaking or not self._plan.behind
            waiting = nothing_new and not self._plan.ended
            if waiting and self._gate.may_act(self._surface.chat):
                again_in = self._surface.limits.typing_lasts - TYPING_OVERLAP
                try:
                    await self._surface.typing()
                except SurfaceError:
                    # Refused for its rate, too: actions have a budget of their own.
                    return

    async def _text_is_shown(self, within: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._text_shown.wait()
        return self._text_shown.is_set()
