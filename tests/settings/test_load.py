"""What config.toml and the environment become, and every problem in the words it is told in."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.settings.load import ConfigError, load
from bot.settings.sections import Settings
from providers import registry
from providers.base import ProviderSettings, Timeouts

TELEGRAM = '[telegram]\ntoken = "123:secret"\n'
PROVIDER = '[providers.main]\nkind = "demo"\n'
MINIMAL = TELEGRAM + PROVIDER

Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def read(text: str = MINIMAL, **environ: str) -> Settings:
        file = tmp_path / "config.toml"
        file.write_text(text, "utf-8")
        return load(file, environ)

    return read


@pytest.fixture
def problems(loaded: Load) -> Callable[..., list[str]]:
    def read(text: str = MINIMAL, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loaded(text, **environ)
        return caught.value.problems

    return read


Problems = Callable[..., list[str]]


class TestValues:
    def test_the_least_there_must_be(self, loaded: Load) -> None:
        settings = loaded()
        assert settings.chat.history_tokens == 8000
        assert settings.storage.url == "sqlite:///data/parlance.db"
        assert settings.access.open is False
        assert list(settings.fallback()) == ["main"]

    def test_settings_are_frozen(self, loaded: Load) -> None:
        settings = loaded()
        with pytest.raises(ValidationError):
            settings.chat.history_tokens = 1  # type: ignore[misc]

    def test_a_provider_section_becomes_what_the_registry_takes(self, loaded: Load) -> None:
        settings = loaded(
            TELEGRAM + '[providers.main]\nkind = "openai"\nbase_url = "http://localhost:1/v1/"\n'
            'api_key = "sk-1"\nmodel = "m"\ntemperature = 0.5\nmax_tokens = 9\nidle_timeout = 3\n'
            'proxy = "http://u:p@proxy:8080"\nuser_agent = "me"\n'
        )
        assert settings.providers["main"].variants() == (
            ProviderSettings(
                kind="openai",
                base_url="http://localhost:1/v1",
                api_key="sk-1",
                model="m",
                temperature=0.5,
                max_tokens=9,
                proxy="http://u:p@proxy:8080",
                user_agent="me",
                timeouts=Timeouts(idle=3),
            ),
        )

    def test_several_keys_give_a_variant_each(self, loaded: Load) -> None:
        settings = loaded(
            TELEGRAM + '[providers.main]\nkind = "openai"\nmodel = "m"\napi_keys = ["k-1", "k-2"]\n'
        )
        keys = [variant.api_key for variant in settings.providers["main"].variants()]
        assert keys == ["k-1", "k-2"]

    def test_the_sections_stand_in_the_order_of_fallback(self, loaded: Load) -> None:
        text = TELEGRAM + '[providers.b]\nkind = "demo"\n[providers.a]\nkind = "demo"\n'
        assert list(loaded(text).fallback()) == ["b", "a"]
        chosen = loaded(text + '[chat]\nproviders = ["a", "b"]')
        assert list(chosen.fallback()) == ["a", "b"]

    @pytest.mark.parametrize("kind", registry.kinds())
    def test_every_kind_there_is_can_be_set_up(self, loaded: Load, kind: str) -> None:
        settings = loaded(
            TELEGRAM + f'[providers.x]\nkind = "{kind}"\nbase_url = "http://localhost:1"\n'
            'model = "m"\n'
        )
        assert registry.create(settings.providers["x"].variants()[0]).settings.kind == kind

    @pytest.mark.parametrize(
        "text",
        [PROVIDER, '[telegram]\ntoken = "env:NOT_SET"\n' + PROVIDER, 'discord = "x"\n' + PROVIDER],
    )
    def test_without_platforms_nothing_of_them_is_asked_for(
        self, tmp_path: Path, text: str
    ) -> None:
        file = tmp_path / "config.toml"
        file.write_text(text, "utf-8")
        read = load(file, {"PARLANCE__TELEGRAM__TOKEN": ""}, platforms=False)
        assert list(read.providers) == ["main"]
        assert (read.telegram, read.discord) == (None, None)

    def test_without_platforms_the_rest_is_checked_as_ever(self, tmp_path: Path) -> None:
        file = tmp_path / "config.toml"
        file.write_text("[chat]\nhistory_tokens = 0\n", "utf-8")
        with pytest.raises(ConfigError) as caught:
            load(file, {}, platforms=False)
        keys = [problem.partition(":")[0] for problem in caught.value.problems]
        assert keys == ["providers", "chat.history_tokens"]

    def test_a_byte_order_mark_is_no_part_of_the_text(self, tmp_path: Path) -> None:
        file = tmp_path / "config.toml"
        file.write_text(MINIMAL, "utf-8-sig")
        assert load(file, {}).telegram is not None


class TestEnvironment:
    def test_it_wins_over_the_file(self, loaded: Load) -> None:
        settings = loaded(
            MINIMAL + "[chat]\nhistory_tokens = 5\n",
            PARLANCE__CHAT__HISTORY_TOKENS="6",
            PARLANCE__ACCESS__OPEN="true",
            PARLANCE__LOG__JSON="1",
        )
        assert settings.chat.history_tokens == 6
        assert settings.access.open is True
        assert settings.log.as_json is True

    def test_it_sets_a_key_of_one_provider(self, loaded: Load) -> None:
        text = MINIMAL.replace("main", "My-Model")
        settings = loaded(text, PARLANCE__PROVIDERS__MY_MODEL__MODEL="m")
        assert {name: at.model for name, at in settings.providers.items()} == {"My-Model": "m"}

    @pytest.mark.parametrize("written", ["123, telegram:456", '[123, "telegram:456"]'])
    def test_a_list_is_json_or_comma_separated(self, loaded: Load, written: str) -> None:
        settings = loaded(PARLANCE__ACCESS__ADMINS=written)
        assert settings.access.admins == ("123", "telegram:456")

    def test_an_empty_variable_is_an_empty_list(self, loaded: Load) -> None:
        settings = loaded(MINIMAL + "[access]\nusers = [1]", PARLANCE__ACCESS__USERS="")
        assert settings.access.users == ()

    def test_references_in_a_list_are_followed(self, loaded: Load) -> None:
        settings = loaded(
            TELEGRAM + '[providers.main]\nkind = "openai"\nmodel = "m"',
            PARLANCE__PROVIDERS__MAIN__API_KEYS="env:A,env:B",
            A="key-a",
            B="key-b",
        )
        assert settings.secrets() >= {"key-a", "key-b"}

    def test_it_is_enough_where_there_is_no_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        environ = {"PARLANCE__TELEGRAM__TOKEN": "1:x", "PARLANCE__PROVIDERS__MAIN__KIND": "demo"}
        assert list(load(None, environ).providers) == ["main"]

    @pytest.mark.parametrize(
        "name", ["PARLANCE__CHAT", "PARLANCE__PROVIDERS__MODEL", "PARLANCE__A__B__C", "PARLANCE__"]
    )
    def test_a_name_of_another_form_is_a_problem(self, problems: Problems, name: str) -> None:
        assert problems(**{name: "x"}) == [
            (
                f"{name}: unknown variable; the form is "
                "PARLANCE__SECTION__KEY or PARLANCE__PROVIDERS__NAME__KEY"
            )
        ]

    def test_unknown_names_are_problems_as_in_the_file(self, problems: Problems) -> None:
        assert problems(PARLANCE__TELEGRAM__TOKN="x", PARLANCE__CHATT__PROVIDERS="x") == [
            "telegram.tokn: unknown key; did you mean telegram.token?",
            "chatt: unknown section; did you mean chat?",
        ]


class TestReferences:
    def test_a_file_is_read_without_the_space_around_its_text(
        self, loaded: Load, tmp_path: Path
    ) -> None:
        (tmp_path / "token").write_text(" 1:abc\n", "utf-8")
        settings = loaded(f'[telegram]\ntoken = "file:{tmp_path}/token"\n' + PROVIDER)
        assert settings.secrets() == {"1:abc"}

    def test_any_text_may_be_one(self, loaded: Load) -> None:
        text = MINIMAL + '[chat]\nsystem_prompt = "env:PROMPT"\n'
        assert loaded(text, PROMPT="Be kind.").chat.system_prompt == "Be kind."

    def test_one_that_leads_nowhere_is_a_problem(self, problems: Problems, tmp_path: Path) -> None:
        text = (
            '[telegram]\ntoken = "env:TELEGRAM_TOKEN"\napi_url = "env:EMPTY"\n'
            '[chat]\nhistory_tokens = "env:UNSET"\n'
            f'[providers.main]\nkind = "demo"\nproxy = "file:{tmp_path}/none"\n'
        )
        assert problems(text, EMPTY="") == [
            "telegram.token: the environment variable TELEGRAM_TOKEN is not set",
            "telegram.api_url: the environment variable EMPTY is empty",
            "chat.history_tokens: the environment variable UNSET is not set",
            (
                f"providers.main.proxy: the file {tmp_path}/none can't be read: "
                "No such file or directory"
            ),
        ]

    def test_a_secret_taken_for_a_name_is_not_quoted(self, problems: Problems) -> None:
        assert problems('[telegram]\ntoken = "env:123:secret"\n' + PROVIDER) == [
            "telegram.token: what follows env: is not the name of an environment variable"
        ]

    def test_what_one_gave_is_not_quoted(self, problems: Problems) -> None:
        text = TELEGRAM + '[chat]\nhistory_tokens = "env:A"\n[providers.main]\nkind = "env:A"\n'
        found = problems(text, A="hush-hush")
        assert len(found) == 2
        assert "hush" not in "\n".join(found)


class TestProblems:
    def test_all_are_told_at_once(self, problems: Problems) -> None:
        text = """
            [telegram]
            tokn = "123:secret"
            token = "env:TELEGRAM_TOKEN"
            [providers.main]
            kind = "opena"
            base_url = "htp:/x"
            [providers.old]
            kind = "getgpt"
            temperature = "hot"
            [chat]
            providers = ["mian", "old"]
            history_tokens = "many"
        """
        assert set(problems(text)) == {
            "telegram.tokn: unknown key; did you mean telegram.token?",
            "telegram.token: the environment variable TELEGRAM_TOKEN is not set",
            'providers.main.kind: "opena" is no kind of provider; did you mean "openai"?',
            'providers.main.base_url: "htp:/x" is not a URL that starts with http:// or https://',
            (
                'providers.old.base_url: missing; the public site of kind "getgpt" is gone: '
                "give the URL of a compatible server"
            ),
            'providers.old.temperature: expected a number, got "hot"',
            'chat.providers: "mian" is not one of the [providers.…] sections; did you mean "main"?',
            'chat.history_tokens: expected a whole number, got "many"',
        }

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[telegrm]\nx = 1", "telegrm: unknown section; did you mean telegram?"),
            ("[chat]\nmodel = 'x'", "chat.model: unknown key; did you mean providers.NAME.model?"),
            ("[limits]\na = 1", "limits.a: unknown key; [limits] takes no keys yet"),
            ("[server]\nport = 70000", "server.port: expected at most 65535, got 70000"),
            ("[access]\nopen = 'si'", 'access.open: expected true or false, got "si"'),
            ("[access]\nusers = 5", "access.users: expected a list, got 5"),
            ("[access]\nusers = [true]", "access.users: expected a text, got true"),
            (
                "[access]\nusers = ['@anna']",
                ('access.users: "@anna" is no user id; an id is a number, '
                'as in 123 or "telegram:123"'),
            ),
            (
                "[access]\nadmins = [1, 'telegrm:2']",
                'access.admins: "telegrm:2" names no platform; did you mean "telegram"?',
            ),
            ("[log]\nlevel = 'inf'", ('log.level: "inf" is not one of debug, info, warning, error; '
             'did you mean "info"?')),
            ("[chat]\nhistory_tokens = 0", "chat.history_tokens: expected more than 0, got 0"),
            ("[chat]\nsystem_prompt = 5", "chat.system_prompt: expected a text, got 5"),
            (
                "[storage]\nurl = 'postgres://u:pw@h'",
                "storage.url: is not of the form postgresql://USER:PASSWORD@HOST:PORT/NAME",
            ),
            (
                "[storage]\nurl = 'data.db'",
                ("storage.url: the value is not of the form sqlite:///FILE or "
                "postgresql://USER@HOST/NAME, such as sqlite:///data/parlance.db"),
            ),
            (
                "[storage]\nurl = 'host=h user=u password=hush dbname=x'",
                ("storage.url: the value is not of the form sqlite:///FILE or "
                "postgresql://USER@HOST/NAME, such as sqlite:///data/parlance.db"),
            ),
            ("[discord]", "discord.token: missing; it has no default"),
            (
                "[discord]\ntoken = 'x'\ngateway_url = 'https://x'",
                'discord.gateway_url: "https://x" is not a URL that starts with ws:// or wss://',
            ),
        ],
    )  # fmt: skip
    def test_each_names_its_key_and_the_mend(
        self, problems: Problems, text: str, problem: str
    ) -> None:
        assert problems(f"{MINIMAL}\n{text}") == [problem]

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ('kind = "ollama"', ['model: missing; kind "ollama" has no default model']),
            (
                'kind = "gemini"\napi_key = "k"',
                ["model: missing; generativelanguage.googleapis.com has no default model"],
            ),
            (
                'kind = "openai"',
                ["api_key: missing; api.openai.com answers nobody without a key",
                 "model: missing; api.openai.com has no default model"],
            ),
            (
                'kind = "openai"\nmodel = "m"\napi_key = "a"\napi_keys = ["b"]',
                ["api_key: give either api_key or api_keys, not both"],
            ),
            ('kind = "demo"\nmodl = "m"', ["modl: unknown key; did you mean providers.x.model?"]),
            (
                'kind = "openai"\nbase_url = "http://localhost/v1"\napi_key = "sk-a b"',
                ["api_key: the value holds characters that no key has; was it copied whole?"],
            ),
            (
                'kind = "demo"\nproxy = "u:pw"',
                ["proxy: the value is not a URL that starts with http:// or https://"],
            ),
            (
                'kind = "openai"\nbase_url = "http://u:pw@h:99999/v1"',
                ["base_url: the value is a URL without a valid host and port"],
            ),
        ],
    )  # fmt: skip
    def test_a_provider_is_told_what_its_kind_needs(
        self, problems: Problems, lines: str, expected: list[str]
    ) -> None:
        found = problems(f"{TELEGRAM}[providers.x]\n{lines}")
        assert found == [f"providers.x.{problem}" for problem in expected]

    @pytest.mark.parametrize("kind", ["getgpt", "yqcloud", "aichat", "gptalk"])
    def test_a_kind_whose_site_is_gone_needs_a_base_url(
        self, problems: Problems, kind: str
    ) -> None:
        (problem,) = problems(f'{TELEGRAM}[providers.x]\nkind = "{kind}"')
        assert problem.startswith("providers.x.base_url: missing;")

    def test_a_server_of_ones_own_needs_no_key(self, loaded: Load) -> None:
        text = '[providers.x]\nkind = "openai"\nbase_url = "http://localhost:1/v1"'
        assert loaded(TELEGRAM + text).notes() == ()

    def test_a_platform_and_a_provider_there_must_be(self, problems: Problems) -> None:
        assert [line.partition(";")[0] for line in problems("")] == [
            "telegram: missing",
            "providers: missing",
        ]

    def test_a_value_where_a_section_belongs(self, problems: Problems) -> None:
        found = problems(
            'telegram = "x"\n[providers]\nkind = "openai"', PARLANCE__TELEGRAM__TOKEN="y"
        )
        assert found == [
            'telegram: expected a section, got "x"',
            'providers.kind: expected a section, got "openai"',
        ]

    def test_a_key_above_all_sections_is_led_to_its_own(self, problems: Problems) -> None:
        assert problems('token = "x"\n' + MINIMAL) == [
            "token: unknown key; did you mean telegram.token?"
        ]

    @pytest.mark.parametrize("value", ['"sk-hush hush"', '["sk-hush"]', '{ a = "sk-hush" }'])
    def test_a_secret_is_never_quoted(self, problems: Problems, value: str) -> None:
        text = f"[telegram]\ntoken = {value}\n[providers.x]\nkind = 'demo'\nproxy = {value}\n"
        found = problems(text)
        assert len(found) == 2
        assert "hush" not in "\n".join(found)

    def test_the_error_has_no_cause_that_quotes_values(self, loaded: Load) -> None:
        with pytest.raises(ConfigError) as caught:
            loaded(MINIMAL + "[chat]\nhistory_tokens = 'x'")
        assert caught.value.__context__ is None


class TestFile:
    def test_a_missing_one_is_named_with_the_mend(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none.toml: no such file; copy config.example"):
            load(tmp_path / "none.toml", {"PARLANCE__CHAT__HISTORY_TOKENS": "1"})

    def test_a_syntax_error_names_the_line(self, problems: Problems) -> None:
        (problem,) = problems("[telegram]\ntoken = \n")
        assert "config.toml: is not valid TOML:" in problem
        assert "line 2" in problem

    def test_one_that_is_no_text_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "config.toml"
        file.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="is not UTF-8 text"):
            load(file, {})

    def test_a_folder_can_not_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="can't be read"):
            load(tmp_path, {})


class TestWebhook:
    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("http://bot.example/hook", "is not a URL that starts with https://"),
            (
                "https://bot.example:8080/hook",
                "names a port that Telegram does not reach; it takes 443, 80, 88, 8443",
            ),
            (
                "http://127.0.0.1:8080/hook",
                "is on this machine, where Telegram can't reach it",
            ),
            (
                "https://bot.example/metrics",
                "has a path that is the bot's own; give another one than /metrics",
            ),
            (
                "https://bot.example/{x}",
                "has a path with other characters than letters, digits and / _ . ~ -",
            ),
        ],
    )
    def test_a_url_that_telegram_could_not_post_to(
        self, problems: Problems, url: str, problem: str
    ) -> None:
        environ = {"PARLANCE__TELEGRAM__WEBHOOK_URL": url, "PARLANCE__SERVER__PORT": "8080"}
        assert problems(**environ) == [f'telegram.webhook_url: "{url}" {problem}']

    def test_it_needs_a_port(self, problems: Problems) -> None:
        environ = {"PARLANCE__TELEGRAM__WEBHOOK_URL": "https://bot.example/hook"}
        assert problems(**environ) == [
            (
                "server.port: missing; telegram.webhook_url needs a port on which the bot listens "
                "for what is posted there"
            )
        ]

    @pytest.mark.parametrize("secret", ["hush hush", "hush.", "h" * 257])
    def test_a_secret_that_telegram_does_not_take(self, problems: Problems, secret: str) -> None:
        assert problems(PARLANCE__TELEGRAM__WEBHOOK_SECRET=secret) == [
            (
                "telegram.webhook_secret: the value is not of 1 to 256 characters of A-Z, a-z, "
                "0-9, _ and -"
            )
        ]

    def test_a_bot_api_server_of_ones_own_may_post_over_loopback(self, loaded: Load) -> None:
        settings = loaded(
            PARLANCE__TELEGRAM__WEBHOOK_URL="http://localhost:8080/hook/",
            PARLANCE__TELEGRAM__API_URL="http://localhost:8081",
            PARLANCE__SERVER__PORT="8080",
        )
        assert settings.telegram is not None
        assert settings.telegram.webhook_url == "http://localhost:8080/hook"

    def test_the_secret_comes_from_the_token_unless_one_is_given(self, loaded: Load) -> None:
        def secret(**more: str) -> str:
            telegram = loaded(**more).telegram
            assert telegram is not None
            return telegram.secret_token()

        assert secret() == secret(), "replicas must agree"
        assert re.fullmatch("[0-9a-f]{64}", secret())
        assert secret() != secret(PARLANCE__TELEGRAM__TOKEN="123:another")
        assert secret(PARLANCE__TELEGRAM__WEBHOOK_SECRET="my-own_1") == "my-own_1"

    def test_what_proves_an_update_is_known_for_redaction(self, loaded: Load) -> None:
        settings = loaded(
            PARLANCE__TELEGRAM__WEBHOOK_URL="https://me:hush-pw@bot.example/hook",
            PARLANCE__SERVER__PORT="8080",
        )
        assert settings.telegram is not None
        assert {"hush-pw", settings.telegram.secret_token()} <= settings.secrets()
