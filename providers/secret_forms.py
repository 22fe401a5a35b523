"""Pure: the forms in which a secret may stand in a text, and where URLs hold one."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST: Final = 4
"""Characters of a secret that can be found in a text at all."""
_ANYWHERE: Final = 8
"""Characters from which on a secret is found within a word."""
_SHORTEST_BASE64: Final = 8
_WORDS: Final = frozenset(
    (
        "parlance", "postgres", "postgresql", "psycopg", "password", "storage", "database",
        "sqlite", "telegram", "discord", "provider", "providers", "server", "openai", "anthropic",
        "gemini", "ollama", "localhost", "token", "secret", "user", "admin", "root", "none",
        "null", "true", "false", "warning", "error", "info", "debug",
    )
)  # fmt: skip
"""What the log says by itself: masked, such a password would be told by the gaps."""
_NOT_SECRET: Final = frozenset(("api-version", "api_version", "version", "alt", "v"))
"""Names in the query of an HTTP URL whose values are no keys."""
_SECRET_OF_POSTGRESQL: Final = frozenset(("password", "sslpassword"))
_BOT_TOKEN: Final = re.compile(r"\d+:(?=.)")
_WORD_BEGINS: Final = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
_WORD_ENDS: Final = r"(?![A-Za-z0-9])"
_NEVER_ENCODED: Final = re.compile("[A-Za-z0-9]+")
_ENTITIES: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_LETTERS: Final = {"\n": "n", "\r": "r", "\t": "t", "\0": "0"}


def is_maskable(secret: str) -> bool:
    """Whether `secret` can be told from the words around it."""
    return len(secret) >= SHORTEST and secret.lower() not in _WORDS


class Form(NamedTuple):
    needle: str
    """It stands in every text in which `pattern` finds something, and is found much quicker."""
    pattern: re.Pattern[str]


def written(secrets: Iterable[str]) -> tuple[Form, ...]:
    """What finds every one of `secrets`, whole, in any form; the longest come first."""
    forms = sorted(set(_forms(secrets)), key=len, reverse=True)
    return tuple(
        Form(max(_NEVER_ENCODED.findall(needle), key=len, default=""), re.compile(pattern))
        for form in forms
        for needle, pattern in _written(form)
    )


def pieces(secrets: Iterable[str], size: int) -> frozenset[str]:
    """All runs of `size` characters of secrets that are long enough to be known by one."""
    found = {form for secret in _forms(secrets) if "://" not in secret for form in _plain(secret)}
    return frozenset(
        form[start : start + size]
        for form in found
        if len(form) >= size + SHORTEST
        for start in range(len(form) - size + 1)
    )


def _forms(secrets: Iterable[str]) -> Iterator[str]:
    for secret in secrets:
        yield from filter(is_maskable, {secret, unquote(secret)})
        # The number before the colon is the bot's id, which everybody may know.
        if len(part := _BOT_TOKEN.sub("", secret, count=1)) >= _ANYWHERE:
            yield part


def _plain(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe="", errors="replace"), *_base64(secret))
    for written in (repr, ascii, json.dumps, _json):
        yield from (written(secret)[1:-1], written(written(secret))[1:-1])


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _base64(secret: str) -> Iterator[str]:
    """What of `secret` stands in base64 whatever stands before and after it there."""
    data = secret.encode(errors="replace")
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).decode()
        begins, ends = (before * 8 + 5) // 6, (before + len(data)) * 8 // 6
        if ends - begins >= _SHORTEST_BASE64:
            yield coded[begins:ends]


def _written(secret: str) -> Iterator[tuple[str, str]]:
    """`secret` and the regular expression for it, each of its characters as itself or encoded."""
    plain = "".join(map(_character, secret))
    if len(secret) < _ANYWHERE:
        plain = f"{_WORD_BEGINS}{plain}{_WORD_ENDS}"
    yield secret, plain
    for coded in _base64(secret):
        yield coded, re.sub(r"[+/]", _either_alphabet, coded)


def _either_alphabet(found: re.Match[str]) -> str:
    return r"[+\-]" if found[0] == "+" else "[/_]"


def _character(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    escapes = [rf"\\{{0,4}}{re.escape(char)}", *_escaped(char)]
    if char.isspace():
        escapes += [r"\s+", r"\+"]
    if char in _ENTITIES:
        escapes += [rf"&(?:{_ENTITIES[char]}|#{ord(char)}|#x{ord(char):x});"]
    if char == "'":
        escapes += ["''", "'\"'\"'"]  # as SQL and the shell have it
    return f"(?:{'|'.join(escapes)})"


def _escaped(char: str) -> Iterator[str]:
    """Percent-encoded, any number of times over, and as Python and JSON write it in a string."""
    try:
        data = char.encode()
    except UnicodeEncodeError:
        return
    yield "".join(f"%(?:25)*{_hex(f'{byte:02x}')}" for byte in data)
    yield "".join(rf"\\{{1,2}}x{byte:02x}" for byte in data)
    if char in _LETTERS:
        yield rf"\\{{1,2}}{_LETTERS[char]}"
    units = char.encode("utf-16-be").hex()
    yield "".join(
        rf"\\{{1,2}}u{_hex(units[start : start + 4])}" for start in range(0, len(units), 4)
    )
    if ord(char) < 0x100:  # noqa: PLR2004 - Latin-1
        yield rf"\\{{1,2}}x{ord(char):02x}"


def _hex(digits: str) -> str:
    """In either case."""
    return re.sub("[a-f]", lambda found: f"[{found[0]}{found[0].upper()}]", digits)


def url_secrets(url: str | None) -> tuple[str, ...]:
    """Return what must not be shown of `url`: its password and query values.

    A user name without a password is taken for a token. It never raises: of a URL that can't be
    read, all up to the last @ is taken for a user and a password.
    """
    scheme, colon, rest = (url or "").partition("://")
    if not colon:
        return ()
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        found = [parts.password or parts.username, *_query_secrets(scheme, parts.query)]
        split = ":" in parts.netloc.rpartition("@")[2] and "@" in rest[len(parts.netloc) :]
    except ValueError:
        found, split = [], True
    if split:  # A / ? or # in a password ends what counts as host and port.
        found.append(rest.rpartition("@")[0].partition(":")[2])
    return tuple(value for value in found if value)


def _query_secrets(scheme: str, query: str) -> list[str]:
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    if scheme.startswith("postgres"):
        return [value for name, value in pairs if name.lower() in _SECRET_OF_POSTGRESQL]
    return [value for name, value in pairs if name.lower() not in _NOT_SECRET]
