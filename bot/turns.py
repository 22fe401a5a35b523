"""One turn: incoming message -> history -> provider -> reply."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from bot import prompt, texts
from bot.commands import CommandName
from bot.reply.deliver import Delivered, Reply
from bot.schema import Outcome
from bot.tokens import TokenCount
from providers.base import (
    ContextTooLongError,
    Finish,
    FinishReason,
    ProviderError,
    TextDelta,
    Usage,
)
from providers.chain import Resumed

if TYPE_CHECKING:
    from bot.access import Access
    from bot.control import Control
    from bot.durable import TurnQueue
    from bot.history import History
    from bot.messages import Incoming, TurnKey
    from bot.replicas import Lease
    from bot.reply.gate import Gate
    from bot.reply.surface import Surface
    from bot.schema import After, Turn
    from bot.settings import ChatSettings
    from providers.chain import Chain

log = structlog.get_logger(__name__)

LONGEST_BACKOFF = 30.0
"""Seconds between two tries to keep a message."""
SAY = "say"
"""The command of a turn that only says what stands for its question."""
IN_ORDER = frozenset({CommandName.NEW, CommandName.RETRY})
"""Commands that wait for the answers before them; the others are carried out at once."""


_SAID = {
    CommandName.START.value: texts.START,
    CommandName.NEW.value: texts.NEW_CONVERSATION,
    CommandName.RETRY.value: texts.NOTHING_TO_RETRY,
}


class PlatformError(Exception):
    """A platform turns us away for good; the message is one line that names the mend."""


class Platform(Protocol):
    """Where questions come from and turns are answered."""

    @property
    def gate(self) -> Gate: ...

    async def serve(self) -> None:
        """Log in and take messages until cancelled; raises PlatformError."""
        ...

    async def ready(self) -> None:
        """Return once messages can be posted."""
        ...

    def surface(self, turn: Turn) -> Surface:
        """The chat of `turn`, new messages in it threaded to the turn's question."""
        ...

    async def settled(self, turn: Turn) -> None:
        """Nothing more is shown for `turn`."""
        ...

    async def close(self) -> None:
        """Finish the calls under way and close the connections."""
        ...


@dataclass(slots=True)
class _Answer:
    """What the model has said so far, and how it ended."""

    alone: bool = False
    """The question was asked without anything that was said before it."""
    parts: list[str] = field(default_factory=list)
    outcome: Outcome = Outcome.WHOLE
    notice: str = ""
    usage: Usage = field(default_factory=Usage)

    @property
    def text(self) -> str:
        return "".join(self.parts)


class _TurnLedger:
    def __init__(self, history: History, turn: Turn) -> None:
        self._history = history
        self._turn = turn

    async def posted(self, number: int, message: str) -> None:
        await self._history.add_message(self._turn, number, message)

    async def removed(self, message: str) -> None:
        await self._history.remove_message(self._turn, message)


