"""Kinds that other packages add; the one in docs/providers.md is run as it stands there."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import forked
import pytest
from aiohttp import web
from wire import ask, user

from bot.settings.load import ConfigError, load
from providers.base import (
    BadResponseError,
    ConnectionFailedError,
    Finish,
    FinishReason,
    Message,
    OverloadedError,
    Provider,
    ProviderSettings,
    Role,
    TextDelta,
    TruncatedError,
)
from providers.describe import params_line, table
from providers.registry import (
    BrokenPluginError,
    UnknownKindError,
    create,
    kinds,
    provider_class,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Install = Callable[[str, str, str], None]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "providers.md").read_text("utf-8")
(LISTING,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONFIGURATIONS = [
    toml for toml in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "kind =" in toml
]
ENTRY_POINT = re.search(r'\[project.entry-points."parlance.providers"\]\n(.*)', PAGE)[1]
TELEGRAM = '[telegram]\ntoken = "1:a"\n'


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return `install(package, module's text, entry points)`, as a package installer leaves it."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = set(sys.modules)

    def install(package: str, code: str, points: str) -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code, "utf-8")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8"
        )
        (info / "entry_points.txt").write_text(f"[parlance.providers]\n{points}\n", "utf-8")

    yield install
    for name in set(sys.modules) - modules:
        if name.startswith("parlance_"):
            del sys.modules[name]


@pytest.fixture
def parrot(install: Install) -> None:
    point = ENTRY_POINT.replace('"', "")
    install("parlance-parrot", LISTING, point)


class Talk:
    """The server of docs/providers.md: it says what it heard last."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[list[dict]] = []
        self.reply = b'{"text": "You said: "}\n{"text": "%s"}\n{"done": true}\n'

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.post("/talk", self._talk)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _talk(self, request: web.Request) -> web.Response:
        messages = (await request.json())["messages"]
        self.heard.append(messages)
        return web.Response(body=self.reply.replace(b"%s", messages[-1]["text"].encode()))


def test_the_listing_is_short() -> None:
    assert len(LISTING.splitlines()) < 60


@pytest.mark.usefixtures("parrot")
async def test_the_listing_holds_a_conversation() -> None:
    async with Talk() as server:
        provider = create(ProviderSettings("parrot", base_url=server.url))
        messages = [Message.of(Role.SYSTEM, "Be brief.")]
        for question in ("Grüße 😀", "And now?"):
            messages.append(user(question))
            events = [event async for event in provider.stream(messages)]
            assert events[-1] == Finish(FinishReason.STOP)
            answer = "".join(one.text for one in events if isinstance(one, TextDelta))
            assert answer == f"You said: {question}"
            messages.append(Message.of(Role.ASSISTANT, answer))
        await provider.close()
    assert [(one["role"], one["text"]) for one in server.heard[-1]] == [
        (one.role, one.text) for one in messages[:-1]
    ]


@pytest.mark.usefixtures("parrot")
@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (b'{"text": "Hel"}\n', TruncatedError, "Hel"),
        (b'{"text": "Hel"}\n{"error": "out of seeds"}\n', OverloadedError, "Hel"),
        (b'{"done": true}\n', BadResponseError, ""),
        (b"<html>", BadResponseError, ""),
        (b"", BadResponseError, ""),
    ],
)
async def test_the_listing_tells_a_bad_answer_from_a_good_one(
    reply: bytes, error: type[Exception], text: str
) -> None:
    async with Talk() as server:
        server.reply = reply
        outcome = await ask(create(ProviderSettings("parrot", base_url=server.url)))
    assert (type(outcome.error), outcome.text) == (error, text)
    outcome = await ask(create(ProviderSettings("parrot", base_url=server.url)))
    assert type(outcome.error) is ConnectionFailedError


