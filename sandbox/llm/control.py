"""A small HTTP API to steer a running server: what tests do in process, for other processes.

POST /control/script    {"script": {…}, "times"?: n, "when"?: text in the last user message}
GET  /control/requests  {"requests": [{…}, …]}, oldest first, without credentials
POST /control/release   {"released": n}: ends all stalls that are going on
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.llm.checks import (
    ANY,
    BOOLEAN,
    NO_RULES,
    NON_EMPTY_TEXT,
    TEXT,
    RefusalError,
    Rules,
    check_object,
    integer,
    number,
    one_of,
    or_null,
    read_json,
)
from sandbox.llm.script import (
    CleanEnd,
    Cut,
    Fault,
    HttpReply,
    Malformed,
    Script,
    Silence,
    Stall,
    StreamError,
    TooLong,
)
from sandbox.llm.wire import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.llm.api import WebHandler
    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook
    from sandbox.llm.script import ChatMessage

SCRIPT: Rules = {
    "text": TEXT,
    "first_token": number(0, float("inf")),
    "rate": number(0, float("inf")),
    "chunking": one_of("words", "chars"),
    "write_size": or_null(integer(1)),
    "lone_surrogates": BOOLEAN,
    "comment": TEXT,
    "comment_every": integer(0),
    "thinking": TEXT,
    "crlf": BOOLEAN,
    "padding": integer(0),
    "gzip": BOOLEAN,
    "finish_reason": or_null(TEXT),
    "content_type": or_null(NON_EMPTY_TEXT),
    "fault": ANY,
}
CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key")
"""Headers that hold a key."""
COMMAND: Rules = {"times": integer(1), "when": NON_EMPTY_TEXT}


@dataclass(frozen=True, slots=True)
class FaultForm:
    """A fault as JSON: {"kind": …} and these fields."""

    make: Callable[..., Fault]
    required: Rules
    optional: Rules


AFTER: Rules = {"after": integer(0)}
FAULTS: Mapping[str, FaultForm] = {
    "reply": FaultForm(
        HttpReply,
        {"status": integer(200)},
        {"body": TEXT, "content_type": NON_EMPTY_TEXT, "retry_after": TEXT},
    ),
    "too_long": FaultForm(TooLong, NO_RULES, NO_RULES),
    "silence": FaultForm(Silence, NO_RULES, NO_RULES),
    "stall": FaultForm(Stall, NO_RULES, AFTER),
    "error": FaultForm(StreamError, NO_RULES, {**AFTER, "message": TEXT}),
    "cut": FaultForm(Cut, NO_RULES, {**AFTER, "torn": BOOLEAN}),
    "clean_end": FaultForm(CleanEnd, NO_RULES, {**AFTER, "torn": BOOLEAN}),
    "malformed": FaultForm(Malformed, NO_RULES, AFTER),
}


class Control:
    def __init__(self, journal: Journal, playbook: Playbook) -> None:
        self._journal = journal
        self._playbook = playbook

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.post("/control/script", _refusing(self.script)),
            web.get("/control/requests", _refusing(self.requests)),
            web.post("/control/release", _refusing(self.release)),
        )

    async def script(self, request: web.Request) -> web.StreamResponse:
        command = check_object(await read_json(request), {"script": ANY}, COMMAND)
        times, when = command.get("times"), command.get("when")
        assert times is None or isinstance(times, int)
        assert when is None or isinstance(when, str)
        self._playbook.add(read_script(command["script"]), times=times, when=when)
        return web.json_response({})

    async def requests(self, _request: web.Request) -> web.StreamResponse:
        shown = [_shown(record) for record in self._journal.records]
        return web.json_response(body=dump({"requests": shown}))

    async def release(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"released": self._journal.release()})


def read_script(value: object) -> Script:
    """A script from its JSON form. Raises RefusalError that names the field."""
    fields = dict(check_object(value, NO_RULES, SCRIPT, within="script."))
    fault = fields.pop("fault", None)
    script = Script(**fields)  # type: ignore[arg-type]  # SCRIPT has checked each type
    return replace(script, fault=None if fault is None else read_fault(fault))


def read_fault(value: object) -> Fault:
    """A fault from its JSON form. Raises RefusalError that names the field."""
    kind = value.get("kind") if isinstance(value, dict) else None
    form = FAULTS.get(kind) if isinstance(kind, str) else None
    if form is None:
        message = f"Invalid script.fault.kind: expected one of {', '.join(FAULTS)}."
        raise RefusalError(400, "script.fault.kind", message)
    rules = {"kind": TEXT, **form.required}
    fields = dict(check_object(value, rules, form.optional, within="script.fault."))
    del fields["kind"]
    return form.make(**fields)


def _shown(record: Record) -> dict[str, object]:
    headers = {name: v for name, v in record.headers.items() if name.lower() not in CREDENTIALS}
    return {
        "number": record.number,
        "api": record.api,
        "method": record.method,
        "path": record.path,
        "headers": headers,
        "body": record.body,
        "messages": [_shown_message(message) for message in record.messages],
        "status": record.status,
        "bytes_sent": record.bytes_sent,
        "tokens_sent": record.tokens_sent,
        "stalled": record.stalled,
        "finished": record.finished,
        "arrived_at": record.arrived_at,
        "ended_at": record.ended_at,
        "client_closed_at": record.client_closed_at,
    }


def _shown_message(message: ChatMessage) -> dict[str, object]:
    images = [
        {"media_type": image.media_type, "size": len(image.data), "url": image.url}
        for image in message.images
    ]
    return {"role": message.role, "text": message.text, "images": images}


def _refusing(handler: WebHandler) -> WebHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RefusalError as refusal:
            body = {"error": {"message": refusal.message, "field": refusal.field}}
            return web.json_response(body, status=refusal.status)

    return handle
