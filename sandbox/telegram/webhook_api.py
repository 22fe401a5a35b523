"""setWebhook and its kin, as the Bot API server has them.

Local mode is on for loopback, as on a Bot API server that was started with --local: there HTTP and
any port will do. Source: telegram-bot-api/Client.cpp of github.com/tdlib/telegram-bot-api.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from sandbox.telegram.errors import bad_request, too_many_requests
from sandbox.telegram.webhook import reachable, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.telegram.params import Params
    from sandbox.telegram.settings import Settings
    from sandbox.telegram.updates import UpdateQueue

DEFAULT_CONNECTIONS, MOST_CONNECTIONS = 40, 100
LONGEST_SECRET = 256
PORTS = (80, 88, 443, 8443)


class WebhookApi:
    def __init__(
        self, updates: UpdateQueue, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._updates = updates
        self._settings = settings
        self._clock = clock
        self._allowed_again = -math.inf
        """When the next setWebhook is taken."""

    def set(self, params: Params) -> bool:
        """Without a URL it removes the webhook."""
        url = params.text("url")
        if not url:
            return self.delete(params)
        self._check_rate()
        secret = params.text("secret_token")
        if len(secret) > LONGEST_SECRET:
            raise bad_request("secret token is too long")
        if not re.fullmatch("[A-Za-z0-9_-]*", secret):
            raise bad_request("secret token contains unallowed characters")
        url = _checked(url)
        connections = params.integer("max_connections") or DEFAULT_CONNECTIONS
        self._take(params)
        self._updates.set_webhook(url, secret, min(max(connections, 1), MOST_CONNECTIONS))
        return True

    def delete(self, params: Params) -> bool:
        self._take(params)
        self._updates.set_webhook("")
        return True

    def info(self, _params: Params) -> object:
        hook = self._updates.webhook
        info: dict[str, object] = {
            "url": hook.url if hook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates),
        }
        if hook is not None:
            if hook.last_error is not None:
                info["last_error_date"], info["last_error_message"] = hook.last_error
            info["max_connections"] = hook.max_connections
            info["ip_address"] = "127.0.0.1" if reachable(hook.url) else "<unknown>"
        if self._updates.allowed is not None:
            info["allowed_updates"] = sorted(self._updates.allowed)
        return info

    def _check_rate(self) -> None:
        now = self._clock()
        if now < self._allowed_again:
            raise too_many_requests(1)
        self._allowed_again = now + self._settings.webhook_interval

    def _take(self, params: Params) -> None:
        self._updates.allow(params.json("allowed_updates"))
        if params.boolean("drop_pending_updates"):
            self._updates.drop_all()


def _checked(url: str) -> str:
    """The URL as it is posted to; raises ApiError."""
    if "://" not in url:
        url = f"https://{url}"
    parts = split(url)
    if parts is None or parts.scheme not in ("http", "https"):
        raise bad_request("invalid webhook URL specified")
    if reachable(url):
        return url
    if parts.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if (parts.port or 443) not in PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    return url