@pytest.mark.usefixtures("parrot")
@pytest.mark.parametrize("toml", CONFIGURATIONS)
def test_every_configuration_of_the_page_is_valid(toml: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(TELEGRAM + toml, "utf-8")
    keys = {f"{name}_API_KEY": "k" for name in ("OPENAI", "ANTHROPIC", "GEMINI")}
    loaded = load(config, keys)
    assert loaded.providers
    assert loaded.notes() == ()


@pytest.mark.usefixtures("parrot")
def test_a_plug_in_is_listed_and_not_imported() -> None:
    assert kinds()[-1] == "parrot"
    assert kinds()[0] == "openai"
    assert "parlance_parrot" not in sys.modules
    assert issubclass(provider_class("parrot"), Provider)
    assert "parlance_parrot" in sys.modules


@pytest.mark.usefixtures("parrot")
def test_the_command_lists_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = forked.run("parlance", "providers", environment=environment)
    assert ran.returncode == 0
    (row,) = (line.split() for line in ran.stdout.splitlines() if "parrot" in line)
    assert row[:2] == ["parrot", "http://localhost:777"]


@pytest.mark.usefixtures("parrot")
def test_a_kind_near_to_a_plug_in_is_told() -> None:
    with pytest.raises(UnknownKindError, match='did you mean "parrot"'):
        provider_class("parot")


BROKEN = {
    "import nothing_of_this_name": "ModuleNotFoundError: No module named 'nothing_of_this_name'",
    "raise RuntimeError('no\\nluck')": "RuntimeError: no luck",
    "class Broken: pass": "its entry point names no subclass of providers.base.Provider",
    "from providers.base import Provider\nclass Broken(Provider): kind = 'broken'": (
        "its class Broken has no method stream"
    ),
    "from providers.demo import Demo\nclass Broken(Demo): pass": (
        'its class Broken does not say kind = "broken"'
    ),
    "from providers.demo import Demo\nclass Broken(Demo):\n kind = 'broken'; capabilities = None": (
        "its class Broken has no capabilities"
    ),
    "": "AttributeError: module 'parlance_broken' has no attribute 'Broken'",
}


@pytest.mark.usefixtures("parrot")
@pytest.mark.parametrize(("code", "reason"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_plug_in_says_why_and_hurts_no_other(
    install: Install, tmp_path: Path, code: str, reason: str
) -> None:
    install("parlance-broken", code, "broken = parlance_broken:Broken")
    said = f'the plug-in for kind "broken" (parlance-broken) can\'t be used: {reason}'
    with pytest.raises(BrokenPluginError) as caught:
        create(ProviderSettings("broken"))
    assert str(caught.value) == said
    rows = {row.kind: row for row in table()}
    assert rows["broken"].working == f"no: {said}"
    assert rows["parrot"].working == "yes"
    assert params_line("broken") == f"providers.broken: {said}"
    config = tmp_path / "config.toml"
    config.write_text(f'{TELEGRAM}[providers.main]\nkind = "broken"\n', "utf-8")
    with pytest.raises(ConfigError) as refused:
        load(config, {})
    assert refused.value.problems == [f"providers.main.kind: {said}"]


UNMAKEABLE = {
    "raise RuntimeError(f'no\\nluck with {settings.api_key}')": (
        'the plug-in for kind "broken" (parlance-broken) can\'t be used: '
        "RuntimeError: no luck with ***"
    ),
    "raise ValueError(f'no model\\nbut {settings.api_key}')": "no model but ***",
}


@pytest.mark.parametrize(("code", "said"), UNMAKEABLE.items(), ids=range(len(UNMAKEABLE)))
def test_a_plug_in_that_fails_when_it_is_set_up_is_one_line(
    install: Install, tmp_path: Path, code: str, said: str
) -> None:
    lines = (
        "from providers.demo import Demo",
        "class Broken(Demo):",
        " kind = 'broken'",
        f" def __init__(self, settings): {code}",
    )
    install("parlance-broken", "\n".join(lines), "broken = parlance_broken:Broken")
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        create(ProviderSettings("broken", api_key="seed-7"))
    assert str(caught.value) == said
    (tmp_path / "config.toml").write_text(
        f'{TELEGRAM}[providers.main]\nkind = "broken"\napi_key = "seed-7"\n', "utf-8"
    )
    for command, exit_code in (("run",), 2), (("demo",), 2), (("providers", "--check"), 1):
        ran = forked.run(
            "parlance", *command, "--config", "config.toml",
            environment={**os.environ, "PYTHONPATH": str(tmp_path)}, folder=tmp_path,
        )  # fmt: skip
        shown = ran.stdout + ran.stderr
        (line,) = (line for line in shown.splitlines() if said in line)
        assert ran.returncode == exit_code
        assert "main" in line
        assert "Traceback" not in shown
        assert "seed-7" not in shown


def test_a_kind_that_two_packages_offer_names_both(install: Install) -> None:
    for package in ("parlance-b", "parlance-a"):
        install(package, "", "twice = parlance_a:A")
    with pytest.raises(BrokenPluginError, match="by parlance-a and parlance-b; uninstall one"):
        provider_class("twice")


def test_a_plug_in_can_not_replace_a_built_in_kind(install: Install) -> None:
    install("parlance-evil", "raise RuntimeError", "openai = parlance_evil:Evil")
    assert kinds().count("openai") == 1
    assert provider_class("openai").__module__ == "providers.openai"
