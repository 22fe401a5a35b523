"""Answers in place of the API's own: refusals of the rate limits, and those of a proxy before it.

https://discord.com/developers/docs/topics/rate-limits
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.discord.errors import Json

Scope = Literal["user", "global", "shared"]

JSON_TYPE = "application/json"
VIA = {"Via": "1.1 google"}
"""What Discord's own proxy adds; an answer without it comes from Cloudflare."""

_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
    "<body><center><h1>{title}</h1></center><hr><center>cloudflare</center></body></html>\n"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer to be sent as it is."""

    status: int
    body: Json | str
    """JSON, or the text of a page."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """All of them, Content-Type among them."""

    def encoded(self) -> bytes:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


def seconds(duration: float) -> float:
    """A duration as Discord writes it: whole milliseconds, rounded up, so that it is enough."""
    return max(0.0, math.ceil(round(duration * 1000, 6)) / 1000)


def rate_limited(
    retry_after: float,
    scope: Scope = "user",
    *,
    via: bool = True,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """429 of the API itself; `headers` are the bucket's."""
    is_global = scope == "global"
    sent = {
        "Content-Type": JSON_TYPE,
        **(VIA if via else {}),
        **(headers or {}),
        "Retry-After": str(math.ceil(seconds(retry_after))),
        "X-RateLimit-Scope": scope,
    }
    if is_global:
        sent["X-RateLimit-Global"] = "true"
    whose = "The resource is" if scope == "shared" else "You are"
    body: Json = {
        "message": f"{whose} being rate limited.",
        "retry_after": seconds(retry_after),
        "global": is_global,
    }
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, body, sent)


def banned(retry_after: float) -> Refusal:
    """429 of Cloudflare, to an address that made too many invalid requests."""
    answer = page(HTTPStatus.TOO_MANY_REQUESTS, "Error 1015: You are being rate limited")
    headers = {**answer.headers, "Retry-After": str(math.ceil(retry_after))}
    return Refusal(answer.status, answer.body, headers)


def page(status: int, title: str = "") -> Refusal:
    """The HTML page of a proxy that could not reach the API, or would not."""
    text = _PAGE.format(title=title or f"{status} {phrase(status)}")
    return Refusal(status, text, {"Content-Type": "text/html; charset=UTF-8"})


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # Cloudflare has statuses of its own: 520 to 527
        return "Web server error"
