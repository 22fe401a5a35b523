"""No form of a secret passes, and what is no secret stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from secret_leaks import forms, leaks

from providers.redact import MASK, redact
from providers.secret_forms import is_maskable, url_secrets

SECRETS = st.one_of(
    st.text("abcXYZ019-_", min_size=8, max_size=60),  # keys and tokens
    st.text("abZ09@ #/?%:[]&=+'\"\\<>;,~é€😀", min_size=8, max_size=30),  # passwords
    st.builds("{}:AA{}".format, st.integers(10**8, 10**10), st.text("aZ9_-", min_size=33)),
    st.builds("sk-proj-{}".format, st.text("abZ9_-", min_size=8, max_size=150)),
)  # fmt: skip


@given(SECRETS, st.sampled_from(sorted(forms("x" * 30))))
def test_no_form_of_a_secret_passes(secret: str, form: str) -> None:
    assume(form in forms(secret))
    assume(secret.strip() == secret)
    text = f"before {forms(secret)[form]} after"
    shown = redact(text, [secret])
    assert MASK in shown or form == "query"  # That is left out as a whole.
    assert not leaks(shown, secret), shown
    assert shown.startswith("before ")
    assert redact(shown, [secret]) == shown, "it is masked once"


@given(st.text("abcXYZ019@#/?%: é", min_size=4, max_size=7), st.sampled_from(
    ["plain", "percent", "quoted", "repr", "url", "conninfo", "bearer", "discord", "basic", "lines"]
))  # fmt: skip
def test_a_short_one_is_masked_where_it_stands_by_itself(secret: str, form: str) -> None:
    assume(secret.strip() == secret and is_maskable(secret))
    assert not leaks(redact(f"it is {forms(secret)[form]} here", [secret]), secret)


@pytest.mark.parametrize("secret", ["q", "zqx", "postgres", "parlance", "Password"])
def test_one_that_is_no_secret_by_itself_is_masked_in_its_place_alone(secret: str) -> None:
    text = f"parlance: a password for postgresql as of zqx, a {secret}, was not"
    assert redact(text, [secret]) == text
    for place in ("url", "conninfo", "bearer", "basic", "query"):
        shown = redact(forms(f"{secret}")[place], [secret])
        assert secret not in shown.replace("postgresql", "").replace(MASK, "")


def test_a_short_one_does_not_eat_into_words() -> None:
    assert redact("the latest test of tests", ["test"]) == "the latest *** of tests"


def test_the_bot_id_of_a_token_stays() -> None:
    token = "7012345678:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
    text = "turn telegram:7012345678:-1001234567890.42:123456:0 of bot 7012345678"
    assert redact(text, [token]) == text
    assert redact(f"bot {token.partition(':')[2]}", [token]) == f"bot {MASK}"


@given(SECRETS)
def test_a_line_of_json_stays_one(secret: str) -> None:
    line = json.dumps({"event": "failed", "reason": f"with {secret}", "turn": "telegram:1:2"})
    shown = json.loads(redact(line, [secret]))
    assert not leaks(str(shown), secret)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:p@ssword@host/x", {"p@ssword"}),
        ("postgresql://u:pa/ss@host/x", {"pa/ss"}),
        ("postgresql://u:12/34@host/x", {"12/34"}),
        ("postgresql://u:p#x@host/x", {"p#x"}),
        ("postgresql://u:p[x@host/x", {"p[x"}),
        ("postgresql://u:pw@host/x?sslmode=require&password=p2", {"pw"}),
        ("https://token@host/v1?key=k1&api-version=2024-10-21", {"token", "k1"}),
        ("https://api.cloudflare.com/v4/@cf/meta", set()),
        ("no url", set()),
        (None, set()),
    ],
)  # fmt: skip
def test_what_a_url_must_not_show_is_found_however_it_is_written(
    url: str | None, found: set[str]
) -> None:
    assert found <= set(url_secrets(url))
    if not found:
        assert url_secrets(url) == ()
