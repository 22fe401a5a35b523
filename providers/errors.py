"""What a server says went wrong → the error tree of `providers.base`.

A body can be an OpenAI error object, a flat or array-wrapped one, FastAPI's `detail`, an SSE
stream whose only event is an error (litellm), a web page of some proxy, or nothing.
The messages are as the server wrote them: `HttpClient.redact` masks and shortens them.
"""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from providers.base import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    OverloadedError,
    ProviderError,
    ProviderTimeoutError,
    QuotaExceededError,
    RateLimitedError,
)
from providers.redact import one_line
from providers.sse import SseDecoder
from providers.surrogates import parse_json, repair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"}
_CONTEXT_TEXT = re.compile(
    r"""(?xi)
    (?:maximum|exceed\w*) \b .{0,40} \b context\ (?:length|window|size|limit)
    | context\ (?:length|window|size|limit) \b .{0,40} \b exceed
    | token\ count \b .{0,40} \b exceeds
    | (?:prompt|input)\ is\ too\ long
    | reduce\ the\ length\ of\ the\ (?:messages|prompt)
    """
)
_KEY_CODES = {"api_key_invalid", "authentication_error", "invalid_api_key"}
"""What a wrong key is called by servers that answer it with 400 (Gemini, xAI)."""
_FILTER_CODES = {
    "bio_policy",
    "content_filter",
    "content_policy_violation",
    "data_inspection_failed",
    "image_content_policy_violation",
    "misalignment_policy_violation",
    "responsibleaipolicyviolation",
}
_QUOTA_CODES = {
    "billing_error",
    "billing_hard_limit_reached",
    "credit_balance_exhausted",
    "enforced_spend_limit_reached",
    "insufficient_quota",
}
_QUOTA_TEXT = re.compile("(?i)credit balance is too low|reached your specified api usage limits")
_WAIT_TEXT = re.compile(r"\b(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|h|m|s)(?![a-z]))+)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_STATUS_OF_CODE = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "slow_down": 429,
    "request_too_large": 413,
    "badrequesterror": 400,
    "invalid_image": 400,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "model_not_found": 404,
}
_MENDS = {
    401: "check api_key",
    402: "check the account's credit",
    404: "check base_url and model",
    405: "check base_url",
    407: "check proxy",
}


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What a body says of an error."""

    message: str = ""
    """One line of any length; it may hold secrets that the server repeats."""
    codes: tuple[str, ...] = ()
    """Its code, type and status, in lower case."""
    retry_after: float | None = None
    """The seconds to wait that it names."""

    @property
    def status(self) -> int | None:
        """The HTTP status that the codes stand for, where they stand for one."""
        numbers = [int(code) for code in self.codes if re.fullmatch("[45][0-9][0-9]", code)]
        names = [_STATUS_OF_CODE[code] for code in self.codes if code in _STATUS_OF_CODE]
        return next(iter(numbers + names), None)


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime
) -> ProviderError:
    """Return the error that an HTTP response with an error status stands for."""
    detail = read_error(body)
    mend = f" ({_MENDS[status]})" if status in _MENDS else ""
    message = ": ".join(filter(None, (f"HTTP {status}{mend}", detail.message)))
    # litellm answers 500 whatever happened; the code in its body is the truth.
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    meant = detail.status if failed and detail.status else status
    wait = retry_after(headers, now)
    return _classify(meant, detail, message, detail.retry_after if wait is None else wait)


def error_from_payload(payload: object) -> ProviderError:
    """Return the error that an error object inside a 200 answer stands for."""
    detail = _read_payload(payload)
    message = f"the server reported an error: {detail.message or 'no reason given'}"
    return _classify(detail.status or 500, detail, message, detail.retry_after)


def is_error(payload: Mapping[object, object]) -> bool:
    """Tell whether an object of a 200 answer is an error in any of the known shapes."""
    if payload.get("error") or payload.get("object") == "error":
        return True
    return "choices" not in payload and bool(_message(payload))


def read_error(body: bytes) -> ErrorDetail:
    """Return what an error body says; empty where it says nothing."""
    text = body.strip()
    if text.startswith((b"data:", b"event:", b"error:", b":")):
        decoder = SseDecoder()
        events = [*decoder.decode(text), *decoder.flush()]
        text = events[0].data if events else b""
    try:
        return _read_payload(parse_json(text))
    except ValueError:
        return ErrorDetail(plain_text(text.decode("utf-8", "replace")))


def plain_text(text: str) -> str:
    """Return the words of a web page, its title alone where it has one; other text as it is."""
    if not text.lstrip().startswith("<"):
        return one_line(text)
    title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
    if title and title[1].strip():
        return one_line(html.unescape(title[1]))
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->", " ", text)
    return one_line(html.unescape(re.sub(r"<[^>]*>", " ", text)))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds of a Retry-After header, given as seconds or as an HTTP date.

    OpenAI's and Azure's retry-after-ms is more exact, and read first.
    """
    exact = headers.get("retry-after-ms", "").strip()
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(exact) / 1000 if exact else float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _classify(  # noqa: PLR0911 (one line for each branch of the error tree)
    status: int, detail: ErrorDetail, message: str, wait: float | None
) -> ProviderError:
    by_text = status not in {401, 403, 429} and _CONTEXT_TEXT.search(detail.message)
    if (
        by_text
        or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        or _CONTEXT_CODES.intersection(detail.codes)
    ):
        return ContextTooLongError(message)
    if _FILTER_CODES.intersection(detail.codes):
        return ContentFilteredError(message)
    spent = _QUOTA_CODES.intersection(detail.codes) or _QUOTA_TEXT.search(detail.message)
    if spent or status == HTTPStatus.PAYMENT_REQUIRED:
        return QuotaExceededError(message, wait)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return ConnectionFailedError(message)
    if status in {401, 403} or _KEY_CODES.intersection(detail.codes):
        return AuthenticationError(message)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitedError(message, wait)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return ProviderTimeoutError(message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return OverloadedError(message)
    return BadRequestError(message)


def _read_payload(payload: object) -> ErrorDetail:
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if isinstance(payload, str):
        return ErrorDetail(plain_text(repair(payload)))
    if not isinstance(payload, dict):
        return ErrorDetail()
    inner = payload.get("error")
    if isinstance(inner, str) and inner:
        message = ": ".join(dict.fromkeys(filter(None, (inner, _message(payload)))))
        return ErrorDetail(plain_text(message), tuple(_codes(payload)))
    said = inner if isinstance(inner, dict) else payload
    message = _message(said)
    return ErrorDetail(message, tuple(_codes(said)), _named_wait(said, message))


def _message(payload: Mapping[object, object]) -> str:
    for key in ("message", "msg", "detail"):
        value = payload.get(key)
        if isinstance(value, str) and value:
            return plain_text(repair(value))
        if isinstance(value, list):
            return one_line("; ".join(_validation(value)))
    return ""


def _validation(problems: list[object]) -> Iterator[str]:
    """Yield FastAPI's validation problems, each with the field that it names."""
    for problem in problems:
        if isinstance(problem, dict) and isinstance(problem.get("loc"), list):
            yield f"{'.'.join(map(str, problem['loc']))}: {problem.get('msg')}"


def _named_wait(payload: Mapping[object, object], message: str) -> float | None:
    """Return the seconds of google.rpc.RetryInfo (Gemini), or of the words (OpenAI)."""
    details = payload.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("retryDelay"), str):
            return _duration(detail["retryDelay"])
    words = _WAIT_TEXT.search(message)
    return _duration(words[1]) if words else None


def _duration(text: str) -> float | None:
    """Return the seconds of a duration such as 37s, 1m2.5s or 20ms."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts else None


def _codes(payload: Mapping[object, object]) -> Iterator[str]:
    for value in (payload.get("code"), payload.get("type"), payload.get("status")):
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            yield str(value).lower()
    for value in _causes(payload):
        if isinstance(value, str):
            yield value.lower()


def _causes(payload: Mapping[object, object]) -> Iterator[object]:
    """Yield the more exact codes further in: Azure's, Anthropic's and Google's."""
    inner, details = payload.get("innererror"), payload.get("details")
    if isinstance(inner, dict):
        yield inner.get("code")
    if isinstance(details, dict):
        yield details.get("error_code")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield detail.get("reason")
