"""The account that gptalk gives to anyone who logs in: a token that is good for a few uses."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from providers.base import ProviderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_USES = 5


@dataclass(frozen=True, slots=True)
class Login:
    token: str
    expires_at: float
    """Unix time in seconds."""


class Account:
    """Hands out the right to one use of a token, logging in when none is left.

    Safe for any number of concurrent callers. One login is under way at a time; its failure is
    the failure of all who were waiting for it.
    """

    def __init__(self, log_in: Callable[[], Awaitable[Login]], now: Callable[[], float]) -> None:
        self._log_in = log_in
        self._now = now
        self._lock = asyncio.Lock()
        self._login: Login | None = None
        self._uses = 0
        """Uses of `_login` handed out. Invariant: at most MAX_USES, whatever came of them."""
        self._failure: ProviderError | None = None
        """Why the last login that failed did."""
        self._failed_logins = 0

    async def reserve(self) -> str:
        """Return a token that may be used once. Raises ProviderError where logging in fails."""
        failed_before = self._failed_logins
        async with self._lock:
            login = self._login
            if login is None or login.expires_at <= self._now() or self._uses >= MAX_USES:
                if self._failure and self._failed_logins > failed_before:
                    raise copy.copy(self._failure)
                login = await self._renew()
            self._uses += 1
            return login.token

    def discard(self, token: str) -> None:
        """Forget `token`, which the server refused; harmless when it is forgotten already."""
        if self._login and self._login.token == token:
            self._login = None

    async def _renew(self) -> Login:
        try:
            self._login = login = await self._log_in()
        except ProviderError as error:
            self._failure = error
            self._failed_logins += 1
            raise
        self._uses = 0
        return login
