"""The settings as frozen, typed values: every key, its meaning and its default.

`load` makes them from config.toml and the environment; the demo and tests make them
directly.
"""

import hmac
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bot.settings.fields import (
    PLATFORMS,
    Channel,
    DatabaseUrl,
    Days,
    HttpUrl,
    Kind,
    Level,
    Person,
    Proxy,
    Seconds,
    Secret,
    SectionName,
    WebhookSecret,
    WebhookUrl,
    WebSocketUrl,
    is_loopback,
    sentence,
)
from providers import registry
from providers.base import ProviderSettings, Timeouts
from providers.redact import redact
from providers.secret_forms import is_maskable, url_secrets

_TIMEOUTS: Final = Timeouts()
_TELEGRAM: Final = "api.telegram.org"
_WEBHOOK_PORTS: Final = (443, 80, 88, 8443)


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        """As pydantic's own, without what a URL must not show."""
        for name, value in super().__repr_args__():
            yield name, redact(value) if isinstance(value, str) and "://" in value else value


class TelegramSettings(Section):
    token: Secret
    api_url: HttpUrl = "https://api.telegram.org"
    """The root of the Bot API, without /bot and the token."""
    webhook_url: WebhookUrl | None = None
    """Where Telegram posts updates to, as it sees it; the path is the one that the bot's server
    listens on. None: updates are polled."""
    webhook_secret: WebhookSecret | None = None
    """Sent along with every update; None: made from the token, the same in every replica."""

    @field_validator("webhook_url")
    @classmethod
    def _telegram_reaches_few_ports(cls, url: str | None, info: ValidationInfo) -> str | None:
        """Source: https://core.telegram.org/bots/api#setwebhook."""
        public = urlsplit(info.data.get("api_url", "")).hostname == _TELEGRAM
        if url is None or not public:
            return url
        if is_loopback(url):
            raise ValueError("is on this machine, where Telegram can't reach it")
        if (urlsplit(url).port or 443) not in _WEBHOOK_PORTS:
            ports = ", ".join(map(str, _WEBHOOK_PORTS))
            raise ValueError(f"names a port that Telegram does not reach; it takes {ports}")
        return url

    def secret_token(self) -> str:
        """What proves that an update comes from Telegram."""
        if self.webhook_secret:
            return self.webhook_secret.get_secret_value()
        token = self.token.get_secret_value()
        return hmac.new(token.encode(), b"parlance: telegram webhook", "sha256").hexdigest()


class DiscordSettings(Section):
    token: Secret
    api_url: HttpUrl = "https://discord.com/api/v10"
    gateway_url: WebSocketUrl = "wss://gateway.discord.gg"
    channels: tuple[Channel, ...] = ()
    """Where everything is answered, without a mention; forums and threads below one included."""
    auto_thread: bool = False
    """Whether a question in a channel gets a thread of its own."""
    fresh_final: bool = False
    """Whether a finished answer is posted anew, so that the channel turns unread."""
    message_content: bool | Literal["auto"] = "auto"
    """Whether to ask for the privileged intent; auto: where the application has it."""
    shards: Annotated[int, Field(ge=0)] = 0
    """How many connections to the gateway, over all replicas; 0: as many as Discord advises."""


