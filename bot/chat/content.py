"""Pure: what a message is made of, how that is stored, and how a model that only reads is told it.

A message is a sequence of parts in the order in which they stand in it. What it means to a model
is put together when the model is asked, so each part keeps what its platform said of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

from providers.redact import one_line


@dataclass(frozen=True, slots=True)
class Text:
    """Running text."""

    text: str
    origin: str | None = None
    """Whose words they are if they were forwarded; empty: not known; None: the sender's own."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody named in the middle of running text."""

    id: str
    """Of the person or role, on its platform."""
    name: str
    """As the app shows it, with the "@"."""


@dataclass(frozen=True, slots=True)
class Media:
    """What came beside the text."""

    kind: str
    """photo, document, voice, picture, …: as a reader would call it, with "_" for a space."""
    ref: str = ""
    """How its platform finds it again; empty: it can't be fetched."""
    name: str = ""
    """Of the file, as the sender's app gave it."""
    size: int | None = None
    """Bytes, as the platform said before anything was fetched."""
    mime: str = ""
    """Media type, as the platform said."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of another message that this one refers to."""

    text: str
    origin: str | None = None
    """As `Text.origin`."""


Part: TypeAlias = Text | Mention | Media | Quote
Content: TypeAlias = tuple[Part, ...]
"""Empty: nothing is left of the message, because it was taken back."""

_KINDS: Final[dict[str, type[Part]]] = {
    "text": Text,
    "mention": Mention,
    "media": Media,
    "quote": Quote,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def dump(content: Content) -> str:
    """`content` as it is stored: a JSON array of [kind, {field: value}], defaults left out."""
    rows = [(_NAMES[type(part)], _said(part)) for part in content]
    # Half a surrogate pair can't be stored.
    return json.dumps(rows, ensure_ascii=False).encode(errors="replace").decode()


def load(stored: str) -> Content:
    """What `dump` made. A kind of part that only a newer release knows is a Media of that kind."""
    return tuple(_part(kind, said) for kind, said in json.loads(stored))


def words(content: Content) -> str:
    """The running text alone, stripped."""
    return "".join(map(_running, content)).strip()


def in_words(content: Content, speaker: str = "") -> str:
    """All of `content` as text; what can't be put into words is named.

    `speaker` is who says it, if a chat has several. Names can't begin a line of their own.
    """
    text = words(content)
    for kind in dict.fromkeys(part.kind for part in content if isinstance(part, Media)):
        came = kind.replace("_", " ")
        article = "An" if came[:1] in "aeiou" else "A"
        text = f"{text}\n\n[{article} {came} came with this, which you can't see.]".lstrip()
    if text:
        text = _attributed(text, _origin(content))
        text = f"{one_line(speaker)}: {text}" if speaker else text
    for quote in reversed([part for part in content if isinstance(part, Quote)]):
        lines = _attributed(quote.text, quote.origin).splitlines()
        text = "\n".join(f"> {line}" for line in lines) + f"\n\n{text}"
    return text


def _attributed(text: str, origin: str | None) -> str:
    """`text` below a line that says it is forwarded, and from whom if that is known."""
    if origin is None:
        return text
    source = f" from {one_line(origin)}" if one_line(origin) else ""
    return f"[Forwarded{source}]\n{text}"


def _origin(content: Content) -> str | None:
    origins = (part.origin for part in content if isinstance(part, Text))
    return next((origin for origin in origins if origin is not None), None)


def _running(part: Part) -> str:
    match part:
        case Text(text):
            return text
        case Mention(name=name):
            return name
        case _:
            return ""


def _said(part: Part) -> dict[str, Any]:
    said = {field.name: getattr(part, field.name) for field in fields(part)}
    given = {field.name for field in fields(part) if said[field.name] != field.default}
    return {name: _storable(value) for name, value in said.items() if name in given}


def _storable(value: object) -> object:
    """PostgreSQL can't hold NUL."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _part(kind: str, said: dict[str, Any]) -> Part:
    made = _KINDS.get(kind)
    if made is None:
        return Media(kind)
    known = {field.name for field in fields(made)}
    return made(**{name: value for name, value in said.items() if name in known})
