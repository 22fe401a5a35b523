"""What deploy/ hands to an operator fits the bot that it starts."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings.load import load
from bot.store.databases import Databases

DEPLOY = Path(__file__).parents[1] / "deploy"


def environment_file() -> dict[str, str]:
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def service(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"][name]


def test_the_composed_bot_reads_its_settings_and_uses_the_database() -> None:
    given = environment_file()
    assert service("bot")["env_file"] == ".env"
    for name, value in service("bot")["environment"].items():
        given[name] = re.sub(r"\$\{(\w+):\?}", lambda found: given[found[1]], value)
    settings = load(DEPLOY / "config.toml", given)
    assert Databases.at(settings.storage.url).shared
    assert settings.storage.url.endswith("@db/parlance")
    assert given["PGPASSWORD"] == given["POSTGRES_PASSWORD"], "so that it may hold any character"
    assert given["POSTGRES_PASSWORD"] not in settings.storage.url


def test_the_image_holds_what_the_bot_is_made_of_and_runs_as_nobody_special() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    for path in copied:
        assert path.startswith("--from") or path == "/app/.venv" or (DEPLOY.parent / path).exists()
    assert "USER parlance" in lines
    given = dict(
        found.groups()
        for line in lines
        if (found := re.match(r"(?:ENV)?\s+(PARLANCE__\w+)=(\S+)", line))
    )
    settings = load(DEPLOY / "config.toml", {**environment_file(), **given})
    assert settings.server.port == 8080
    assert not Databases.at(settings.storage.url).shared


def test_the_ends_of_answers_are_waited_for() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(DEPLOY / "parlance.service")
    given = environment_file()
    grace = load(DEPLOY / "config.toml", given).server.grace
    assert float(unit["Service"]["TimeoutStopSec"]) > grace + 10
    assert float(service("bot")["stop_grace_period"].removesuffix("s")) > grace + 10


def test_what_the_bot_keeps_is_its_users_alone() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(DEPLOY / "parlance.service")
    assert unit["Service"]["UMask"] == "0077"
    assert unit["Service"]["StateDirectoryMode"] == "0700"
    image = (DEPLOY / "Dockerfile").read_text()
    assert "install --directory --mode=700 --owner=parlance --group=parlance /data" in image
    (uid,) = re.findall(r"useradd --uid (\d+)", image)
    assert f"/data:mode=0700,uid={uid},gid={uid}" in service("bot")["tmpfs"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    # A program that is there, in the place of the installed one.
    unit = (DEPLOY / "parlance.service").read_text()
    copy = tmp_path / "parlance.service"
    copy.write_text(unit.replace("/opt/parlance/.venv/bin/parlance", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert "parlance.service" not in done.stderr
    assert done.returncode == 0, done.stderr
