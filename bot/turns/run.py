"""One turn: what is owed -> history -> provider -> reply."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from bot import texts
from bot.chat.commands import CommandName
from bot.chat.content import words
from bot.control import forget as forgetting
from bot.conversation import prompt
from bot.conversation.window import ContextWindow
from bot.reply.deliver import Delivered, Reply
from bot.store.schema import Kind, Outcome
from bot.turns import recovery
from bot.turns.answer import Answer
from providers.base import (
    ContextTooLongError,
    Finish,
    FinishReason,
    TextDelta,
    Usage,
)
from providers.chain import Resumed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.chat.keys import TurnKey
    from bot.control.stop import Control
    from bot.operations.metrics import Metrics, Watch
    from bot.replicas.base import Lease
    from bot.settings.sections import ChatSettings
    from bot.store.erasure import Erasure
    from bot.store.history import History
    from bot.store.messages import Messages
    from bot.store.queue import TurnQueue
    from bot.store.schema import Turn
    from bot.turns.platform import Platform
    from providers.chain import Chain

log = structlog.get_logger(__name__)


_SAID = {
    CommandName.START.value: texts.START,
    CommandName.NEW.value: texts.NEW_CONVERSATION,
    CommandName.FORGET.value: texts.FORGOTTEN,
}


class _TurnLedger:
    def __init__(self, messages: Messages, turn: Turn) -> None:
        self._messages = messages
        self._turn = turn

    async def posted(self, number: int, message: str) -> None:
        await self._messages.add(self._turn, number, message)

    async def removed(self, message: str) -> None:
        await self._messages.remove(self._turn, message)


class Turns:
    """Answers what is owed, across all platforms."""

    def __init__(  # noqa: PLR0913 - what it works with, by keyword
        self,
        *,
        history: History,
        messages: Messages,
        erasure: Erasure,
        queue: TurnQueue,
        platforms: Mapping[str, Platform],
        chain: Chain,
        control: Control,
        chat: ChatSettings,
        lease: Lease,
        metrics: Metrics,
    ) -> None:
        self._history = history
        self._messages = messages
        self._erasure = erasure
        self._queue = queue
        self._platforms = platforms
        self._chain = chain
        self._control = control
        self._chat = chat
        self._lease = lease
        self._metrics = metrics
        self._context = ContextWindow(history, chat)
        self.partials = recovery.Partials(history.save_partials, lease)
        self._started_at = time.time()

    async def run(self, key: TurnKey) -> None:
        """Answer the turn, or go on where an earlier run of it was cut off.

        Its bot must be logged in: the queue runs no turn of another.
        """
        with self._metrics.turn(key.chat.platform) as watch:
            await self._run(key, watch)

    async def _run(self, key: TurnKey, watch: Watch) -> None:
        platform = self._platforms[key.chat.platform]
        progress = await self._history.progress(key)
        if progress is None or progress[0].settled:
            return
        turn, posted = progress
        turn = await self._unless_too_old(turn, begun=bool(posted or turn.partial))
        reply = self._reply(turn, platform, posted)
        self._metrics.began(watch, turn, reply.counts)
        if turn.outcome is not None:
            # The model had said its last word when the earlier run was cut off.
            reply.write(turn.answer or "")
            instead = texts.NOTHING_TO_SEE if turn.asks_model else ""
            reply.end(turn.notice or "", instead=instead)
            delivered = await reply.deliver()
        elif turn.kind is not Kind.QUESTION and not turn.asks_model:
            reply.end(await self._carry_out(turn))
            delivered = await reply.deliver()
        elif not turn.content:
            delivered = Delivered.REMOVED  # Its asker took it back before its time came.
        else:
            delivered = await self._answer(turn, reply, watch)
        gone = delivered is Delivered.REMOVED
        watch.outcome = Outcome.REMOVED.value if gone else watch.outcome
        await self._history.settle(turn, Outcome.REMOVED if gone else None)
        if turn.command == CommandName.FORGET:
            await self._erasure.drop(turn)
        await platform.settled(turn)

    async def _unless_too_old(self, turn: Turn, *, begun: bool) -> Turn:
        """Return `turn`, ended with a notice where it is too old to be answered after a restart."""
        if turn.outcome is not None or not turn.asks_model:
            return turn
        now, within = time.time(), self._chat.resume_within
        if not recovery.too_old(
            turn, begun=begun, started_at=self._started_at, now=now, within=within
        ):
            return turn
        log.info("too old to be answered after a restart", turn=str(turn.key), begun=begun)
        partial = turn.partial or ""
        notice = texts.CUT_OFF if begun else texts.WAS_AWAY
        await self._history.end(turn, partial, Outcome.ABANDONED, notice=notice, tokens=None)
        return replace(turn, answer=partial, outcome=Outcome.ABANDONED, notice=notice)

    def _reply(self, turn: Turn, platform: Platform, posted: list[tuple[int, str]]) -> Reply:
        return Reply(
            platform.surface(turn),
            platform.gate,
            _TurnLedger(self._messages, turn),
            nonce=str(turn.key),
            posted=posted,
            stood=len(turn.partial or "") if posted else 0,
            excuse=texts.NOT_TAKEN,
        )

    async def _carry_out(self, turn: Turn) -> str:
        """Do what a command asks for; return what to say."""
        match turn.command:
            case CommandName.STOP:
                # Where there is something to stop, the answer itself says that it was stopped.
                stopped = await self._control.stop(turn.key.chat, turn.sender)
                return "" if stopped else texts.NOTHING_TO_STOP
            case CommandName.FORGET:
                await forgetting.forget(turn, self._erasure, self._queue, self._control)
            case CommandName.UNKNOWN:
                return texts.unknown_command(turn.arguments)
            case CommandName.HELP:
                return texts.help_text()
        if turn.kind is Kind.NOTICE:
            return words(turn.content)
        return texts.NOTHING_TO_RETRY if turn.kind is Kind.RETRY else _SAID[turn.command]

    async def _answer(self, turn: Turn, reply: Reply, watch: Watch) -> Delivered:
        """Ask the model, and show what it says while it says it."""
        delivering = asyncio.create_task(reply.deliver())
        try:
            with self._control.running(turn) as stop:
                answer = await self._ask(turn, reply, delivering, stop)
                await self._lease.held()  # Another replica may have gone on with it.
                watch.outcome = answer.outcome.value
                await self._history.end(
                    turn,
                    answer.text,
                    answer.outcome,
                    notice=answer.notice,
                    tokens=answer.usage.output_tokens,
                )
                if not stop.is_set():
                    await _first({delivering}, stop)
            if stop.is_set() and not delivering.done():
                # The pages that are still to come are not wanted either.
                reply.cut(texts.STOPPED)
            delivered = await delivering
        finally:
            # Cut off here only when the process ends, after the last call has returned.
            delivering.cancel()
        log.info(
            "turn ended",
            turn=str(turn.key),
            outcome=answer.outcome.value,
            shown=delivered.name.lower(),
            calls=reply.counts.calls,
            refusals=reply.counts.refusals,
            ambiguous=reply.counts.ambiguous,
        )
        return delivered

    async def _ask(
        self,
        turn: Turn,
        reply: Reply,
        delivering: asyncio.Task[Delivered],
        stop: asyncio.Event,
    ) -> Answer:
        """Read the model to its end, or until the reader will have no more of it."""
        answer = Answer()
        with self.partials.writing(turn, lambda: answer.text):
            reading = asyncio.create_task(self._read(turn, reply, answer))
            try:
                await _first({reading, delivering}, stop)
            finally:
                cut = reading.cancel()
            # A reading that was cut closes its connection before the turn goes on.
            await asyncio.wait({reading})
        broken = cut or reading.exception() is not None
        if broken and turn.partial and reply.restore(turn.partial):
            # Less came than what stands before the reader: that stays.
            answer.parts[:] = [turn.partial]
        if cut and stop.is_set():
            answer.outcome, answer.notice = Outcome.STOPPED, texts.STOPPED
        elif cut:
            answer.outcome = Outcome.PARTIAL  # Nobody reads on.
        elif error := reading.exception():
            answer.fail(error, turn)
        if not stop.is_set() and not delivering.done():
            reply.end(answer.notice, instead=texts.NOTHING_TO_SEE)
        return answer

    async def _read(self, turn: Turn, reply: Reply, answer: Answer) -> None:
        # Reading is a task of its own: what its log lines name ends with it.
        structlog.contextvars.bind_contextvars(turn=str(turn.key))
        begun = self._gone_on_with(turn)
        past = await self._context.past(turn, begun)
        if begun:
            answer.parts.append(begun)
            reply.write(begun)
        try:
            await self._listen(turn, past, reply, answer)
        except ContextTooLongError as error:
            if not past or answer.text != begun:
                raise
            past = self._context.newer_half(past)
            log.warning(
                "conversation too long for the model; asking with its newer half",
                reason=str(error),
                turns=len(past),
            )
            await self._listen(turn, past, reply, answer)

    async def _listen(self, turn: Turn, past: list[Turn], reply: Reply, answer: Answer) -> None:
        conversation = prompt.messages(self._chat.system_prompt, past, turn)
        answer.alone = not past
        begun = self._gone_on_with(turn)
        async with aclosing(self._chain.stream(conversation, begun)) as events:
            async for event in events:
                match event:
                    case TextDelta(text):
                        answer.parts.append(text)
                        reply.write(text)
                    case Usage():
                        answer.usage = event
                    case Resumed():
                        answer.notice = texts.RESUMED
                        answer.usage = Usage(answer.usage.input_tokens)
                    case Finish(FinishReason.LENGTH):
                        answer.notice = texts.LENGTH_LIMIT
        if answer.usage.input_tokens:
            self._context.learn(conversation, answer.usage.input_tokens)

    def _gone_on_with(self, turn: Turn) -> str:
        """What an earlier process left of the answer, where the model is asked for the rest."""
        return (turn.partial or "") if self._chat.resume else ""


async def _first(tasks: set[asyncio.Task[Any]], stop: asyncio.Event) -> None:
    """Wait for the first of `tasks` to end, or for `stop`."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
