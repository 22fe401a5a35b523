"""Reading the fields of a request's body; what is wrong is added to one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.snowflake import snowflake

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.discord.errors import FormErrors

Path = tuple[str | int, ...]


class Form:
    """The fields of one JSON object, at a path of the request; null is as good as absent."""

    def __init__(self, fields: Mapping[str, object], errors: FormErrors, path: Path = ()) -> None:
        self._fields = fields
        self._path = path
        self.errors = errors

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def get(self, name: str) -> object:
        return self._fields.get(name)

    def refuse(self, name: str, code: str, message: str) -> None:
        self.errors.add((*self._path, name), code, message)

    def text(
        self, name: str, *, least: int = 0, most: int | None = None, required: bool = False
    ) -> str | None:
        """A string of `least` to `most` characters (code points)."""
        value = self.get(name)
        if value is None:
            if required:
                self.refuse(name, "BASE_TYPE_REQUIRED", "This field is required")
            return None
        if not isinstance(value, str):
            self.refuse(name, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
            return None
        if most is not None and not least <= len(value) <= most:
            if least:
                message = f"Must be between {least} and {most} in length."
                self.refuse(name, "BASE_TYPE_BAD_LENGTH", message)
            else:
                message = f"Must be {most} or fewer in length."
                self.refuse(name, "BASE_TYPE_MAX_LENGTH", message)
        return value

    def integer(
        self, name: str, *, least: int | None = None, most: int | None = None
    ) -> int | None:
        value = self.get(name)
        if value is None:
            return None
        try:
            number = int(str(value))
        except ValueError:
            self.refuse(name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
            return None
        if least is not None and number < least:
            message = f"int value should be greater than or equal to {least}."
            self.refuse(name, "NUMBER_TYPE_MIN", message)
        if most is not None and number > most:
            message = f"int value should be less than or equal to {most}."
            self.refuse(name, "NUMBER_TYPE_MAX", message)
        return number

    def choice(self, name: str, choices: Collection[int]) -> int | None:
        """An integer that is one of `choices`."""
        value = self.integer(name)
        if value is not None and value not in choices:
            listed = ", ".join(map(str, choices))
            self.refuse(name, "BASE_TYPE_CHOICES", f"Value must be one of ({listed}).")
            return None
        return value

    def boolean(self, name: str) -> bool | None:
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(name, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
        return None

    def id(self, name: str) -> int | None:
        """A snowflake, as an integer or as a string."""
        value = self.get(name)
        if value is None:
            return None
        found = snowflake(value)
        if found is None:
            self.refuse(name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
        return found

    def nested(self, name: str) -> Form | None:
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse(name, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
            return None
        return Form(value, self.errors, (*self._path, name))

    def items(self, name: str, *, most: int) -> list[object]:
        """The items of a list; [] where there is none."""
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(name, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []
        if len(value) > most:
            self.refuse(name, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        return value

    def objects(self, name: str, *, most: int) -> list[Form]:
        """The objects of a list."""
        found = []
        for index, item in enumerate(self.items(name, most=most)):
            path = (*self._path, name, index)
            if isinstance(item, dict):
                found.append(Form(item, self.errors, path))
            else:
                message = "Only dictionaries may be used in a ModelType"
                self.errors.add(path, "MODEL_TYPE_CONVERT", message)
        return found

    def raw(self) -> dict[str, object]:
        return dict(self._fields)
