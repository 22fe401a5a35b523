"""config.example.toml loads as it is, and shows every key with its default."""

import re
import tomllib
from pathlib import Path

from bot import texts
from bot.settings import problems
from bot.settings.load import load
from bot.settings.sections import ProviderSection, Settings

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
ENVIRON = {"TELEGRAM_TOKEN": "123:telegram-secret", "OPENAI_API_KEY": "sk-secret"}


def uncommented(text: str) -> str:
    """The example with every `#key = …` and `#[section]` switched on."""
    return re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)


def test_the_example_loads_as_it_is() -> None:
    settings = load(EXAMPLE, ENVIRON)
    assert settings.telegram is not None
    assert settings.telegram.token.get_secret_value() == "123:telegram-secret"
    assert settings.notes() == ()


def test_the_example_shows_every_key_there_is() -> None:
    tree = tomllib.loads(uncommented(EXAMPLE.read_text("utf-8")))
    keys = list(problems._all_keys())
    assert ("providers", "NAME", "kind") in keys
    for section, *_, key in keys:
        assert key in (tree["providers"]["main"] if section == "providers" else tree[section])


def test_the_values_the_example_shows_are_the_defaults() -> None:
    tree = tomllib.loads(uncommented(EXAMPLE.read_text("utf-8")))
    main = tree.pop("providers")["main"]
    for key in ("webhook_url", "webhook_secret"):
        del tree["telegram"][key]  # Off by default: what is shown is an example.
    assert tree["access"].pop("stranger") == texts.STRANGER
    default = Settings.model_validate({name: _needed(tree[name]) for name in tree})
    assert Settings.model_validate(tree) == default
    for key in ("connect_timeout", "first_byte_timeout", "idle_timeout"):
        assert main[key] == ProviderSection.model_fields[key].default


def _needed(section: dict[str, object]) -> dict[str, object]:
    """The one key that has no default, where the section has it."""
    return {key: value for key, value in section.items() if key == "token"}
