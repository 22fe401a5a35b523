import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import forked
import pytest
from command_line import parlance

from providers import registry
from sandbox.llm.script import Script
from sandbox.llm.server import LlmSandbox

CONFIG = """
[telegram]
token = "123:hush-token"
[providers.main]
kind = "openai"
base_url = "http://localhost:1/v1"
api_key = "hush-key"
model = "little-model"
proxy = "http://u:hush-proxy@proxy:1"
[providers.spare]
kind = "demo"
[access]
admins = [1]
users = [2, 3]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG, "utf-8")
    file.chmod(0o600)
    return file


def test_help_lists_the_commands() -> None:
    shown = parlance("--help")
    assert shown.returncode == 0
    for command in ("run", "demo", "check", "providers", "migrate", "forget"):
        assert re.search(rf"^  {command} ", shown.stdout, re.MULTILINE)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from bot.__main__ import main\n"
        "sys.argv = ['parlance', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('imported:', *{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "typer" in imported
    heavy = {
        "telegram",
        "discord",
        "dbos",
        "aiohttp",
        "sqlalchemy",
        "pydantic",
        "structlog",
        "rich",
    }
    assert not imported & heavy


def test_version_names_the_program() -> None:
    shown = parlance("--version")
    assert shown.returncode == 0
    assert re.fullmatch(r"parlance \d+\.\d+\.\d+\n", shown.stdout)


@pytest.mark.parametrize("command", ["run", "check", "providers", "demo"])
def test_a_bad_setting_is_a_line_on_stderr_and_exit_code_2(command: str, config: Path) -> None:
    config.write_text(CONFIG + '[chat]\nhistory_tokens = "many"\nmodel = "x"\n', "utf-8")
    done = parlance(command, "--config", str(config))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        'chat.history_tokens: expected a whole number, got "many"',
        "chat.model: unknown key; did you mean providers.NAME.model?",
    ]


@pytest.mark.parametrize("command", ["run", "check"])
def test_without_a_configuration_the_mend_is_named(command: str, tmp_path: Path) -> None:
    done = parlance(command, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("config.toml: no such file;")


def test_check_reads_config_toml_by_default(config: Path) -> None:
    done = parlance("check", cwd=config.parent)
    assert done.returncode == 0
    assert done.stderr == ""


def test_check_sums_up_without_secrets(config: Path) -> None:
    done = parlance("check", "--config", str(config))
    assert done.stdout.splitlines() == [
        "platforms:  telegram (https://api.telegram.org)",
        "providers:  main (openai, little-model), spare (demo)",
        "storage:    sqlite:///data/parlance.db",
        "access:     1 admin, 2 users",
    ]
    assert "hush" not in done.stdout + done.stderr


def test_check_tells_where_the_bot_listens_and_what_is_posted_there(config: Path) -> None:
    url = "https://me:hush-hook@bot.example/telegram"
    text = CONFIG.replace("[telegram]", f'[server]\nport = 8080\n[telegram]\nwebhook_url = "{url}"')
    config.write_text(text, "utf-8")
    done = parlance("check", "--config", str(config))
    assert done.returncode == 0
    assert done.stdout.splitlines()[4:] == [
        "server:     http://127.0.0.1:8080",
        "webhook:    https://***@bot.example/telegram",
    ]
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("access", "warning"),
    [("open = true", "anyone who finds the bot may talk"), ("", "nobody may talk to the bot yet")],
)
def test_check_warns_of_access_that_is_probably_not_meant(
    access: str, warning: str, config: Path
) -> None:
    config.write_text(f"{CONFIG.partition('[access]')[0]}[access]\n{access}\n", "utf-8")
    done = parlance("check", "--config", str(config))
    assert done.returncode == 0
    assert re.search(rf"^warning: .*{warning}", done.stdout, re.MULTILINE)


def test_providers_lists_every_kind_in_a_line() -> None:
    lines = parlance("providers").stdout.splitlines()
    columns = ["kind", "url", "models", "stream", "images", "auth", "working"]
    assert lines[0].split() == columns
    assert [line.split()[0] for line in lines[1:]] == list(registry.kinds())


def test_providers_with_a_configuration_tells_what_uses_them(config: Path) -> None:
    lines = parlance("providers", "--config", str(config)).stdout.splitlines()
    (used,) = (line for line in lines if line.split()[0] == "openai")
    assert used.split()[-1] == "main"


def test_providers_need_no_platform(config: Path) -> None:
    config.write_text(CONFIG.replace("123:hush-token", "env:NOT_SET_ANYWHERE"), "utf-8")
    assert parlance("check", "--config", str(config)).returncode == 2
    listed = parlance("providers", "--config", str(config))
    assert (listed.returncode, listed.stderr) == (0, "")


def test_providers_params_are_told_as_the_originals_did() -> None:
    lines = parlance("providers", "--params").stdout.splitlines()
    assert len(lines) == len(registry.kinds())
    for kind, line in zip(registry.kinds(), lines, strict=True):
        start = f"providers.{kind} supports: (model: str, messages: list, stream: bool"
        assert line.startswith(start)
        assert line.endswith(")")


async def checked(tmp_path: Path, providers: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "config.toml"
    file.write_text(providers, "utf-8")
    return await asyncio.to_thread(parlance, "providers", "--check", cwd=tmp_path)


async def test_providers_check_asks_each_of_them_for_a_word(tmp_path: Path) -> None:
    async with LlmSandbox(Script("ready"), key=None) as llm:
        done = await checked(
            tmp_path,
            f'[providers.main]\nkind = "openai"\nbase_url = "{llm.openai_url}"\n'
            'model = "little-model"\napi_keys = ["hush-1", "hush-2"]\n'
            f'[providers.old]\nkind = "aichat"\nbase_url = "{llm.aichat_url}"\n'
            '[providers.spare]\nkind = "demo"\nrate = 0\n[chat]\nproviders = ["main"]\n',
        )
        keys = sorted(r.headers["Authorization"] for r in llm.requests if r.api == "openai")
        assert keys == ["Bearer hush-1", "Bearer hush-2"]
    assert done.returncode == 0
    assert [re.sub(r"\d+\.\d\d s", "N s", line) for line in done.stdout.splitlines()] == [
        "main, key 1 (openai, little-model): answers, first text after N s",
        "main, key 2 (openai, little-model): answers, first text after N s",
        "old (aichat, its default model): answers, first text after N s",
        "spare (demo, its default model): answers, first text after N s",
    ]


async def test_providers_check_names_what_failed_and_shows_no_secret(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with LlmSandbox(Script("ready")) as llm:
        done = await checked(
            tmp_path,
            f'[providers.a]\nkind = "openai"\nbase_url = "{llm.openai_url}"\nmodel = "m"\n'
            f'api_keys = ["{llm.key}", "hush-wrong"]\n'
            f'[providers.b]\nkind = "ollama"\nbase_url = "{nobody}"\nmodel = "m"\n',
        )
    assert done.returncode == 1
    fine, wrong, dead = done.stdout.splitlines()
    assert "answers" in fine
    assert wrong.startswith("a, key 2 (openai, m): failed after ")
    assert "HTTP 401 (check api_key)" in wrong
    assert dead.startswith("b (ollama, m): failed after ")
    assert "cannot connect to 127.0.0.1" in dead
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_settings_file_with_secrets_that_all_may_read_is_warned_of(
    command: str, config: Path
) -> None:
    key = config.with_name("a key")
    key.write_text("hush-file\n", "utf-8")
    key.chmod(0o644)
    text = CONFIG.replace('"hush-key"', f'"file:{key}"')
    if command == "run":  # It ends at once, but only after its settings are told.
        text += '[storage]\nurl = "sqlite:////dev/null/parlance.db"\n'
    config.write_text(text, "utf-8")
    config.chmod(0o644)
    done = parlance(command, "--config", str(config))
    said = done.stdout + done.stderr
    warned = "holds secrets, and other users may read it (its mode is 0644); type: chmod 600"
    assert f"{config}: {warned} {config}" in said
    assert f"{key}: {warned} '{key}'" in said
    assert "hush" not in said
    for file in (config, key):
        file.chmod(0o640)
    assert warned not in parlance("check", "--config", str(config)).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_who_may_not_close_the_settings_file_is_told_who_can(config: Path) -> None:
    config.chmod(0o644)
    os.chown(config, 12345, 12345)
    shown = parlance("check", "--config", str(config)).stdout
    assert f"have its owner type: chmod 640 {config}" in shown


def test_a_settings_file_without_secrets_may_be_read_by_all(config: Path) -> None:
    text = re.sub('"(123:hush|hush|http://u).*"', '"env:A_SECRET"', CONFIG)
    text = text.replace('proxy = "env:A_SECRET"\n', "")
    config.write_text(text, "utf-8")
    config.chmod(0o644)
    environ = {**os.environ, "A_SECRET": "hush-hush"}
    done = forked.run("parlance", "check", "--config", str(config), environment=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "chmod" not in done.stdout
