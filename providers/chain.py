"""Several providers as one: fallback, keys that take turns, retries, circuit breaking.

A question goes to the first provider that is well, with the key that has rested longest. While
no text has come, a failure leads to the next key or provider at once (`providers.route` says
which), and where all have failed, to a pause and another round (`providers.attempts`). Once
text has come, it is kept: the answer ends with the error, or, if `resume` is on, another
provider is asked to go on from there.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import structlog

from providers import resume
from providers.attempts import Attempts
from providers.base import (
    BadResponseError,
    Finish,
    ProviderError,
    ReasoningDelta,
    TextDelta,
    TruncatedError,
)
from providers.breaker import Breaker
from providers.cooldown import SET_ASIDE
from providers.route import Next, Route, treatment
from providers.surrogates import SurrogateJoiner

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
    from random import Random

    from providers.base import Event, Message, Provider

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resumed:
    """The answer broke off here; the text after this is somebody else's continuation."""


class Chain:
    """What is known of its providers' health is shared by all questions of the process."""

    def __init__(
        self,
        providers: Mapping[str, Sequence[Provider]],
        *,
        resume: bool,
        random: Random,
        failed: Callable[[str, ProviderError], None] = lambda _name, _error: None,
    ) -> None:
        """`providers`: by name, in the order in which they are asked; one for each key.

        `failed` is told of every request that fails, with the provider's name.
        """
        self._routes = tuple(_routes(providers))
        self._resume = resume
        self._random = random
        self._failed = failed
        self._uses = count(1)

    async def stream(
        self, messages: Sequence[Message], partial: str = ""
    ) -> AsyncGenerator[Event | Resumed, None]:
        """Yield the answer to `messages` as `Provider.stream` does, whoever gives it.

        After `partial`, the beginning of an answer that broke off earlier, only its continuation.
        Nothing is yielded of a provider that fails before its first text, but what it thought.
        Raises the ProviderError that tells most about why nobody answered, or, after some text,
        the one that ended it. RateLimitedError names the shortest wait of all keys.
        """
        attempts = Attempts(self._routes, self._random, _now())
        broke: ProviderError | None = None
        while (route := await self._next(attempts)) is not None:
            said: list[str] = []
            try:
                async with aclosing(self._ask(route, messages, partial)) as events:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            if partial and not said:
                                yield Resumed()
                            said.append(event.text)
                        yield event
            except ProviderError as error:
                partial += "".join(said)
                if treatment(error).next is Next.NOBODY or (partial and not self._resume):
                    raise
                if said:
                    broke = error
                    attempts.broke(_now())
                attempts.failed(route, error)
            else:
                return
        raise broke or attempts.verdict(_now())

    async def close(self) -> None:
        """Release the connections of all providers."""
        await asyncio.gather(*(route.provider.close() for route in self._routes))

    async def _next(self, attempts: Attempts) -> Route | None:
        """Return whom to ask, after a pause where it takes one; None: nobody is left."""
        while (route := attempts.next(_now())) is None:
            pause = attempts.pause(_now())
            if pause is None:
                return None
            log.info("nobody can answer just now; trying again", after=round(pause, 1))
            await asyncio.sleep(pause)
        return route

    async def _ask(
        self, route: Route, messages: Sequence[Message], partial: str
    ) -> AsyncGenerator[Event, None]:
        """Yield what one route answers; what it did is remembered for the next questions."""
        route.last_use = next(self._uses)
        where = {"provider": route.name} | ({"key": route.key} if route.key else {})
        with route.breaker.request(_now()):
            try:
                async with aclosing(_answer(route.provider, messages, partial)) as events:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            route.breaker.responded()
                        elif isinstance(event, Finish):
                            route.succeeded()
                            log.info("provider answered", **where, resumed=bool(partial))
                        yield event
            except ProviderError as error:
                route.failed(error, _now())
                self._failed(route.name, error)
                _log_failure(error, route, where, _now())
                raise
            except Exception as bug:
                failure = BadResponseError("the provider failed in a way that it should not")
                route.failed(failure, _now())
                self._failed(route.name, failure)
                log.exception("provider has a bug", **where)
                raise failure from bug


def _log_failure(
    error: ProviderError, route: Route, where: Mapping[str, object], now: float
) -> None:
    kind = type(error).__name__
    log.warning("request to a provider failed", **where, kind=kind, reason=str(error))
    if rest := route.cooldown.wait(now):
        log.info("key rests", **where, seconds=round(rest, 1))
    if route.cooldown.is_set_aside(now):
        log.warning("key set aside", **where, seconds=SET_ASIDE)
    if route.breaker.rejects(now):
        log.warning("provider keeps failing; others are asked first", provider=route.name)


def _routes(providers: Mapping[str, Sequence[Provider]]) -> Iterator[Route]:
    for place, (name, keys) in enumerate(providers.items()):
        breaker = Breaker()
        for number, provider in enumerate(keys, 1):
            yield Route(provider, name, place, breaker, number if len(keys) > 1 else None)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _answer(
    provider: Provider, messages: Sequence[Message], partial: str
) -> AsyncGenerator[Event, None]:
    if not partial:
        return _from_first_text(provider.stream(messages))
    events = provider.stream(resume.messages_after(messages, partial))
    return resume.continuation(_from_first_text(events), partial)


def _whole(event: Event, joiner: SurrogateJoiner) -> Iterator[Event]:
    """The event with whole characters, after what an earlier one left over."""
    if not isinstance(event, TextDelta):
        if rest := joiner.flush():
            yield TextDelta(rest)
        yield event
    elif text := joiner.feed(event.text):
        yield event if text is event.text else TextDelta(text)


async def _from_first_text(
    events: AsyncGenerator[Event, None],
) -> AsyncGenerator[Event, None]:
    """Yield `events`, holding back what comes before the first text: it may be all there is.

    Thoughts are let through. Keeps the promises of `Provider` where a plug-in does not: raises for
    an answer without text or end, and mends halves of characters.
    """
    held: list[Event] | None = []
    joiner = SurrogateJoiner()
    async with aclosing(events):
        async for given in events:
            for event in _whole(given, joiner):
                if held is None or isinstance(event, ReasoningDelta):
                    yield event
                elif isinstance(event, Finish):
                    raise BadResponseError("the answer holds no text", complete=True)
                else:
                    held.append(event)
                    if isinstance(event, TextDelta) and event.text.strip():
                        for early in held:
                            yield early
                        held = None
                if isinstance(event, Finish):
                    return
    raise TruncatedError("the stream ended before its end marker")
