"""Calls that fail: what is waited for, what else is tried, and what can't be helped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from bot.backoff import backoff
from bot.reply.plan import Form, Show
from bot.reply.surface import (
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
    from bot.reply.gate import Gate
    from bot.reply.ledger import Counts, Ledger
    from bot.reply.plan import Plan, Remove
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
ANSWERS_RETRY = 1.0
"""Seconds after which it is asked again whether there is a token for asking the platform."""


class Trouble:
    """What one reply does about calls that fail."""

    def __init__(
        self,
        *,
        surface: Surface,
        gate: Gate,
        plan: Plan,
        ledger: Ledger,
        counts: Counts,
        excuse: str,
    ) -> None:
        """`excuse` is Markdown that ends an answer whose text the platform does not take."""
        self._surface = surface
        self._gate = gate
        self._plan = plan
        self._ledger = ledger
        self._counts = counts
        self._excuse = excuse
        self.instead: Show | None = None
        """Shown next in place of what the plan asks for: a create of unknown fate with the text it
        had, whatever has been written since, so that an orphan holds a page's first text and no
        more; or another form of a text that is not taken."""
        self._failures = 0
        """Failed calls in a row; a refusal for rate is no failure."""
        self._unknown_creates = 0
        """Creates in a row of which no answer came."""
        self._uneditable = 0
        """Edits in a row that were refused for good."""
        self._doubted = False
        """The platform has just answered another call of this chat, so what fails now is the text's
        own fault."""

    def over(self, step: Show | Remove) -> None:
        """The platform did `step`."""
        self._failures = self._unknown_creates = 0
        self._doubted, self.instead = False, None
        if isinstance(step, Show) and not step.creates:
            self._uneditable = 0

    async def meet(self, step: Show | Remove, error: SurfaceError) -> None:
        """Wait as long as `error`, which came of `step`, asks; raise it if waiting doesn't help."""
        match error:
            case SlowDownError():
                # The gate knows, and holds the chat's calls until then.
                self._counts.refusals += 1
                log.info("slowed down", chat=str(self._surface.chat), retry_after=error.retry_after)
            case RefusedError() if self._say_otherwise(step):
                log.warning("text refused, trying another form", reason=str(error))
            case MessageGoneError() if (
                isinstance(step, Show) and step.message and self._plan.gone(step)
            ):
                self.instead = None
                await self._ledger.removed(step.message)
            case UneditableError() if isinstance(step, Show):
                self._uneditable += 1
                self.instead = None
                self._plan.renew(step, hold=self._uneditable >= UNEDITABLE)
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
        if isinstance(step, Show) and step.creates and may_be_there:
            # The excuse is not insisted on: it may be the platform after all.
            self.instead = None if step.form is Form.EXCUSE else step
            await self._wait_for_answers(error)
            return
        if isinstance(step, Show) and self._failures + 1 >= DOUBTED_AFTER:
            if not self._doubted and await self._answers():
                self._doubted, self.instead = True, step
                return
            if self._doubted and self._say_otherwise(step):
                log.warning("the text fails, trying another form", reason=str(error))
                return
            self.instead = None
        await self._back_off(error)

    def _say_otherwise(self, step: Show | Remove) -> bool:
        """Try another form of what was not taken at once; False if there is none."""
        other = None
        if isinstance(step, Show):
            other = self.instead = self._plan.otherwise(step, self._excuse)
        return other is not None

    async def _wait_for_answers(self, error: SurfaceError) -> None:
        """After a create of unknown fate; raises `error` if there were too many of them."""
        self._counts.ambiguous += 1
        self._unknown_creates += 1
        if self._unknown_creates >= UNKNOWN_CREATES:
            raise error
        await self._back_off(error)
        while self._unknown_creates > 1 and not await self._answers():
            await self._back_off(error)

    async def _answers(self) -> bool:
        """Whether the platform answers another call for this chat."""
        while not self._gate.may_act(self._surface.chat):  # noqa: ASYNC110 - tokens come with time
            await asyncio.sleep(ANSWERS_RETRY)
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
