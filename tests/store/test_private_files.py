"""Who may read the files of an SQLite installation, as `Databases.claim` leaves them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from bot.store.databases import Databases
from bot.store.private_files import Chmod, close_to_others

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict

FILES = ("parlance.db", "parlance.db-wal", "parlance.db-shm", "parlance.turns.db-journal")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation of before: a folder that everybody may enter, files that all may read."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in FILES:
        (folder / name).touch()
    return folder


def claim(folder: Path) -> list[EventDict]:
    with capture_logs() as told, Databases.at(f"sqlite:///{folder}/parlance.db").claim():
        pass
    return told


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if mode(path) & 0o077}


def test_an_installation_of_before_is_closed_and_told_in_one_line(data: Path) -> None:
    (told,) = claim(data)
    assert mode(data) == 0o700
    assert not open_files(data)
    assert told["event"] == "storage.url: closed to other users of this machine"
    assert told["was"] == (
        "data 0755, parlance.db 0644, parlance.db-shm 0644, parlance.db-wal 0644, "
        "parlance.turns.db-journal 0644"
    )
    assert told["now"] == "data 0700, files 0600"
    assert claim(data) == []


def test_a_folder_that_is_made_is_closed_whatever_the_umask(tmp_path: Path) -> None:
    os.umask(0o000)
    assert claim(tmp_path / "var" / "parlance") == []
    assert mode(tmp_path / "var" / "parlance") == 0o700
    assert mode(tmp_path / "var" / "parlance" / "parlance.db.lock") == 0o600


def test_copies_beside_the_database_are_closed_too(data: Path) -> None:
    for name in ("parlance.db.bak", "parlance-2026-11-30.db"):
        (data / name).touch()
    claim(data)
    assert not open_files(data)


def test_the_owner_gets_no_more_rights_than_before(data: Path) -> None:
    (data / "parlance.db").chmod(0o444)
    claim(data)
    assert mode(data / "parlance.db") == 0o400


def test_a_folder_with_other_things_in_it_is_left_and_the_mend_is_named(data: Path) -> None:
    (data / "letters.txt").touch()
    closed, left = claim(data)
    assert closed["was"].startswith("parlance.db 0644")
    assert (mode(data), mode(data / "letters.txt")) == (0o755, 0o644)
    assert open_files(data) == {"letters.txt"}
    assert "it holds other things, such as letters.txt" in left["event"]
    assert f"chmod 700 {data}" in left["event"]


def test_a_folder_with_another_folder_in_it_is_left(data: Path) -> None:
    (data / "parlance-site").mkdir()
    _, left = claim(data)
    assert mode(data) == 0o755
    assert mode(data / "parlance-site") == 0o755
    assert "it holds other things, such as parlance-site" in left["event"]


def test_copies_beside_other_things_are_closed_and_the_other_things_are_not(data: Path) -> None:
    copies = ("parlance.db.bak", "parlance.db-backup", "parlance.turns.db.2026")
    others = ("letters.txt", "parlance-notes.txt")
    for name in (*copies, *others):
        (data / name).touch(0o644)
        (data / name).chmod(0o644)
    claim(data)
    assert {mode(data / name) for name in copies} == {0o600}
    assert {mode(data / name) for name in others} == {0o644}


@pytest.mark.parametrize("shared", [0o1777, 0o2775])
def test_a_shared_folder_is_left(data: Path, shared: int) -> None:
    data.chmod(shared)
    _, left = claim(data)
    assert mode(data) == shared
    assert not open_files(data)
    assert "it is shared" in left["event"]
    assert "give the database a folder of its own" in left["event"]
    assert "chmod" not in left["event"]


def test_the_home_folder_is_left(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(data))
    _, left = claim(data)
    assert mode(data) == 0o755
    assert not open_files(data)
    assert "it is your home folder" in left["event"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_left(data: Path) -> None:
    os.chown(data, 12345, 12345)
    _, left = claim(data)
    assert mode(data) == 0o755
    assert not open_files(data)
    assert "it belongs to another user" in left["event"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_left_and_told(data: Path) -> None:
    os.chown(data / "parlance.db", 12345, 12345)
    _, left = claim(data)
    assert open_files(data) == {"parlance.db"}
    assert left["event"].startswith("storage.url: other users of this machine may read parlance.db")
    assert "belongs to another user" in left["event"]


def test_a_folder_that_is_private_already_is_nobodys_business(data: Path) -> None:
    (data / "letters.txt").touch()
    data.chmod(0o700)
    for name in FILES:
        (data / name).chmod(0o600)
    assert claim(data) == []
    assert mode(data / "letters.txt") == 0o644


def test_what_a_link_leads_to_is_closed_there(data: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    for name in ("queue.db", "queue.db-wal", "letters.txt"):
        (disk / name).touch()
    (data / "parlance.turns.db").symlink_to(disk / "queue.db")
    (data / "parlance.turns.db-wal").symlink_to(disk / "letters.txt")
    claim(data)
    assert mode(data) == 0o700
    assert open_files(disk) == {"letters.txt"}


def refuses(_path: Path, _mode: int) -> None:
    """As a file system of another machine, or one that is read-only."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def ignores(_path: Path, _mode: int) -> None:
    """As FAT and some shares do."""


@pytest.mark.parametrize(
    ("chmod", "why"),
    [(refuses, "Read-only file system"), (ignores, "this file system keeps no permissions")],
)
def test_where_nothing_can_be_closed_there_is_one_warning(
    data: Path, chmod: Chmod, why: str
) -> None:
    with capture_logs() as told:
        close_to_others(data / "parlance.db", data / "parlance.turns.db", chmod=chmod)
    (left,) = told
    assert left["log_level"] == "warning"
    assert "other users of this machine may read data, parlance.db, " in left["event"]
    assert why in left["event"]


def test_postgresql_has_no_files_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with capture_logs() as told, Databases.at("postgresql://u@localhost/x").claim():
        assert list(Path().iterdir()) == []
    assert told == []
