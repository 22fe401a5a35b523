"""config.toml and the environment → `Settings`; all that is wrong is reported at once.

- `PARLANCE__SECTION__KEY` in the environment wins over the file, as does
  `PARLANCE__PROVIDERS__NAME__KEY`; a list is written as JSON or comma separated.
- A text anywhere, in a list too, may be `env:NAME`, which reads that environment variable, or
  `file:PATH`, which reads that file, without the white space around its text. A relative path
  starts where the bot is started.
- What a reference gave and what a secret holds is never quoted in a problem.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from bot.settings.fields import PLATFORMS
from bot.settings.problems import describe, dotted, is_list, secrets_of
from bot.settings.sections import Settings
from providers.redact import mask_exactly

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bot.settings.problems import Key

DEFAULT_PATH: Final = Path("config.toml")
PREFIX: Final = "PARLANCE__"
REFERENCES: Final = ("env:", "file:")
"""What a text begins with that says where it is to be read."""

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ConfigError(Exception):
    """The configuration can't be used."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        """One line each, `key: what is wrong and how to mend it`, without secrets."""


def load(
    path: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    platforms: bool = True,
) -> Settings:
    """Read and check the configuration.

    Without `path`, config.toml is read; where it does not exist, the environment alone will do.
    Without `platforms`, their sections are passed over, for what talks on none of them.
    Raises ConfigError with every problem that was found.
    """
    tree = _read(path, environ)
    problems = _overlay(tree, environ)
    if not platforms:
        tree = {name: section for name, section in tree.items() if name not in PLATFORMS}
    references = _References(environ)
    tree = references.resolve(tree)
    problems += references.broken.values()
    problems += _absent(tree, PLATFORMS if platforms else ())
    settings = None
    try:
        settings = Settings.model_validate(tree, context=_section_names(tree))
    except ValidationError as error:
        problems += [
            describe(details, hidden=references.hide(details["loc"]))
            for details in error.errors(include_url=False)
            if details["loc"] not in references.broken
        ]
    if settings is None or problems:
        # Raised outside the except block: pydantic's error quotes values.
        held = [text for text in secrets_of(tree) if not text.startswith(REFERENCES)]
        raise ConfigError([mask_exactly(problem, held) for problem in problems])
    return settings


def _read(path: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:
    file = path or DEFAULT_PATH
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        if path is None and any(name.startswith(PREFIX) for name in environ):
            return {}
        problem = "no such file; copy config.example.toml and edit it, or run `parlance demo`"
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        problem = f"is not valid TOML: {error}"
    raise ConfigError([f"{file}: {problem}"])


def _overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put the PARLANCE__ variables into `tree`; returns what is wrong with them."""
    problems = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        key = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if not all(key) or len(key) != (3 if key[0] == "providers" else 2):
            forms = f"{PREFIX}SECTION__KEY or {PREFIX}PROVIDERS__NAME__KEY"
            problems.append(f"{variable}: unknown variable; the form is {forms}")
            continue
        section: Any = tree
        for name in key[:-1]:
            section = section.setdefault(_spelled_as_in(section, name), {})
            if not isinstance(section, dict):
                break  # The file has a value where a section belongs: validation says so.
        else:
            section[key[-1]] = _listed(environ[variable]) if is_list(key) else environ[variable]
    return problems


def _spelled_as_in(section: dict[str, Any], name: str) -> str:
    """A variable's name has no case and no hyphens; the file's spelling may have both."""
    return next((known for known in section if known.lower().replace("-", "_") == name), name)


def _listed(text: str) -> list[Any] | str:
    if not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    try:
        items = json.loads(text)
    except json.JSONDecodeError:
        return text  # Validation says that it is no list.
    assert isinstance(items, list)
    return items


class _References:
    """Puts what `env:NAME` and `file:PATH` stand for in their place."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._seen: set[Key] = set()
        self.broken: dict[Key, str] = {}
        """The problem of each reference that can't be followed; it is left as it stands."""

    def resolve(self, value: Any, key: Key = ()) -> Any:  # noqa: ANN401 - a TOML value
        match value:
            case dict():
                return {name: self.resolve(inner, (*key, name)) for name, inner in value.items()}
            case list():
                return [self.resolve(inner, (*key, place)) for place, inner in enumerate(value)]
            case str() if value.startswith(REFERENCES):
                self._seen.add(key)
                try:
                    return self._follow(value)
                except ValueError as problem:
                    self.broken[key] = f"{dotted(key)}: {problem}"
        return value

    def hide(self, key: Key) -> bool:
        """Whether the value at `key` came from a reference."""
        return key in self._seen

    def _follow(self, reference: str) -> str:
        scheme, _, name = reference.partition(":")
        text = self._variable(name) if scheme == "env" else self._file(name)
        if not text:
            what = "environment variable" if scheme == "env" else "file"
            raise ValueError(f"the {what} {name} is empty")
        return text

    def _variable(self, name: str) -> str:
        if not _VARIABLE_NAME.fullmatch(name):
            # It may well be the secret itself.
            raise ValueError("what follows env: is not the name of an environment variable")
        if name not in self._environ:
            raise ValueError(f"the environment variable {name} is not set")
        return self._environ[name].strip()

    def _file(self, name: str) -> str:
        try:
            return Path(name).expanduser().read_text("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise ValueError(f"the file {name} is not UTF-8 text") from None
        except OSError as error:
            raise ValueError(f"the file {name} can't be read: {error.strerror}") from None


def _absent(tree: dict[str, Any], platforms: Collection[str]) -> list[str]:
    """What the bot can't do without; one of `platforms` is enough."""
    problems = []
    if platforms and tree.keys().isdisjoint(platforms):
        problems.append(
            "telegram: missing; add a section [telegram] or [discord] with the token of your bot"
        )
    if not tree.get("providers"):
        problems.append("providers: missing; add a section such as [providers.main] with a kind")
    return problems


def _section_names(tree: dict[str, Any]) -> list[str]:
    providers = tree.get("providers")
    return list(providers) if isinstance(providers, dict) else []
