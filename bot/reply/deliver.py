"""The only loop that sends: plan x pace x surface x clock."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog

from bot.reply.indicator import show_typing
from bot.reply.ledger import Counts
from bot.reply.pace import Call, Failed, Outcome, Priority, Refused, Took
from bot.reply.pages import Pages
from bot.reply.plan import Finished, Look, Plan, Remove, Show, Wait
from bot.reply.surface import (
    AlreadyPostedError,
    ChatClosedError,
    MessageGoneError,
    RefusedError,
    SlowDownError,
    SurfaceError,
    UnknownFateError,
)
from bot.reply.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.reply.gate import Gate
    from bot.reply.ledger import Ledger
    from bot.reply.plan import Step
    from bot.reply.surface import Surface

log = structlog.get_logger(__name__)


class Delivered(Enum):
    """How a reply ended on the reader's screen."""

    WHOLE = auto()
    """All of it is shown."""
    REMOVED = auto()
    """The reader deleted the message that was being written."""
    CLOSED = auto()
    """The chat can't be written to any more, or the platform does not take the answer's text."""


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
        limits = surface.limits
        pages = Pages(surface.markup, limits.page_size)
        self._plan = Plan(pages, posted, stood=stood, fresh_final=limits.fresh_final)
        self._trouble = Trouble(
            surface=surface,
            gate=gate,
            plan=self._plan,
            ledger=ledger,
            counts=self.counts,
            excuse=excuse,
        )
        self._wants: Step | None = None
        """What the plan asked for last: the pace budgets for that while the reply waits, as it is
        dear to ask again after each word. None: it is to be asked."""
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

    # What the pace wants to know (bot.reply.pace.Waiting).

    @property
    def call(self) -> Call:
        wants = self._trouble.instead or self._wants or self._plan.next()
        return self._create if wants.creates else self._edit

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
        return self._plan.next().closes

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
        now = self.counts.ended = self._loop.time()
        if self._plan.begun:
            self._gate.written(now - self._begun)
        self._plan.end(notice, instead=instead)
        self._complete()

    def cut(self, notice: str) -> None:
        """The reader wants no more: pages that are not begun are left out, also after `end`."""
        self._plan.cut(notice)
        self._complete()

    def _complete(self) -> None:
        self.priority = Priority.FINAL
        self._wants = None
        self._news.set()
        self._gate.changed()

    # The sender.

    async def deliver(self) -> Delivered:
        """Show the answer until all of it is shown, or the reader will have no more of it."""
        self._typing = asyncio.create_task(
            show_typing(self._surface, self._gate, self._plan, self._text_shown)
        )
        try:
            with self._gate.replying(self._surface.chat):
                await self._send_all()
        except MessageGoneError:
            return Delivered.REMOVED
        except (ChatClosedError, RefusedError, UnknownFateError) as error:
            log.warning("reply given up", chat=str(self._surface.chat), reason=str(error))
            return Delivered.CLOSED
        finally:
            self._text_shown.set()
        self.counts.delivered = self._loop.time()
        return Delivered.CLOSED if self._plan.given_up else Delivered.WHOLE

    async def _send_all(self) -> None:
        """One call after another, each with the latest text."""
        while True:
            self._wants = step = self._plan.next()
            match step:
                case Finished():
                    return
                case Look():
                    self._plan.look()
                    await asyncio.sleep(0)
                case Wait():
                    self._news.clear()
                    await self._news.wait()
                case Show() | Remove():
                    await self._send(await self._gate.admit(self))

    async def _send(self, call: Call) -> None:
        """Make the call that was admitted, if it is still the one to make."""
        self._wants = step = self._plan.next()
        if not isinstance(step, Show | Remove) or self.call is not call:
            self._gate.not_made(call)
            return
        if self._trouble.instead and isinstance(step, Show):
            step = self._trouble.instead
        self.counts.calls += 1
        try:
            await self._make(call, step)
        except SurfaceError as error:
            await self._trouble.meet(step, error)
            return
        self._text_shown.set()
        self._trouble.over(step)
        self._since = self._loop.time()
        if self.counts.first_shown is None:
            self.counts.first_shown = self._since

    async def _make(self, call: Call, step: Show | Remove) -> None:
        """Do `step`, and write down what came of it; raises SurfaceError.

        The call is under way until its message is in the ledger: who waits for the calls under way
        leaves no message behind that is not known of.
        """
        began = self._loop.time()
        outcome: Outcome = Failed()
        try:
            message, reads = await self._apply(step)
            outcome = Took(self._loop.time() - began)
            await self._note(step, message, reads=reads)
        except SlowDownError as error:
            outcome = Refused(error.retry_after)
            raise
        finally:
            self._gate.done(call, outcome, self._surface.allowance)

    async def _apply(self, step: Show | Remove) -> tuple[str, bool]:
        """Call the platform; return the message, and whether it is now as `step` asks."""
        if isinstance(step, Remove):
            await self._surface.delete(step.message)
            return step.message, True
        if step.message is not None:
            await self._surface.edit(step.message, step.rendered)
            return step.message, True
        nonce = f"{self._nonce}:{step.number}"
        try:
            message = await self._surface.create(step.rendered, number=step.page, nonce=nonce)
        except AlreadyPostedError as error:
            return error.message, False
        return message, True

    async def _note(self, step: Show | Remove, message: str, *, reads: bool) -> None:
        if isinstance(step, Remove):
            await self._ledger.removed(message)
            self._plan.removed(step)
            return
        if step.creates:
            await self._ledger.posted(step.number, message)
        if not reads:
            self._plan.created(step, message)
            return
        self._plan.shown(step, message)
        if not self._plan.ended:
            self.priority = Priority.PREVIEW
