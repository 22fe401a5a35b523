"""Every secret of the settings, in every form in which a library may tell it, by every way out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import forked
import moving
import pytest
from secret_leaks import forms, leaks

from bot.settings.load import load

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

PASSWORD = "p@ss w/ö:r#d?%41[x]'\"\\&+=;$"
SECRETS = {
    "telegram.token": "7012345678:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "telegram.webhook_secret": "hook-Zm9vYmFyCg_1",
    "discord.token": "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.x9Zk2LmQp4RsTuVw8YzAbCdEfGhIjKl",
    "providers.a.api_key": "sk-proj-Zk3jT0aQ9wLr5xVb7nMc1",
    "providers.b.api_keys": "4f9d2c7a8b1e6053aa17",
    "the password of storage.url": PASSWORD,
    "the password of telegram.api_url": "api%pw/1",
    "the password of telegram.webhook_url": "hook@pw2",
    "the password of discord.gateway_url": "gate:pw3",
    "the password of providers.a.base_url": "base pw4",
    "the query of providers.b.base_url": "query-key/5",
    "the password of providers.a.proxy": "proxy?pw#6",
    "PGPASSWORD": "pg'env\\7 pw",
    "PGPASSFILE": "pg:file\\8pw",
    "HTTPS_PROXY": "outer@9pw",
}
CONFIG = """
[telegram]
token = "{telegram.token}"
api_url = "http://u:{the password of telegram.api_url}@127.0.0.1:1/tg"
webhook_url = "https://u:{the password of telegram.webhook_url}@bot.example/hook"
webhook_secret = "{telegram.webhook_secret}"
[discord]
token = "{discord.token}"
gateway_url = "wss://u:{the password of discord.gateway_url}@127.0.0.1:1"
[providers.a]
kind = "openai"
model = "m"
base_url = "http://u:{the password of providers.a.base_url}@127.0.0.1:1/v1"
api_key = "{providers.a.api_key}"
proxy = "http://u:{the password of providers.a.proxy}@127.0.0.1:1"
[providers.b]
kind = "openai"
model = "m"
base_url = "http://127.0.0.1:1/v1?key={the query of providers.b.base_url}"
api_keys = ["{providers.b.api_keys}"]
[storage]
url = "postgresql://me:{the password of storage.url}@127.0.0.1:1/name"
[server]
port = 1
[access]
open = true
"""
PROGRAM = """
import asyncio, json, logging, sys, threading, traceback, warnings
from pathlib import Path
import structlog
from bot.operations import output
output.mask()
from bot.settings.load import load
from bot.operations.log import configure
from bot.settings.outside_secrets import outside_secrets
config, texts, as_json = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), sys.argv[3]
settings = load(config)
configure(settings.log, settings.secrets() | outside_secrets(), as_json=as_json == "json")
log = structlog.get_logger("bot.x")

def fail(text):
    try:
        raise ValueError(text)
    except ValueError as error:
        raise RuntimeError("it failed", text) from error

class Wordy(Exception):
    def __str__(self): return self.args[0]
    def __repr__(self): return f"<{self.args[0]}>"

for text in texts:
    log.info(text)
    log.info("said", value=text, values=[text, (text,)], by={text: text})
    log.warning("failed", reason=Wordy(text), data=text.encode())
    log.bind(a=text).error("bound")
    logging.getLogger("other").warning("GET %s %r", text, text)
    try:
        fail(text)
    except RuntimeError as error:
        log.exception("failed")
        logging.getLogger("other").error(text, exc_info=True)
        traceback.print_exc()
        print(error, repr(error), str(error.__cause__), file=sys.stderr)
    print(text)
    print("a", text, "b", sep="\\n")
    sys.stdout.write("it begins ")
    sys.stdout.write(text[:5])
    sys.stdout.write(text[5:] + "\\n")
    print(repr(text), end="", flush=True)
    warnings.warn(text)
    thread = threading.Thread(target=fail, args=[text]); thread.start(); thread.join()

from bot.operations.metrics import Metrics
from bot.store.databases import Databases
from pydantic import ValidationError
from providers.base import ProviderError
metrics = Metrics(settings.platforms())
for name in settings.providers:
    metrics.provider_failed(name, ProviderError(texts[0]))
print(metrics.text().decode())
print(repr(settings), settings, settings.storage, f"{settings.telegram!r} {settings.discord}")
print(settings.providers, [section.variants() for section in settings.providers.values()])
print(Databases.at(settings.storage.url))
for section in (settings.telegram, settings.storage, *settings.providers.values()):
    try:
        type(section).model_validate({**dict(section), "url": 5, "token": 5, "kind": texts[0]})
    except ValidationError as error:
        print(error, repr(error))
        log.exception("invalid")

async def main():
    task = asyncio.create_task(asyncio.to_thread(fail, "\\n".join(texts)))
    await asyncio.wait({task})
    del task
asyncio.run(main())
fail("\\n".join(texts))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    text = CONFIG
    for name, secret in SECRETS.items():
        written = quote(secret, safe="") if name.startswith("the ") else secret
        text = text.replace(f"{{{name}}}", written)
    file = tmp_path / "config.toml"
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PARLANCE__")}
    passwords = tmp_path / "passwords"
    file = SECRETS["PGPASSFILE"].replace("\\", "\\\\").replace(":", "\\:")
    passwords.write_text(f"# a comment\nlocalhost:*:*:me:{file}\n", "utf-8")
    passwords.chmod(0o600)
    proxy = f"http://u:{quote(SECRETS['HTTPS_PROXY'], safe='')}@127.0.0.1:1"
    return {
        **clean,
        "PGPASSWORD": SECRETS["PGPASSWORD"],
        "PGPASSFILE": str(passwords),
        "HTTPS_PROXY": proxy,
    }