class ProviderSection(Section):
    """A [providers.NAME] section. None: the kind's own default, or the server's."""

    kind: Kind
    base_url: Annotated[HttpUrl | None, Field(validate_default=True)] = None
    api_keys: tuple[Secret, ...] = ()
    """They take turns; one that is refused rests."""
    api_key: Annotated[Secret | None, Field(validate_default=True)] = None
    model: Annotated[str | None, Field(validate_default=True)] = None
    temperature: Annotated[float | None, Field(ge=0)] = None
    max_tokens: Annotated[int | None, Field(gt=0)] = None
    proxy: Proxy | None = None
    user_agent: str | None = None
    rate: Annotated[float | None, Field(ge=0)] = None
    """Of kind demo: words a second; 0: without a pause."""
    connect_timeout: Seconds = _TIMEOUTS.connect
    first_byte_timeout: Seconds = _TIMEOUTS.first_byte
    idle_timeout: Seconds = _TIMEOUTS.idle

    @field_validator("base_url")
    @classmethod
    def _public_site_is_gone(cls, url: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if kind and url is None and not registry.capabilities(kind).working:
            raise sentence(
                f'missing; the public site of kind "{kind}" is gone: '
                "give the URL of a compatible server"
            )
        return url

    @field_validator("api_key")
    @classmethod
    def _public_server_wants_a_key(
        cls, key: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        keys = info.data.get("api_keys", ())
        if key and keys:
            raise sentence("give either api_key or api_keys, not both")
        if key is None and not keys and (host := _public_host(info)):
            raise sentence(f"missing; {host} answers nobody without a key")
        return key

    @field_validator("model")
    @classmethod
    def _public_server_wants_a_model(cls, model: str | None, info: ValidationInfo) -> str | None:
        if model is None and (host := _public_host(info)):
            raise sentence(f"missing; {host} has no default model")
        kind = info.data.get("kind")
        if model is None and kind and registry.capabilities(kind).needs_model:
            raise sentence(f'missing; kind "{kind}" has no default model')
        return model

    def notes(self) -> Iterator[str]:
        """Keys that are set and have no effect, as the last part of a key and why."""
        capabilities = registry.capabilities(self.kind)
        untaken = {"temperature", "max_tokens"} - {option.name for option in capabilities.options}
        if not capabilities.needs_auth and not capabilities.optional_key:
            untaken |= {"api_key", "api_keys"}
        for key in sorted(untaken & self.model_fields_set):
            yield f'{key}: kind "{self.kind}" takes none; it is not sent'
        if self.rate is not None and self.kind != "demo":
            yield f'rate: kind "{self.kind}" writes as fast as its server does; it is not sent'

    def variants(self) -> tuple[ProviderSettings, ...]:
        """What `providers.registry.create` takes, once for each key, in their order."""
        keys = self.api_keys or (self.api_key,)
        return tuple(self._with_key(key) for key in keys)

    def _with_key(self, key: SecretStr | None) -> ProviderSettings:
        return ProviderSettings(
            kind=self.kind,
            base_url=self.base_url,
            api_key=key.get_secret_value() if key else None,
            model=self.model,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            proxy=self.proxy.get_secret_value() if self.proxy else None,
            user_agent=self.user_agent,
            rate=self.rate,
            timeouts=Timeouts(self.connect_timeout, self.first_byte_timeout, self.idle_timeout),
        )


class ChatSettings(Section):
    providers: tuple[SectionName, ...] = ()
    """Names of [providers.…] sections in the order of fallback; empty: all, as they stand."""
    system_prompt: str = ""
    """Sent to the model before every conversation; empty: nothing is sent."""
    history_tokens: Annotated[int, Field(gt=0)] = 8000
    """The most tokens of earlier messages that are sent with a question."""
    resume: bool = False
    """Whether an answer that broke off is gone on with: by another provider, or after a restart."""
    resume_within: Seconds = 600.0
    """How old a question may be that is still answered after a restart."""


class StorageSettings(Section):
    url: DatabaseUrl = "sqlite:///data/parlance.db"
    """sqlite:///FILE, from where the bot is started, or postgresql://… for many replicas."""
    keep_days: Days = 0
    """After how many days a question and its answer are deleted; 0: never."""
    keep_turns: Annotated[int, Field(ge=0)] = 0
    """How many of the newest questions of a chat are kept, with their answers; 0: all. None is
    deleted within two days."""


class AccessSettings(Section):
    open: bool = False
    """Whether anyone may talk, and so spend the owner's key."""
    admins: tuple[Person, ...] = ()
    users: tuple[Person, ...] = ()
    stranger: str | None = None
    """What somebody who may not talk is told; `{id}` is replaced by their id."""


class LimitsSettings(Section):
    """No keys yet."""


class ServerSettings(Section):
    """Health, metrics, webhooks."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0: off."""
    grace: Annotated[float, Field(ge=0)] = 20.0
    """Seconds that answers under way are given to end when the bot is told to stop."""


class LogSettings(Section):
    as_json: bool = Field(default=False, alias="json")
    content: bool = False
    """Whether what people and models write may stand in the log."""
    level: Level = "info"


class Settings(Section):
    """All of config.toml."""

    telegram: TelegramSettings | None = None
    discord: DiscordSettings | None = None
    providers: Mapping[str, ProviderSection] = {}
    chat: ChatSettings = ChatSettings()
    storage: StorageSettings = StorageSettings()
    access: AccessSettings = AccessSettings()
    limits: LimitsSettings = LimitsSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _webhook_needs_a_port(self) -> "Settings":
        if self.telegram and self.telegram.webhook_url and not self.server.port:
            raise sentence(
                "server.port: missing; telegram.webhook_url needs a port on which the bot listens "
                "for what is posted there"
            )
        return self

    def platforms(self) -> tuple[str, ...]:
        """The names of those that are configured."""
        return tuple(name for name in PLATFORMS if getattr(self, name) is not None)

    def fallback(self) -> Mapping[str, ProviderSection]:
        """The providers that answer, in the order in which they are tried."""
        return {name: self.providers[name] for name in self.chat.providers or self.providers}

    def secrets(self) -> frozenset[str]:
        """Every value that must not be seen, for the log to leave out."""
        found = set(_secrets(self))
        if self.telegram and self.telegram.webhook_url:
            found.add(self.telegram.secret_token())
        return frozenset(found)

    def notes(self) -> tuple[str, ...]:
        """What is set and has no effect in this release; one line each."""
        notes = []
        if self.telegram and self.telegram.webhook_secret and not self.telegram.webhook_url:
            notes.append("telegram.webhook_secret: used with telegram.webhook_url alone")
        asked = self.fallback()
        notes += [
            f"providers.{name}: chat.providers does not name it; it is never asked"
            for name in self.providers
            if name not in asked
        ]
        for name, section in self.providers.items():
            notes += [f"providers.{name}.{note}" for note in section.notes()]
        return tuple(notes)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed and probably not meant; one line each."""
        return (*self._warnings_of_access(), *self._warnings_of_passwords())

    def _warnings_of_access(self) -> Iterator[str]:
        if self.access.open:
            yield "access.open: anyone who finds the bot may talk to it, on your key"
        elif not (self.access.admins or self.access.users):
            mend = "write to it, and it tells you the id to put into access.admins"
            yield f"access: nobody may talk to the bot yet; {mend}"

    def _warnings_of_passwords(self) -> Iterator[str]:
        urls = {"storage.url": self.storage.url}
        for name, section in self.providers.items():
            urls[f"providers.{name}.base_url"] = section.base_url or ""
            urls[f"providers.{name}.proxy"] = (
                section.proxy.get_secret_value() if section.proxy else ""
            )
        for key, url in urls.items():
            password = urlsplit(url).password
            if password and not is_maskable(password):
                yield (
                    f"{key}: its password is so short or common that the log can't leave it out "
                    "wherever it stands; give it a longer one"
                )


def _public_host(info: ValidationInfo) -> str | None:
    """The host of the kind's public server, where a provider asks that one and it wants a key."""
    if not {"kind", "base_url"} <= info.data.keys():
        return None  # unknown: one of them is a problem already
    capabilities = registry.capabilities(info.data["kind"])
    host = urlsplit(capabilities.url).hostname
    asked = urlsplit(info.data["base_url"] or capabilities.url).hostname
    return host if capabilities.needs_auth and asked == host else None


def _secrets(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
            yield from url_secrets(value.get_secret_value())
        case BaseModel():
            for name, inner in value:
                yield from _secrets(inner)
                if name.endswith("url"):
                    yield from url_secrets(inner)
        case Mapping():
            for inner in value.values():
                yield from _secrets(inner)
        case tuple():
            for inner in value:
                yield from _secrets(inner)
