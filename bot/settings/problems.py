"""Pure: what is wrong with a configuration, in lines that name the key and the mend."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretStr

from bot.settings.sections import ProviderSection, Settings
from providers.secret_forms import url_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Key = tuple[str | int, ...]
"""The way to a value: ("providers", "main", "model"), ("access", "users", 0)."""

_LONGEST_QUOTE: Final = 60
_EXPECTED: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "string": "a text",
    "tuple": "a list",
    "model": "a section",
    "mapping": "sections of the form [providers.NAME]",
}
"""What should stand there, by the first word of pydantic's error type."""
_BOUNDS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def dotted(key: Key) -> str:
    """`chat.providers` for any item of that list, as for the list."""
    return ".".join(part for part in key if isinstance(part, str))


def is_list(key: Key) -> bool:
    field = _field(key)
    return field is not None and get_origin(field.annotation) is tuple


def describe(error: ErrorDetails, *, hidden: bool) -> str:
    """One line for an error that pydantic found in `Settings`.

    `hidden` values are not quoted; nor are those of secret keys. What is wrong between several keys
    names them by itself.
    """
    key = error["loc"]
    if not key:
        return error["msg"]
    hidden = hidden or _is_secret(key) or _may_hold_one(key, error["input"])
    if error["type"] == "extra_forbidden":
        return f"{dotted(key)}: {_unknown(key, error['input'])}"
    return f"{dotted(key)}: {_wrong(error, hidden=hidden)}"


def _wrong(error: ErrorDetails, *, hidden: bool) -> str:
    kind, context = error["type"], error.get("ctx", {})
    got = "" if hidden else f", got {_quote(error['input'])}"
    if kind == "missing":
        return "missing; it has no default"
    if kind == "sentence":
        return error["msg"]
    if kind == "value_error":
        return f"{'the value' if hidden else _quote(error['input'])} {context['error']}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"expected {words} {context[bound]:g}{got}"
    expected = _EXPECTED.get(kind.partition("_")[0])
    return f"expected {expected}{got}" if expected else error["msg"]


def _quote(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return "a list"
        case dict():
            return "a section"
        case str() if "://" in value and "@" in value:
            return "the value"  # a URL with a password
        case str():
            text = value if len(value) <= _LONGEST_QUOTE else f"{value[:_LONGEST_QUOTE]}…"
            return '"' + " ".join(text.split()) + '"'
        case _:
            return str(value)


def _unknown(key: Key, value: object) -> str:
    *path, name = (str(part) for part in key)
    what = "section" if not path and isinstance(value, dict) else "key"
    model = _model(tuple(path))
    here = tuple(_keys(model)) if model else ()
    near = get_close_matches(name.lower(), here, n=1)
    if near:
        return f"unknown {what}; did you mean {dotted((*path, *near))}?"
    elsewhere = [dotted(other) for other in _all_keys() if other[-1] == name.lower()]
    if elsewhere:
        return f"unknown {what}; did you mean {elsewhere[0]}?"
    takes = ", ".join(here) or "no keys yet"
    return f"unknown {what}; {f'[{dotted(tuple(path))}]' if path else 'config.toml'} takes {takes}"


def _is_secret(key: Key) -> bool:
    field = _field(key)
    return field is not None and _mentions(field.annotation, SecretStr)


def _may_hold_one(key: Key, value: object) -> bool:
    """Whether `value` is meant for a URL, and perhaps has a password or a key in it."""
    return _is_url(key) and isinstance(value, str) and not {"@", "?"}.isdisjoint(value)


def _is_url(key: Key) -> bool:
    return bool(key) and str(key[-1]).endswith("url")


def _mentions(annotation: Any, wanted: type) -> bool:  # noqa: ANN401 - annotations have no type
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))


def _field(key: Key) -> FieldInfo | None:
    names = [part for part in key if isinstance(part, str)]
    model = _model(tuple(names[:-1]))
    return _keys(model).get(names[-1]) if model and names else None


def _model(path: Key) -> type[BaseModel] | None:
    """The model of the section at `path`."""
    match path:
        case ():
            return Settings
        case ("providers", _):
            return ProviderSection
        case (str(name),) if field := Settings.model_fields.get(name):
            options = (field.annotation, *get_args(field.annotation))
            return next((option for option in options if _is_model(option)), None)
    return None


def _is_model(option: object) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _all_keys() -> Iterator[Key]:
    for section in Settings.model_fields:
        path = ("providers", "NAME") if section == "providers" else (section,)
        model = _model(path)
        if model:
            yield from ((*path, name) for name in _keys(model))


def secrets_of(value: object, key: Key = ()) -> Iterator[str]:
    """What must not be shown of settings that could not be read: where secrets belong, and URLs."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from secrets_of(inner, (*key, str(name)))
        case list():
            for inner in value:
                yield from secrets_of(inner, key)
        case str():
            if _is_secret(key):
                yield value
            if _is_secret(key) or _is_url(key):
                yield from url_secrets(value)
