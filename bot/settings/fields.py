"""What a setting may hold: the types that the fields of `sections` are made of.

A check raises ValueError with a predicate about the value ("is not a URL …"), or `sentence(…)`
where the value is not to be told; `problems` puts the key before it.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from bot.settings.url_parts import DATABASE_MEND, MEND, is_ambiguous
from providers import registry

PLATFORMS: Final = ("telegram", "discord")
LEVELS: Final = ("debug", "info", "warning", "error")
HEALTH_PATH, READY_PATH, METRICS_PATH = OWN_PATHS = ("/healthz", "/readyz", "/metrics")
"""Of the bot's own server."""

_PATH: Final = re.compile(r"[A-Za-z0-9/_.~-]*")
_WEBHOOK_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?`, or nothing where no known name is near."""
    near = get_close_matches(typed.lower(), known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def sentence(message: str) -> PydanticCustomError:
    """A problem that is told without the value."""
    return PydanticCustomError("sentence", "{message}", {"message": message})


def _one_of(known: Iterable[str], value: str) -> str:
    if value.lower() not in known:
        hint = did_you_mean(value, known)
        raise ValueError(f"is not one of {', '.join(known)}{hint}")
    return value.lower()


def _url(value: str, *schemes: str) -> str:
    if not value.lower().startswith(tuple(f"{scheme}://" for scheme in schemes)):
        starts = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"is not a URL that starts with {starts}")
    if is_ambiguous(value):
        raise sentence(MEND)
    try:
        parts = urlsplit(value)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ValueError("is a URL without a valid host and port")
    return value.rstrip("/")


def _key(secret: SecretStr) -> SecretStr:
    """Tokens and keys are sent in URLs and headers, which take no other characters."""
    text = secret.get_secret_value()
    if not text:
        raise ValueError("is empty")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds characters that no key has; was it copied whole?")
    return secret


def _proxy(secret: SecretStr) -> SecretStr:
    return SecretStr(_url(secret.get_secret_value(), "http", "https"))


def is_loopback(url: str) -> bool:
    """Whether `url` leads to this machine alone."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _webhook_url(value: str) -> str:
    """Telegram takes what it can reach safely; a Bot API server of one's own, this machine too."""
    url = _url(value, "http", "https")
    if not url.lower().startswith("https://") and not is_loopback(url):
        raise ValueError("is not a URL that starts with https://")
    path = urlsplit(url).path
    if not _PATH.fullmatch(path):
        raise ValueError("has a path with other characters than letters, digits and / _ . ~ -")
    if path in OWN_PATHS:
        raise ValueError(f"has a path that is the bot's own; give another one than {path}")
    return url


def _webhook_secret(secret: SecretStr) -> SecretStr:
    """Source: https://core.telegram.org/bots/api#setwebhook."""
    if not _WEBHOOK_SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError("is not of 1 to 256 characters of A-Z, a-z, 0-9, _ and -")
    return secret


def _database(url: str) -> str:
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(url)
    path = url.removeprefix("sqlite:///")
    if path in {url, "", ":memory:"} or path.endswith("/"):
        # It may hold a password, in whatever form: it is never quoted.
        raise sentence(
            "the value is not of the form sqlite:///FILE or postgresql://USER@HOST/NAME, "
            "such as sqlite:///data/parlance.db"
        )
    return url


def _postgresql(url: str) -> str:
    """Raises PydanticCustomError, whose message never quotes `url`."""
    _, colon, rest = url.partition("://")
    if is_ambiguous(f"postgresql://{rest}"):
        raise sentence(DATABASE_MEND)
    try:
        parts = urlsplit(f"postgresql://{rest}")
        named = bool(colon) and parts.path.strip("/") and parts.port != 0
    except ValueError:
        named = False
    if not named:
        # It may hold a password.
        raise sentence("is not of the form postgresql://USER:PASSWORD@HOST:PORT/NAME")
    return f"postgresql://{rest}"


def _days(value: int) -> int:
    if value == 1:
        raise ValueError(
            "is too few: platforms deliver messages again; give 2 or more, or 0 for no limit"
        )
    return value


def _kind(value: str) -> str:
    try:
        registry.provider_class(value)
    except registry.BrokenPluginError as error:
        raise sentence(str(error)) from None
    except registry.UnknownKindError:
        known = registry.kinds()
        hint = did_you_mean(value, known) or f"; there are {', '.join(known)}"
        raise ValueError(f"is no kind of provider{hint}") from None
    return value


def _section_name(value: str, info: ValidationInfo) -> str:
    """Validated in the context of the names of the [providers.…] sections, where it is given."""
    if info.context is not None and value not in info.context:
        hint = did_you_mean(value, info.context)
        raise ValueError(f"is not one of the [providers.…] sections{hint}")
    return value


def _person(value: object) -> object:
    """123 and "123" are a person on any platform, "telegram:123" on that one."""
    entry = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(entry, str):
        return entry
    platform, colon, user_id = entry.strip().rpartition(":")
    if colon and platform not in PLATFORMS:
        raise ValueError(f"names no platform{did_you_mean(platform, PLATFORMS)}")
    if not (user_id.isascii() and user_id.isdigit()):
        raise ValueError('is no user id; an id is a number, as in 123 or "telegram:123"')
    return f"{platform}{colon}{user_id}"


def _channel(value: object) -> object:
    """A Discord channel's id, or its name with or without the #."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and not value.strip("# "):
        raise ValueError('is no channel; give its id or its name, as in 123 or "help"')
    return value.strip().removeprefix("#") if isinstance(value, str) else value


HttpUrl = Annotated[str, AfterValidator(lambda v: _url(v, "http", "https"))]
WebSocketUrl = Annotated[str, AfterValidator(lambda v: _url(v, "ws", "wss"))]
Stripped = BeforeValidator(lambda v: v.strip() if isinstance(v, str) else v)
Secret = Annotated[SecretStr, Stripped, AfterValidator(_key)]
WebhookUrl = Annotated[str, AfterValidator(_webhook_url)]
WebhookSecret = Annotated[SecretStr, Stripped, AfterValidator(_webhook_secret)]
Proxy = Annotated[SecretStr, Stripped, AfterValidator(_proxy)]
Kind = Annotated[str, AfterValidator(_kind)]
SectionName = Annotated[str, AfterValidator(_section_name)]
Channel = Annotated[str, BeforeValidator(_channel)]
Person = Annotated[str, BeforeValidator(_person)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
Level = Annotated[str, AfterValidator(lambda v: _one_of(LEVELS, v))]
Days = Annotated[int, Field(ge=0), AfterValidator(_days)]
Seconds = Annotated[float, Field(gt=0)]