class Turns:
    """Takes messages in and answers them, across all platforms."""

    def __init__(
        self,
        *,
        history: History,
        chain: Chain,
        access: Access,
        control: Control,
        chat: ChatSettings,
        lease: Lease,
    ) -> None:
        self.queue: TurnQueue
        """Set by the composition root: the queue needs `run` before it can be made."""
        self.platforms: dict[str, Platform] = {}
        self._history = history
        self._chain = chain
        self._access = access
        self._control = control
        self._chat = chat
        self._lease = lease
        self._tokens = TokenCount()

    async def take(self, incoming: Incoming, after: After | None = None) -> bool:
        """Owe `incoming` an answer; False where it gets none.

        On return no crash can lose it, and it may be acknowledged: what can't be kept is tried
        again, more and more slowly. The conversation goes on from `after`; None: from the turn
        before it in its chat. Taking the same message again changes nothing.
        """
        for failures in count():
            try:
                return await self._take(incoming, after)
            except Exception:
                log.exception("a message can't be kept; trying again", turn=str(incoming.key))
                await asyncio.sleep(min(LONGEST_BACKOFF, 2.0**failures))
        raise AssertionError

    async def _take(self, incoming: Incoming, after: After | None) -> bool:
        key, command = incoming.key, incoming.command
        if incoming.group and command and command.name is CommandName.UNKNOWN:
            return False  # It may be meant for another bot.
        if not self._access.allows(key.chat.platform, incoming.sender.id):
            # All threads of a channel are one place to be told it in.
            place = replace(key.chat, thread="")
            notice = self._access.stranger_notice(place, incoming.sender.id)
            if notice is None:
                return False
            await self._owe(incoming, notice, SAY)
        elif command:
            await self._owe(incoming, command.word, command.name.value)
        elif incoming.text.strip():
            await self._owe(incoming, prompt.question(incoming), after=after)
        else:
            await self._owe(incoming, texts.TEXT_ONLY, SAY)
        return True

    async def _owe(
        self, incoming: Incoming, question: str, command: str = "", after: After | None = None
    ) -> None:
        key, sender = incoming.key, incoming.sender.id
        apart = incoming.side_by_side
        turn = await self._history.ask(
            key, question, sender=sender, command=command, after=after, own=apart
        )
        lane = str(key.chat)
        if command and command not in IN_ORDER:
            # What is done at once waits for nothing, not even for another such command.
            lane = str(key)
        elif apart:
            lane = f"{key.chat} {sender}"
        await self.queue.put(key, lane=lane, order=turn.seq)

    async def run(self, key: TurnKey) -> None:
        """Answer the turn, or go on where an earlier run of it was cut off."""
        platform = await self._platform(key.chat.platform)
        turn = await self._history.turn(key)
        if turn is None or turn.settled:
            return
        reply = await self._reply(turn, platform)
        if turn.outcome is not None:
            # The model had said its last word when the earlier run was cut off.
            reply.write(turn.answer or "")
            reply.end(turn.notice or "")
            delivered = await reply.deliver()
        elif turn.command and not (turn.command == CommandName.RETRY and turn.question):
            reply.end(await self._carry_out(turn))
            delivered = await reply.deliver()
        elif not turn.question:
            delivered = Delivered.REMOVED  # Its asker took it back before its time came.
        else:
            delivered = await self._answer(turn, reply)
        gone = delivered is Delivered.REMOVED
        await self._history.settle(turn, Outcome.REMOVED if gone else None)
        await platform.settled(turn)

    async def _platform(self, name: str) -> Platform:
        """The platform of this name, once it can be spoken to.

        A turn whose platform can't be reached, or is not configured any more, is still owed.
        """
        platform = self.platforms.get(name)
        if platform is None:
            log.warning("answers wait for a platform that is not configured", platform=name)
            await asyncio.Event().wait()
            raise AssertionError
        await platform.ready()
        return platform

    async def _reply(self, turn: Turn, platform: Platform) -> Reply:
        return Reply(
            platform.surface(turn),
            platform.gate,
            _TurnLedger(self._history, turn),
            nonce=str(turn.key),
            posted=await self._history.messages(turn),
        )

    async def _carry_out(self, turn: Turn) -> str:
        """Do what a command asks for; return what to say."""
        match turn.command:
            case CommandName.STOP:
                # Where there is something to stop, the answer itself says that it was stopped.
                stopped = await self._control.stop(turn.key.chat, turn.sender)
                return "" if stopped else texts.NOTHING_TO_STOP
            case CommandName.UNKNOWN:
                return texts.unknown_command(turn.question)
            case CommandName.HELP:
                return texts.help_text()
        return _SAID.get(turn.command, turn.question)

    async def _answer(self, turn: Turn, reply: Reply) -> Delivered:
        """Ask the model, and show what it says while it says it."""
        delivering = asyncio.create_task(reply.deliver())
        try:
            with self._control.running(turn) as stop:
                answer = await self._ask(turn, reply, delivering, stop)
                await self._lease.held()  # Another replica may have gone on with it.
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
    ) -> _Answer:
        """Read the model to its end, or until the reader will have no more of it."""
        answer = _Answer()
        reading = asyncio.create_task(self._read(turn, reply, answer))
        try:
            await _first({reading, delivering}, stop)
        finally:
            cut = reading.cancel()
        # A reading that was cut closes its connection before the turn goes on.
        await asyncio.wait({reading})
        if cut and stop.is_set():
            answer.outcome, answer.notice = Outcome.STOPPED, texts.STOPPED
        elif cut:
            answer.outcome = Outcome.PARTIAL  # Nobody reads on.
        elif error := reading.exception():
            _fail(answer, error, turn)
        if not stop.is_set() and not delivering.done():
            reply.end(answer.notice)
        return answer

    async def _read(self, turn: Turn, reply: Reply, answer: _Answer) -> None:
        # Reading is a task of its own: what its log lines name ends with it.
        structlog.contextvars.bind_contextvars(turn=str(turn.key))
        past = await self._past(turn)
        try:
            await self._listen(turn, past, reply, answer)
        except ContextTooLongError as error:
            if not past or answer.parts:
                raise
            past = self._newer_half(past)
            log.warning(
                "conversation too long for the model; asking with its newer half",
                reason=str(error),
                turns=len(past),
            )
            await self._listen(turn, past, reply, answer)

    async def _listen(self, turn: Turn, past: list[Turn], reply: Reply, answer: _Answer) -> None:
        conversation = prompt.messages(self._chat.system_prompt, past, turn)
        answer.alone = not past
        async with aclosing(self._chain.stream(conversation)) as events:
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
            said = [message.text for message in conversation]
            self._tokens.learn(said, answer.usage.input_tokens)

    async def _past(self, turn: Turn) -> list[Turn]:
        """As much of the chat as the model may be given beside the question."""
        count = self._tokens.message
        budget = self._chat.history_tokens
        budget -= count(self._chat.system_prompt) + count(turn.question)
        return await self._history.window(turn, budget, self._cost)

    def _newer_half(self, past: list[Turn]) -> list[Turn]:
        """The newest turns that come to half of `past`; never all of it."""
        budget = sum(map(self._cost, past)) / 2
        kept: list[Turn] = []
        for turn in reversed(past):
            budget -= self._cost(turn)
            if budget < 0:
                break
            kept.insert(0, turn)
        return kept

    def _cost(self, past: Turn) -> int:
        return self._tokens.exchange(past.question, prompt.answer(past), past.answer_tokens)


async def _first(tasks: set[asyncio.Task[Any]], stop: asyncio.Event) -> None:
    """Wait for the first of `tasks` to end, or for `stop`."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()


def _fail(answer: _Answer, error: BaseException, turn: Turn) -> None:
    """The model's side failed: say so below what there is."""
    partial = bool(answer.text.strip())
    answer.outcome = Outcome.PARTIAL if partial else Outcome.FAILED
    if isinstance(error, ProviderError):
        too_long = isinstance(error, ContextTooLongError) and answer.alone and not partial
        answer.notice = (
            texts.QUESTION_TOO_LONG if too_long else texts.failure(error, partial=partial)
        )
        log.warning(
            "provider failed", turn=str(turn.key), kind=type(error).__name__, reason=str(error)
        )
    else:
        answer.notice = texts.INTERNAL_ERROR
        log.error("reading the provider failed", turn=str(turn.key), exc_info=error)
