"""The log: one line an event on stderr, for people or as JSON, without secrets or message texts.

What libraries log goes the same way, from WARNING on: at INFO, httpx logs every URL, and
Telegram's URLs hold the bot's token.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Final, TextIO

import structlog

from providers.redact import learn, redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

    from bot.settings.sections import LogSettings

OWN_LOGGERS: Final = ("bot", "providers")
CONTENT_KEYS: Final = frozenset({"text", "content", "prompt", "question", "answer"})
"""Keys of events whose values are what people or models wrote."""


def configure(
    settings: LogSettings,
    secrets: Iterable[str] = (),
    *,
    as_json: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Set up the process's log; a later call replaces an earlier one.

    `secrets` are masked wherever they occur, tracebacks included; so is what looks like a key. The
    process knows them from now on, see `providers.redact`.
    Uncaught exceptions of the main thread, other threads and tasks are logged the same way.
    """
    learn(secrets)
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    as_json = as_json or settings.as_json
    _route_structlog()
    _route_stdlib(_Handler(stream), level)
    hidden = frozenset() if settings.content else CONTENT_KEYS
    logging.getLogger().handlers[0].setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_describing(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                _Redaction(hidden),
                _renderer(as_json=as_json, colors=stream.isatty()),
            ],
        )
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def _describing() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderer(*, as_json: bool, colors: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer()
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)


def _route_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_describing(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _route_stdlib(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level)
    # What these libraries log they raise too, and they log bodies that hold what people wrote.
    for name in ("telegram", "discord"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # DBOS prints to stderr by itself unless its logger has a handler.
    dbos = logging.getLogger("dbos")
    dbos.handlers = [logging.NullHandler()]
    dbos.propagate = True
    logging.captureWarnings(capture=True)


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        return
    log = structlog.get_logger("bot")
    log.critical("uncaught exception", exc_info=(kind, error, traceback))


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """In place of logging's own, which prints the record's arguments as they are."""
        self.stream.write(f"an event of the logger {record.name} could not be written\n")


class _Redaction:
    """The processor that leaves out what must not be seen."""

    def __init__(self, hidden_keys: frozenset[str]) -> None:
        self._hidden_keys = hidden_keys

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._value(key, value) for key, value in event.items()}

    def _value(self, key: object, value: object) -> object:
        if key in self._hidden_keys:
            return f"({len(value)} characters)" if isinstance(value, str) else "(not logged)"
        match value:
            case None | bool() | int() | float():
                return value
            case dict():
                return {redact(str(inner)): self._value(inner, v) for inner, v in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(key, item) for item in value]
        text = value if isinstance(value, str) else repr(value)
        return redact(text)
