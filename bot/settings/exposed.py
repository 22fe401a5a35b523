"""Which files that hold secrets may be read by other users of the machine."""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bot.settings.load import DEFAULT_PATH, PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_REFERENCE: Final = "file:"


def exposed(
    path: Path | None, secrets: Collection[str], environ: Mapping[str, str] = os.environ
) -> list[str]:
    """One line for each file that others may read: config.toml at `path`, and what it refers to.

    `secrets`: those of the settings that were read from there. A file that holds none of them may
    be read by anybody.
    """
    file = path or DEFAULT_PATH
    texts = list(_texts(_tree(file)))
    given = [text for name, text in environ.items() if name.startswith(PREFIX)]
    referred = [
        Path(text.removeprefix(_REFERENCE)).expanduser()
        for text in (*texts, *given)
        if text.startswith(_REFERENCE)
    ]
    written = {file: texts} | {each: [_content(each)] for each in referred}
    return [
        _warning(each)
        for each, held in written.items()
        if _is_open(each) and any(secret in text for text in held for secret in secrets)
    ]


def _tree(file: Path) -> object:
    """What is in it; the settings were read from there, so it is well formed if it is there."""
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - a TOML value
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _content(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, ValueError):
        return ""


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _warning(file: Path) -> str:
    found, name = file.stat(), shlex.quote(str(file))
    if found.st_uid == os.geteuid():
        mend = f"type: chmod 600 {name}"
    else:
        mend = f"have its owner type: chmod 640 {name}, with a group that the bot's user is in"
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    return f"{file}: holds secrets, and other users may read it (its mode is {mode}); {mend}"
