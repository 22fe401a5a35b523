"""A password in a URL is read alike by everything that reads the URL, or it is refused."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from bot.replicas.cluster import Cluster
from bot.settings.url_parts import is_ambiguous
from bot.store.databases import Databases
from bot.store.queues import dbos_url

PASSWORDS = st.text("ab1%4 0@:/?#[]&=+;,'\"\\\n~é", min_size=1, max_size=12)


def readings(url: str) -> set[str | None]:
    """The password of `url` for whom it is refused by, and for those who connect."""
    made = sa.make_url(url)
    return {unquote(urlsplit(url).password or ""), made.password, libpq(url).get("password")}


def libpq(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError:
        return {}


@given(PASSWORDS)
@example("p@ssword")
@example("12/34")
@example("a/5432@h")
@example("%zz")
def test_as_it_stands_it_is_refused_or_read_as_it_was_meant(password: str) -> None:
    url = f"postgresql://me:{password}@host:5432/name"
    if not is_ambiguous(url):
        assert readings(url) == {unquote(password)}
        assert urlsplit(url).hostname == sa.make_url(url).host == libpq(url)["host"] == "host"


@given(PASSWORDS)
def test_encoded_it_is_taken_and_read_as_it_was_meant(password: str) -> None:
    url = f"postgresql://me:{quote(password, safe='')}@host:5432/name"
    assert not is_ambiguous(url)
    assert readings(url) == {password}
    database = Databases.at(url).history
    assert sa.make_url(dbos_url(database)).password == password, "as the queue is given it"
    assert libpq(Cluster(database)._server)["password"] == password, "as the register is"


@pytest.mark.parametrize("char", ["@", " ", "#", "/", "?", "%", ":", "[", "]", "\t"])
@pytest.mark.parametrize("form", ["me:pa{}ss", "me:{}pass", "me:12{}xy", "m{}ne:pass", "me:pass{}"])
def test_what_divides_a_url_is_refused_in_a_database_url(char: str, form: str) -> None:
    userinfo = form.format(char)
    assert is_ambiguous(f"postgresql://{userinfo}@host/name")
    assert is_ambiguous(f"postgresql://{userinfo}@host:5432/name?sslmode=require")


@pytest.mark.parametrize("char", ["@", " ", "/", "?", "#", "%", ":", "[", "]"])
def test_and_in_that_of_a_server(char: str) -> None:
    assert is_ambiguous(f"http://me:pa{char}ss@host:8080/v1")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@/x?host=/tmp/socket",
        "postgresql://me@host/x?sslmode=require&application_name=my%40bot",
        "postgresql:///x",
        "postgresql://me:p%40ss%2Fword@[::1]:5432/x",
        "https://api.cloudflare.com/client/v4/accounts/1/ai/run/@cf/meta/llama",
        "http://127.0.0.1:8080/@me",
        "https://api.openai.com/v1?api-version=2024-10-21",
    ],
)
def test_other_urls_are_taken(url: str) -> None:
    assert not is_ambiguous(url)


def test_a_password_in_the_query_is_not_shown_either() -> None:
    databases = Databases.at("postgresql://me@host/x?password=hush-hush&sslmode=require")
    assert databases.history.password == "hush-hush"
    assert dict(databases.history.query) == {"sslmode": "require"}
    assert "hush" not in repr(databases)
