"""The log is made in processes of its own: it is a process-wide thing."""

import json
import subprocess
import sys

import pytest

TOKEN = "7012345678:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SECRET = "hush-Zm9v"

SETUP = """
import asyncio, logging, threading, structlog
from bot.operations.log import configure
from bot.settings.sections import LogSettings
def log_with(secrets=(), as_json=False, **settings):
    configure(LogSettings(**settings), secrets, as_json=as_json)
    return structlog.get_logger("bot.something")
"""


def logged(code: str) -> list[str]:
    """The lines on stderr of a process that runs `code`."""
    done = subprocess.run(
        [sys.executable, "-c", SETUP + code], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_an_event_is_one_line_with_its_level_and_values() -> None:
    (line,) = logged("log_with().info('turn ended', calls=3)")
    assert "info" in line
    assert "turn ended" in line
    assert "calls=3" in line


@pytest.mark.parametrize("how", ["as_json=True", "json=True"])
def test_json_is_one_object_a_line(how: str) -> None:
    (line,) = logged(f"log_with({how}).warning('turn ended', calls=3)")
    event = json.loads(line)
    assert (event["event"], event["level"], event["calls"]) == ("turn ended", "warning", 3)
    assert event["logger"] == "bot.something"
    assert event["timestamp"].endswith("Z")


def test_the_level_holds_for_our_own_events() -> None:
    lines = logged("log = log_with(level='warning'); log.info('quiet'); log.warning('loud')")
    assert len(lines) == 1
    assert "loud" in lines[0]


@pytest.mark.parametrize("name", ["httpx", "aiohttp.access", "dbos", "root"])
def test_libraries_are_heard_from_warning_on(name: str) -> None:
    lines = logged(
        "log_with(level='debug')\n"
        f"other = logging.getLogger({name!r})\n"
        "other.info('a URL'); other.warning('trouble')"
    )
    assert len(lines) == 1
    assert "trouble" in lines[0]


def test_the_telegram_library_is_not_heard_from() -> None:
    """What it logs it raises, too, and it logs bodies."""
    assert logged("log_with(); logging.getLogger('telegram.request').error('a body')") == []


def test_the_queue_does_not_print_past_the_log() -> None:
    lines = logged(
        "log_with(as_json=True)\n"
        "from dbos._logger import init_logger\n"
        "init_logger()\n"
        "logging.getLogger('dbos').warning('trouble')"
    )
    assert [json.loads(line)["event"] for line in lines] == ["trouble"]


EVENTS = (
    "log.info('key is {secret}')",
    "log.info('key', value='{secret}')",
    "log.info('key', value={{'a': ['x{secret}y', ('{secret}',)]}})",
    "log.info('key', value=ValueError('{secret}'))",
    "log.bind(key='{secret}').info('x')",
    "logging.getLogger('httpx').warning('GET %s', 'https://h/bot{secret}/getMe')",
    "logging.getLogger('x').warning('%d', '{secret}')",
    "import warnings; warnings.warn('{secret}')",
    "thread = threading.Thread(target=int, args=['{secret}']); thread.start(); thread.join()",
    "raise ValueError('{secret}')",
)


@pytest.mark.parametrize("secret", [TOKEN, SECRET], ids=["bot token", "configured"])
@pytest.mark.parametrize("as_json", [True, False])
def test_no_secret_is_ever_logged(secret: str, *, as_json: bool) -> None:
    events = "\n".join(EVENTS).format(secret=secret)
    lines = logged(f"log = log_with(['{SECRET}'], as_json={as_json})\n{events}")
    assert len(lines) >= len(EVENTS)
    assert secret not in "\n".join(lines)
    assert "ValueError: ***" in "\n".join(lines)


def test_an_exception_in_a_task_nobody_awaits_is_logged_without_secrets() -> None:
    code = f"""
log_with(["{SECRET}"], as_json=True)
async def fail():
    raise ValueError("{SECRET}")
async def main():
    task = asyncio.create_task(fail())
    await asyncio.wait({{task}})
    del task
asyncio.run(main())
"""
    (line,) = logged(code)
    event = json.loads(line)
    assert "never retrieved" in event["event"]
    assert "ValueError: ***" in event["exception"]


def test_an_uncaught_exception_is_one_event_with_its_traceback() -> None:
    (line,) = logged("log_with(as_json=True)\n1 / 0")
    event = json.loads(line)
    assert event["level"] == "critical"
    assert "ZeroDivisionError" in event["exception"]


def test_an_event_that_can_not_be_written_is_told_without_its_values() -> None:
    lines = logged("log_with()\nlogging.getLogger('x').warning('%d', 'value')")
    assert lines == ["an event of the logger x could not be written"]


@pytest.mark.parametrize(("content", "shown"), [(False, "(5 characters)"), (True, "hello")])
def test_message_texts_are_logged_only_where_they_may_be(*, content: bool, shown: str) -> None:
    (line,) = logged(f"log_with(as_json=True, content={content}).info('got', text='hello', size=5)")
    event = json.loads(line)
    assert (event["text"], event["size"]) == (shown, 5)


def test_turn_keys_stay_readable() -> None:
    key = "telegram:7012345678:-1001234567890.42:123456:0"
    (line,) = logged(f"log_with(as_json=True).info('turn ended', turn='{key}')")
    assert json.loads(line)["turn"] == key