def test_all_secrets_are_in_the_settings(config: Path) -> None:
    """Else the others would test nothing."""
    settings = load(config, {})
    known = " ".join(settings.secrets())
    for name, secret in SECRETS.items():
        if not name.startswith(("PG", "HTTPS")):
            assert secret in known or quote(secret, safe="") in known, name


@pytest.mark.parametrize("how", ["json", "lines"])
def test_none_comes_out_in_any_form(
    how: str, config: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    texts = [text for secret in SECRETS.values() for text in forms(secret).values()]
    told = tmp_path / "texts.json"
    told.write_text(json.dumps(texts), "utf-8")
    done = forked.run("-c", PROGRAM, str(config), str(told), how, environment=environment)
    assert "uncaught exception" in done.stderr, done.stderr[-2000:]
    assert len(done.stdout) > 10 * len(texts)
    for said in (done.stdout, done.stderr):
        assert leaks(said, *SECRETS.values()) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("check",), 0),
        (("forget", "--chat", "telegram:1:2"), 2),
        (("providers", "--check"), 1),
        (("providers", "--config", "config.toml"), 0),
        (("migrate", "--to", f"postgresql://me:{quote(PASSWORD, safe='')}@127.0.0.1:1/x"), 2),
        (("migrate", f"--to=postgresql://me:{quote(PASSWORD, safe='')}@127.0.0.1:1/x"), 2),
        (("migrate", f"postgresql://me:{PASSWORD}@127.0.0.1:1/x"), 2),
        (("check", "--nonsense", f"--to=postgresql://me:{PASSWORD}@127.0.0.1:1/x"), 2),
    ],
)
def test_no_command_shows_one(
    command: tuple[str, ...], code: int, config: Path, environment: dict[str, str]
) -> None:
    done = forked.run("parlance", *command, environment=environment, folder=config.parent)
    assert done.returncode == code, done.stderr
    assert done.stdout + done.stderr
    assert leaks(done.stdout + done.stderr, *SECRETS.values()) == []
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "forget", "migrate"])
def test_what_postgresql_refuses_shows_none(
    command: str, config: Path, environment: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    """A server that is there and does not know the user, for each of those that connect."""
    query = urlsplit(postgres_url).query
    url = f"postgresql://nobody:{quote(PASSWORD, safe='')}@/none?{query}"
    given = {"forget": ["--chat", "telegram:1:2"], "migrate": ["--to", url]}.get(command, [])
    environment["PARLANCE__STORAGE__URL"] = url
    if command == "migrate":
        moving.fill(tmp_path / "parlance.db", 1)
        environment["PARLANCE__STORAGE__URL"] = f"sqlite:///{tmp_path}/parlance.db"
    done = forked.run("parlance", command, *given, environment=environment, folder=config.parent)
    assert done.returncode == 2
    assert leaks(done.stdout + done.stderr, *SECRETS.values()) == []
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("char", ["@", " ", "#", "/", "?", "%", ":", "[", "]"])
@pytest.mark.parametrize("command", ["check", "run", "migrate"])
def test_a_password_that_divides_the_url_is_refused_and_not_shown(
    char: str, command: str, config: Path, environment: dict[str, str]
) -> None:
    for userinfo in (f"me:hush{char}hash", f"me:12{char}hush-hash", f"hush{char}hash:hish"):
        url = f"postgresql://{userinfo}@127.0.0.1:1/name"
        given = ["--to", url] if command == "migrate" else []
        environment["PARLANCE__STORAGE__URL"] = "sqlite:///x/x.db" if given else url
        done = forked.run(
            "parlance", command, *given, environment=environment, folder=config.parent
        )
        assert done.returncode == 2
        (line,) = (done.stdout + done.stderr).splitlines()
        assert line.startswith("--to: " if given else "storage.url: ")
        assert "write @ as %40" in line
        assert "PGPASSWORD" in line
        for part in ("hush", "hash", "hish"):
            assert part not in line


@pytest.mark.parametrize(
    "line",
    [
        '[storage]\nurl = "u:hush@host/x"',
        '[storage]\nurl = "postgres:/u:hush@host/x"',
        '[storage]\nurl = "mysql://u:hu/sh@host/x"',
        '[storage]\nurl = "sqlite://u:hush@host"',
        '[providers.b]\nkind = "openai"\nmodel = "m"\nbase_url = "https//u:hush@host/v1"',
        '[providers.b]\nkind = "openai"\nmodel = "m"\nbase_url = "htp://h/v1?key=hush"',
        '[providers.b]\nkind = "demo"\nproxy = "http://u:hush/x@host:1"',
        '[access]\nusers = ["7012345678:hushAAHdqTcvCH1vGWJxfSeofSAs0K5PALDs"]',
        (
            '[chat]\nhistory_tokens = "sk-hush-0123456789"\n'
            '[providers.b]\nkind = "openai"\nmodel = "m"\napi_key = "sk-hush-0123456789"'
        ),
    ],
)
def test_settings_that_are_wrong_are_not_quoted(line: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[telegram]\ntoken = "1:x"\n[providers.a]\nkind = "demo"\n{line}\n', "utf-8")
    done: subprocess.CompletedProcess[str] = forked.run("parlance", "check", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_a_password_that_is_a_common_word_is_warned_of(config: Path) -> None:
    url = "postgresql://postgres:postgres@127.0.0.1:1/postgres"
    environment = {**os.environ, "PARLANCE__STORAGE__URL": url}
    done = forked.run("parlance", "check", environment=environment, folder=config.parent)
    assert "storage:    postgresql://***@127.0.0.1:1/postgres" in done.stdout
    assert "warning: storage.url: its password is so short or common" in done.stdout
