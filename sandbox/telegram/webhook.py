"""Updates posted to a webhook, as the Bot API server does it.

Several at once, those of one lane one after another; what is not answered with a 2xx comes again:
at once, then later and later, or when Retry-After says. An answer that holds a method to call is
taken as an answer, and the method is not called.

Source: telegram-bot-api/WebhookActor.cpp of github.com/tdlib/telegram-bot-api.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import aiohttp

from sandbox.loopback import loopback
from sandbox.telegram.faults import WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.telegram.faults import Faults
    from sandbox.telegram.settings import Settings
    from sandbox.telegram.state import World
    from sandbox.telegram.updates import Pending, UpdateQueue, Webhook

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
LONGEST_RETRY_AFTER = 3600


@dataclass(slots=True)
class Delivery:
    """One attempt to post an update; times are on the sandbox's clock."""

    at: float
    update_id: int
    lane: tuple[str, object]
    status: int | None = None
    """None while it is unanswered, and for good where no answer came."""
    error: str = ""
    """Why it counts as not delivered; as getWebhookInfo tells it."""
    ended_at: float | None = None
    again_in: float | None = None
    """Seconds after which it is repeated; None where it is not."""


@dataclass(slots=True)
class _Trouble:
    """An update that was not taken."""

    failures: int
    delay: float
    again_at: float


class Deliveries:
    """Posts what is queued to the webhook that is set."""

    def __init__(
        self, updates: UpdateQueue, faults: Faults, settings: Settings, world: World
    ) -> None:
        self.log: list[Delivery] = []
        self.on_delivery: Callable[[], None] = lambda: None
        """Called when an attempt begins and when it has ended."""
        self._updates = updates
        self._faults = faults
        self._settings = settings
        self._clock, self._unix = world.clock, world.unix
        self._news = asyncio.Event()
        updates.on_change = self._news.set
        self._troubles: dict[int, _Trouble] = {}
        # Invariant: no two of them of one lane.
        self._under_way: dict[asyncio.Task[None], Pending] = {}

    async def serve(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._news.clear()
            hook = self._updates.webhook
            if hook is None:
                await self._news.wait()
            else:
                await self._serve(hook)

    async def _serve(self, hook: Webhook) -> None:
        """Deliver to `hook` until another one is set, or none."""
        timeout = aiohttp.ClientTimeout(total=self._settings.webhook_timeout)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            try:
                while self._updates.webhook is hook:
                    self._news.clear()
                    for update in self._due(hook.max_connections - len(self._under_way)):
                        task = asyncio.create_task(self._deliver(update, hook, http))
                        self._under_way[task] = update
                        task.add_done_callback(self._ended)
                    await self._wait()
            finally:
                for task in self._under_way:
                    task.cancel()
                await asyncio.gather(*self._under_way, return_exceptions=True)
                self._troubles.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._news.set()
        self.on_delivery()

    def _due(self, most: int) -> list[Pending]:
        now = self._clock()
        first = [update for update in self._first_of_lanes() if self._again_at(update) <= now]
        return first[: max(most, 0)]

    def _first_of_lanes(self) -> Iterator[Pending]:
        """The oldest update of each lane in which none is under way."""
        busy = {update.lane for update in self._under_way.values()}
        for update in self._updates:
            if update.lane not in busy:
                busy.add(update.lane)
                yield update

    def _again_at(self, update: Pending) -> float:
        trouble = self._troubles.get(update.id)
        return trouble.again_at if trouble else 0.0

    async def _wait(self) -> None:
        """Until there is news, or a repetition is due."""
        now = self._clock()
        due = [at for update in self._first_of_lanes() if (at := self._again_at(update)) > now]
        try:
            async with asyncio.timeout(min(due) - now if due else None):
                await self._news.wait()
        except TimeoutError:
            return

    async def _deliver(self, update: Pending, hook: Webhook, http: aiohttp.ClientSession) -> None:
        delivery = Delivery(self._clock(), update.id, update.lane)
        self.log.append(delivery)
        self.on_delivery()
        retry_after = 0.0
        try:
            retry_after = await self._post(update, hook, http, delivery)
        except TimeoutError:
            delivery.error = "Read timeout expired"
        except aiohttp.ClientConnectorError:
            delivery.error = "Connection refused"
        except (aiohttp.ClientError, OSError):
            delivery.error = "Webhook connection closed"
        delivery.ended_at = self._clock()
        if delivery.error:
            hook.last_error = (self._unix(), delivery.error)
            delivery.again_in = self._postpone(update, retry_after)
        else:
            self._troubles.pop(update.id, None)
            self._updates.delivered(update)

    async def _post(
        self, update: Pending, hook: Webhook, http: aiohttp.ClientSession, delivery: Delivery
    ) -> float:
        """Fill `delivery` in; return the seconds that the answer asks to wait, or 0."""
        if not reachable(hook.url):
            delivery.error = "Failed to resolve host: the sandbox reaches loopback only"
            return 0.0
        headers = {"Content-Type": "application/json"}
        if hook.secret:
            headers[SECRET_HEADER] = hook.secret
        body = json.dumps(update.body).encode()
        async with http.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
            await answer.read()
        delivery.status = answer.status
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            delivery.error = f"Wrong response from the webhook: {answer.status} {answer.reason}"
        elif self._faults.take_accepted(WEBHOOK, _chat(update)):
            delivery.error = "Webhook connection closed"
        named = answer.headers.get("Retry-After", "")
        return float(min(int(named), LONGEST_RETRY_AFTER)) if named.isdecimal() else 0.0

    def _postpone(self, update: Pending, retry_after: float) -> float:
        """Return the seconds until the next attempt; what the answer asked for overrules."""
        before = self._troubles.get(update.id) or _Trouble(0, self._settings.webhook_backoff / 2, 0)
        delay, wait = before.delay, retry_after
        if not retry_after and before.failures:
            wait = delay = min(2 * delay, self._settings.webhook_longest_backoff)
        self._troubles[update.id] = _Trouble(before.failures + 1, delay, self._clock() + wait)
        return wait


def split(url: str) -> SplitResult | None:
    """The parts of a URL with a valid host and port, else None."""
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if valid else None


def reachable(url: str) -> bool:
    """Whether the sandbox would post to `url`: on loopback alone."""
    parts = split(url)
    try:
        return parts is not None and bool(loopback(parts.hostname or ""))
    except ValueError:
        return False


def _chat(update: Pending) -> int | None:
    kind, where = update.lane
    return where if kind == "message" and isinstance(where, int) else None
