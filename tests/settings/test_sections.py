"""What the settings say of themselves: notes, warnings, secrets."""

import tomllib

from bot.settings.sections import Settings

TELEGRAM = '[telegram]\ntoken = "123:secret"\n'
MINIMAL = TELEGRAM + '[providers.main]\nkind = "demo"\n'


def parsed(text: str) -> Settings:
    return Settings.model_validate(tomllib.loads(text))


def test_what_has_no_effect_is_said() -> None:
    settings = parsed(
        TELEGRAM + 'webhook_secret = "s"\n'
        '[providers.a]\nkind = "demo"\nmax_tokens = 5\napi_keys = ["k-1", "k-2"]\nrate = 3\n'
        '[providers.b]\nkind = "aichat"\nbase_url = "http://localhost:1"\nrate = 3\n'
        '[chat]\nproviders = ["a"]\n'
    )
    keys = [note.partition(":")[0] for note in settings.notes()]
    assert keys == [
        "telegram.webhook_secret",
        "providers.b",
        "providers.a.api_keys",
        "providers.a.max_tokens",
        "providers.b.rate",
    ]


def test_an_open_bot_is_warned_of() -> None:
    (warning,) = parsed(MINIMAL + "[access]\nopen = true").warnings()
    assert warning.startswith("access.open: anyone")


def test_a_bot_that_nobody_may_talk_to_is_warned_of() -> None:
    (warning,) = parsed(MINIMAL).warnings()
    assert "nobody may talk" in warning
    assert parsed(MINIMAL + "[access]\nusers = [1]").warnings() == ()


def test_every_one_is_known_for_redaction() -> None:
    settings = parsed(
        '[telegram]\ntoken = "1:telegram"\n[discord]\ntoken = "discord"\n'
        '[providers.a]\nkind = "openai"\nbase_url = "http://me:base-pw@h/v1"\n'
        'api_keys = ["key-1", "key-2"]\nproxy = "http://u:proxy-pw@h"\n'
    )
    assert settings.secrets() == {
        "1:telegram", "discord", "key-1", "key-2", "base-pw", "proxy-pw", "http://u:proxy-pw@h",
    }  # fmt: skip


def test_none_is_shown_by_repr() -> None:
    settings = parsed(
        '[telegram]\ntoken = "1:hush"\n[providers.a]\nkind = "openai"\nmodel = "m"\n'
        'api_key = "hush"\nproxy = "http://u:hush@h"\n'
    )
    assert "hush" not in repr(settings)
