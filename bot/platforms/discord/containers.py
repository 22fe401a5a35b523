r"""What a line begins with: the quotes and list items it stands in.

Discord's lists, from its client (see bot.platforms.discord.dialect):

- An item begins with `- `, `* ` or `1. `. The lines after it belong to it where they are
  indented, and lose as much of their indentation as the list's first marker is wide: with more
  left, lists in them are nested wrongly. So they are indented by just that.
- Items that follow each other are one list, of the first one's kind, and numbered on from the
  first one's number, whatever they begin with. An empty line ends the list. So an item that would
  get another marker than the author's is set off by an empty line; where there is none to be, as
  within an item, its marker is text. `0.`, `01.` and `1)` always are.
- Lists are nested up to 11 deep, and a quote stands in no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

QUOTE = "> "
_BULLET = "•"
_DEEPEST = 11
_NUMBER = re.compile(r"([1-9][0-9]{0,8})\.")


@dataclass(slots=True)
class _Container:
    rest: str
    """What its further lines begin with; empty where nothing on the screen shows it any more."""
    marker: str = ""
    """The author's, of a list item that has no line yet."""
    box: str = ""
    """Stands behind the marker."""
    is_item: bool = False
    has_lines: bool = False

    @property
    def number(self) -> int:
        """0 for a bullet, -1 for what Discord does not take for a number."""
        if not self.marker[0].isdigit():
            return 0
        number = _NUMBER.fullmatch(self.marker)
        return int(number[1]) if number else -1


@dataclass(frozen=True, slots=True)
class _List:
    """A list as Discord sees it: another item would go on with it."""

    number: int
    """Of its last item; 0 for bullets."""
    width: int
    """Of its first marker."""

    def goes_on(self, number: int) -> bool:
        return number == (self.number + 1 if self.number else 0)


@dataclass(slots=True)
class Containers:
    """The open quotes and items, from outside in."""

    _open: list[_Container] = field(default_factory=list)
    _lists: list[_List] = field(default_factory=list)
    """Those of which the last line is a part, from outside in."""

    def open_quote(self) -> None:
        nested = any(not container.is_item for container in self._open)
        self._open.append(_Container("" if nested else QUOTE))

    def open_item(self, marker: str) -> None:
        self._open.append(_Container("", marker, is_item=True))

    def set_box(self, box: str) -> None:
        """Give the item that was opened last a task's box."""
        self._open[-1].box = box

    def close(self) -> None:
        self._open.pop()

    @property
    def in_item(self) -> bool:
        return any(container.is_item for container in self._open)

    @property
    def pending(self) -> bool:
        """Whether there is an item whose marker is not written."""
        return any(container.marker for container in self._open)

    def drop_markers(self) -> None:
        """The items without a line go on from elsewhere: nothing shows their beginning."""
        for container in self._open:
            container.marker = ""

    def interrupt(self) -> None:
        """What stands at the left edge follows, in no list and no quote."""
        self._lists.clear()
        for container in self._open:
            container.has_lines = False
            if container.is_item:
                container.rest = ""

    def begin_line(self, *, blank: bool, empty: bool = False) -> tuple[str, str]:
        """The empty line before the next line, if there is to be one, and the line's prefix.

        `blank`: the author has an empty line there. `empty`: nothing follows the marker of the
        innermost item that has no line yet.
        """
        within = any(each.is_item and each.rest for each in self._open)
        separator = ""
        if not within and (blank or self._would_be_renumbered()):
            self._lists.clear()
            quote = any(not each.is_item and each.has_lines for each in self._open)
            separator = f"{QUOTE}\n" if quote else "\n"
        return separator, self._prefix(empty=empty)

    def _would_be_renumbered(self) -> bool:
        item = next((each for each in self._open if each.marker), None)
        if item is None or item.number < 0 or not self._lists:
            return False
        return not self._lists[0].goes_on(item.number)

    def _prefix(self, *, empty: bool) -> str:
        containers = list(self._open)
        while empty and not containers[-1].marker:
            containers.pop()
        prefix = ""
        depth = 0  # in lists that Discord sees
        after_text = False  # what Discord takes for text stands before it on the line
        for container in containers:
            container.has_lines = True
            if container.marker:
                is_empty = empty and container is containers[-1]
                prefix += self._first(container, depth, is_empty=is_empty, after_text=after_text)
                after_text = not container.rest
            else:
                prefix += container.rest
            if container.is_item and container.rest:
                depth += 1
        del self._lists[depth:]
        return prefix

    def _first(self, item: _Container, depth: int, *, is_empty: bool, after_text: bool) -> str:
        """The marker of an item, which makes it one for Discord, too, if it can."""
        number, marker, item.marker = item.number, item.marker, ""
        current = self._lists[depth] if depth < len(self._lists) else None
        renumbered = current is not None and not current.goes_on(number)
        del self._lists[depth:]
        if is_empty:
            return (marker if number else _BULLET) + item.box
        if after_text or number < 0 or renumbered or depth == _DEEPEST:
            text = marker.replace(".", "\\.") if number else _BULLET
            return f"{text} {item.box}"
        first = f"{marker} " if number else "- "
        width = current.width if current else len(first)
        self._lists.append(_List(number, width))
        item.rest = " " * width
        return first + item.box
