"""Conversations are read by the user that the bot runs as, and by nobody else on the machine.

What a process makes is private by its umask, see `bot.__main__.main`. What an earlier release made
is closed at a start. A folder is closed only if nobody else can need it: one that is shared, or
holds other things, keeps its permissions, and the operator is told.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

Chmod = Callable[[Path, int], None]

OTHERS: Final = 0o077
"""The permissions of everybody but the owner."""
_SHARED: Final = stat.S_ISVTX | stat.S_ISGID
"""How a folder is marked in which several users work."""
_FILES_OF_SQLITE: Final = ("", "-wal", "-shm", "-journal")
_AFTER_STEM: Final = ("", ".", "-", "_", "~")
"""What follows the database's name in the names of its other files and of copies of it."""
_OF_A_DISK: Final = "lost+found"
_ELSEWHERE: Final = "name a file on another one in storage.url, or let nobody else reach this one"


def close_to_others(history: Path, turns: Path, *, chmod: Chmod = os.chmod) -> None:
    """Take from everybody but the owner what an earlier release let them read.

    `history`, `turns`: the two databases, which need not be there yet; nobody may have them open
    yet. What was changed is told in one line of the log, and so is what can't be.
    """
    closing = _Closing(chmod)
    databases = {path: path.resolve() for path in (history, turns)}
    names = {path.name for pair in databases.items() for path in pair}
    for folder in dict.fromkeys(path.parent for path in databases.values()):
        closing.folder(folder, names)
    for path in databases.values():
        for suffix in _FILES_OF_SQLITE:
            closing.file(path.with_name(path.name + suffix))
    closing.file(lock_of(history))
    closing.tell()


def lock_of(history: Path) -> Path:
    """The file that is held by the process that uses the databases."""
    return history.with_name(f"{history.name}.lock")


class _Closing:
    """Closes what it is given, and remembers what to tell of it."""

    def __init__(self, chmod: Chmod) -> None:
        self._chmod = chmod
        self._was: dict[str, str] = {}
        self._now: dict[str, str] = {}
        self._left: list[str] = []
        """What to say of what is not closed."""
        self._refused: dict[str, str] = {}
        """The names of what stays open, and why."""

    def folder(self, folder: Path, names: set[str]) -> None:
        """Close copies of the databases of these `names`, and `folder` if it is the bot's alone."""
        stems = {Path(name).stem for name in names}
        try:
            found, inside = folder.stat(), sorted(folder.iterdir())
        except OSError:
            return  # Whoever opens what is in it says what is wrong.
        ours = [path for path in inside if _is_of(path, stems)]
        copies = [path for path in ours if path.name.startswith(tuple(names))]
        others = [path for path in inside if path not in ours and path.name != _OF_A_DISK]
        why = _why_not_alone(folder, found, others)
        if not why:
            self._close(folder, found)
            copies = ours
        elif found.st_mode & OTHERS:
            own = found.st_uid == os.geteuid() and not found.st_mode & _SHARED
            mend = f", or type: chmod 700 {folder}" if own else ""
            self._left.append(
                f"storage.url: {folder} is open to other users of this machine "
                f"({_octal(found.st_mode)}) and stays so, as {why}; "
                f"give the database a folder of its own{mend}"
            )
        for path in copies:
            self.file(path)

    def file(self, path: Path) -> None:
        """A file that is not there is none; a link is not followed."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISREG(found.st_mode):
            self._close(path, found)

    def _close(self, path: Path, found: os.stat_result) -> None:
        if not found.st_mode & OTHERS or path.name in self._refused:
            return
        if found.st_uid != os.geteuid():
            self._refused[path.name] = "it belongs to another user; chown it to the bot's"
            return
        rights = stat.S_IRWXU if stat.S_ISDIR(found.st_mode) else stat.S_IRUSR | stat.S_IWUSR
        try:
            self._chmod(path, found.st_mode & rights)
        except OSError as error:
            self._refused[path.name] = f"chmod: {error.strerror}; {_ELSEWHERE}"
            return
        now = path.stat().st_mode
        if now & OTHERS:
            self._refused[path.name] = f"this file system keeps no permissions; {_ELSEWHERE}"
            return
        what = path.name if stat.S_ISDIR(now) else "files"
        self._was[path.name] = _octal(found.st_mode)
        self._now.setdefault(what, _octal(now))

    def tell(self) -> None:
        if self._was:
            was, now = _listed(self._was), _listed(self._now)
            log.warning("storage.url: closed to other users of this machine", was=was, now=now)
        if self._refused:
            (why, *_), names = self._refused.values(), ", ".join(self._refused)
            self._left.append(f"storage.url: other users of this machine may read {names}: {why}")
        for line in self._left:
            log.warning(line)


def _is_of(path: Path, stems: set[str]) -> bool:
    """Whether `path` is a file of a database of that name, or looks like a copy of one."""
    return (path.is_symlink() or path.is_file()) and any(
        path.name.startswith(stem) and path.name[len(stem) :][:1] in _AFTER_STEM for stem in stems
    )


def _why_not_alone(folder: Path, found: os.stat_result, others: list[Path]) -> str:
    """Why `folder` is not the bot's alone; empty if it is."""
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if found.st_mode & _SHARED:
        return "it is shared"
    if folder in {_home(), *_home().parents}:
        return "it is your home folder"
    return f"it holds other things, such as {others[0].name}" if others else ""


def _home() -> Path:
    try:
        return Path.home().resolve()
    except RuntimeError:  # A user without one, as in a container.
        return Path("/")


def _octal(mode: int) -> str:
    return f"{stat.S_IMODE(mode):04o}"


def _listed(modes: dict[str, str]) -> str:
    return ", ".join(f"{name} {mode}" for name, mode in modes.items())
