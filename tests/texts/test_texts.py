import math

import pytest

from bot import texts
from bot.chat.commands import COMMANDS
from providers import base

SECRET = "sk-very-secret"


def all_kinds(kind: type[base.ProviderError]) -> list[type[base.ProviderError]]:
    return [kind, *(kind for child in kind.__subclasses__() for kind in all_kinds(child))]


ERRORS = all_kinds(base.ProviderError)


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("partial", [True, False])
def test_every_failure_has_one_line_that_quotes_nothing(
    kind: type[base.ProviderError], *, partial: bool
) -> None:
    line = texts.failure(kind(f"Traceback {SECRET}"), partial=partial)
    assert line.startswith("⚠️ ")
    assert "\n" not in line
    for leak in (SECRET, "Traceback", "Error", kind.__name__):
        assert leak not in line
    assert ("the answer stopped here" in line) == partial


def test_each_error_of_the_tree_has_a_line_of_its_own() -> None:
    lines = {texts.failure(kind("x"), partial=False) for kind in ERRORS}
    assert len(lines) == len(ERRORS)


def test_an_error_that_is_new_to_us_is_told_like_its_parent() -> None:
    class QuotaSpentError(base.OverloadedError):
        pass

    told = texts.failure(QuotaSpentError("x"), partial=True)
    assert told == texts.failure(base.OverloadedError("x"), partial=True)


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind.retryable])
def test_retry_is_named_where_it_may_help(kind: type[base.ProviderError]) -> None:
    assert "/retry" in texts.failure(kind("x"), partial=False)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 second;"),
        (20, "20 seconds;"),
        (90.5, "91 seconds;"),
        (121, "3 minutes;"),
        (7201, "3 hours;"),
        (math.inf, "1000 hours;"),
    ],
)
def test_a_wait_is_told_as_the_server_asked_for_it_rounded_up(seconds: float, said: str) -> None:
    error = base.RateLimitedError("x", retry_after=seconds)
    assert f"wait {said}" in texts.failure(error, partial=False)


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_no_wait_is_told_where_the_server_named_none(seconds: float | None) -> None:
    error = base.RateLimitedError("x", retry_after=seconds)
    assert "wait" not in texts.failure(error, partial=False)


def test_help_lists_every_command_with_its_description() -> None:
    lines = texts.help_text().splitlines()
    for name, description in COMMANDS.items():
        assert f"/{name} - {description}" in lines


def test_a_stranger_is_told_their_id_and_other_braces_stay() -> None:
    assert texts.stranger("{id} or {other} {id}", "42") == "42 or {other} 42"


def test_an_unknown_command_is_named() -> None:
    assert "/foo;" in texts.unknown_command("foo")
