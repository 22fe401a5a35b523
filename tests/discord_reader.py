r"""What Discord's client shows of a message: an independent reading of its rules.

Its parser tries the rules in their order at the start of what is left of the text, takes the first
that matches, and reads the inside of what it matched in the same way. Block rules look at whether
what was matched last ends with a new line. Source: https://github.com/ariabuckles/simple-markdown
(the parser and its inline rules), and Discord's own rules as its client has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple
from urllib.parse import unquote

from bot.reply.markdown import Token, clean, parse


class Shown(NamedTuple):
    """A character on the screen."""

    character: str
    styles: frozenset[str]
    """bold, italic, underline, strike, spoiler, code, pre, quote, h1 to h3, small, list, emoji;
    link for a URL that is a link, target for the URL of a link, which stands in brackets here."""


MENTION = "\ufffc"
"""Shown in place of a mention, a time or a custom emoji."""

_BULLET = r"(?:[*-]|\d+\.)"
_HEADING = re.compile(r" *(#{1,3})\s+(?!#)([^\n]+?)#*\s*(?:\n|\Z)")
_SUBTEXT = re.compile(r"-# +(?!-#)([^\n]+?) *(?:\n|\Z)")
_CODE_BLOCK = re.compile(r"```(?:[a-z0-9_+.#-]+?\n)?\n*([^\n].*?)\n*```", re.DOTALL | re.IGNORECASE)
_QUOTE = re.compile(r" *>>> +(.*)| *>(?!>>) +[^\n]*(?:\n *>(?!>>) +[^\n]*)*\n?", re.DOTALL)
_LIST = re.compile(rf"( *)({_BULLET}) .+?(?:\n(?! )(?!\1{_BULLET} )|\Z)", re.DOTALL)
_FIRST_MARKER = re.compile(rf"( *){_BULLET} +")
_ESCAPE = re.compile(r"\\([^0-9A-Za-z\s])")
_AUTOLINK = re.compile(r"<([^: >]+:/[^ >]+)>")
_ADDRESS = re.compile(r"<([^\s<>@]+@[^\s<>@]+\.[^\s<>@]+|(?:(?:tel|sms):\+?|\+)[0-9][0-9 ./-]+)>")
_URL = re.compile(r"""(?:https?|steam)://[^\s<]+[^<.,:;"'\]\s]""")
_LINK = re.compile(
    r"""
    \[ ((?: \[[^\]]*\] | [^\[\]] | \](?=[^\[]*\]) )*) \]
    \( \s* <? ((?: \([^)]*\) | [^\s\\] | \\. )*?) >? (?: \s+ ['"] .*? ['"] )? \s* \)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRONG = re.compile(r"\*\*((?:\\.|[^\\])+?)\*\*(?!\*)", re.DOTALL)
_UNDERLINE = re.compile(r"__((?:\\.|[^\\])+?)__(?!_)", re.DOTALL)
_EMPHASIS = re.compile(
    r"""
      _ ((?: __ | \\. | [^\\_] )+?) _ (?![0-9A-Za-z_])
    | \* (?=\S) ((?: \*\* | \\. | \s+ (?: \\. | [^\s*\\] | \*\* ) | [^\s*\\] )+?) \* (?!\*)
    | \* (?=\S) ((?: \*\* | \\. | \s+ (?: \\. | [^\s*\\] | \*\* ) | [^\s*\\] )+?) [ ]{1,2} \* (?!\*)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRIKE = re.compile(r"~~(.+?)~~(?!_)", re.DOTALL)
_SPOILER = re.compile(r"\|\|(.+?)\|\|", re.DOTALL)
_CODE = re.compile(r"(`+)(.*?[^`])\1(?!`)", re.DOTALL)
_MENTION = re.compile(
    r"""@(?:everyone|here) | <@[!&$]?\d+> | <\#\d+> | <a?:\w+:\d+> | <t:-?\d+(?::\w)?>
      | </[^<>\n:]{1,98}:\d+> | <id:\w+> | <sound:[^<>]+>""",
    re.VERBOSE,
)
_EMOJI = re.compile(r":(?!https?:|steam:)(?=[0-9_+-]*[a-z])[a-z0-9_+-]+:")
_TEXT = re.compile(
    r".+?(?=[^0-9A-Za-z\s\u00c0-\U0010ffff]|\n\n| {2,}\n|\w+:\S|[0-9]+\.|\Z)", re.DOTALL
)
_PICTURES = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")
_DEEPEST_LIST = 11


@dataclass
class _State:
    styles: frozenset[str] = frozenset()
    previous: str | None = None
    """What the last rule matched."""
    in_quote: bool = False
    headings: bool = True
    list_depth: int = 0

    @property
    def at_line_start(self) -> bool:
        return not self.previous or self.previous.endswith("\n")

    def styled(self, *styles: str) -> _State:
        """The same place, inside something."""
        return replace(self, styles=self.styles | set(styles))


def read(content: str) -> list[Shown]:
    """What a message with this content shows."""
    return _parse(content.strip(), _State())


def _parse(text: str, state: _State) -> list[Shown]:
    shown: list[Shown] = []
    while text:
        length, part = _first_match(text, state)
        shown += part
        state.previous, text = text[:length], text[length:]
    return shown


def _first_match(text: str, state: _State) -> tuple[int, list[Shown]]:
    for rule in (_block, _link, _span, _atom):
        match = rule(text, state)
        if match is not None:
            return match
    plain = _TEXT.match(text)
    assert plain
    return plain.end(), _plain(plain[0], state)


def _plain(text: str, state: _State, *styles: str) -> list[Shown]:
    return [Shown(character, state.styles | set(styles)) for character in text]


_Match = tuple[int, list[Shown]] | None


def _block(text: str, state: _State) -> _Match:
    if state.at_line_start:
        if state.headings and (match := _HEADING.match(text)):
            heading = _parse(match[2].strip(), state.styled(f"h{len(match[1])}"))
            return match.end(), [*heading, *_plain("\n", state)]
        if match := _SUBTEXT.match(text):
            return match.end(), [
                *_parse(match[1].strip(), state.styled("small")),
                *_plain("\n", state),
            ]
    if match := _CODE_BLOCK.match(text):
        return match.end(), [*_plain(match[1], state, "pre"), *_plain("\n", state)]
    line = state.previous is None or re.search(r"\A\Z|\n *\Z", state.previous)
    if line and not state.in_quote and (match := _QUOTE.match(text)):
        inside = match[1] or re.sub(r"^ *> ?", "", match[0], flags=re.MULTILINE)
        quote = replace(state.styled("quote"), in_quote=True)
        return match.end(), _parse(inside, quote)
    if line and state.list_depth < _DEEPEST_LIST and (match := _LIST.match(text)):
        return match.end(), _list(match, state)
    return None


def _list(match: re.Match[str], state: _State) -> list[Shown]:
    source = re.sub(r"\n{2,}\Z", "\n", match[0])
    first = _FIRST_MARKER.match(source)
    assert first
    indent = f" {{{len(first[1])},{len(first[1]) + 1}}}"
    items = re.findall(
        rf"{indent}{_BULLET} +[^\n]*(?:\n(?!{indent}{_BULLET} )[^\n]*)*(?:\n|\Z)", source
    )
    number = int(match[2][:-1]) if match[2][0].isdigit() else None
    shown: list[Shown] = []
    for count, item in enumerate(items):
        marker = "•" if number is None else f"{max(number, 1) + count}."
        inside = _FIRST_MARKER.sub("", item, count=1)
        inside = re.sub(rf"^ {{1,{first.end()}}}", "", inside, flags=re.MULTILINE)
        place = replace(state.styled("list"), headings=False, list_depth=state.list_depth + 1)
        shown += _plain(marker + " ", state)
        shown += [*_parse(re.sub(r" *\n\Z", "", inside), place), *_plain("\n", state)]
    return shown


def _link(text: str, state: _State) -> _Match:
    if match := _ESCAPE.match(text):
        return match.end(), _plain(match[1], state)
    if match := _AUTOLINK.match(text) or _ADDRESS.match(text):
        return match.end(), _plain(match[1], state, "link")
    if match := _URL.match(text):
        url = match[0]
        if url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1]
        return len(url), _plain(url, state, "link")
    if match := _LINK.match(text):
        label, url = match[1], re.sub(_ESCAPE, r"\1", match[2])
        if not _is_masked(label, url):
            return match.end(), _plain(match[0], state)
        target = [Shown(each, frozenset({"target"})) for each in f"({unquote(url)})"]
        return match.end(), [*_label(label, state), *target]
    return None


def _is_masked(label: str, url: str) -> bool:
    forbidden = (_URL, _AUTOLINK, _ADDRESS, _MENTION, _EMOJI, _PICTURES, _CODE_BLOCK)
    return (
        bool(re.match(r"https?://[^\s/?#%]", url))
        and bool(label.strip())
        and not any(each.search(label) for each in forbidden)
    )


def _label(text: str, state: _State) -> list[Shown]:
    """A link's text, in which only spans are read."""
    shown: list[Shown] = []
    while text:
        length, part = _span(text, state, _label) or (1, _plain(text[0], state))
        shown += part
        text = text[length:]
    return shown


def _span(text: str, state: _State, inner=_parse) -> _Match:  # noqa: ANN001  # _parse or _label
    """Of emphasis, bold and underlined text, the longest is taken, and emphasis if none is."""
    spans = [(_EMPHASIS, "italic"), (_STRONG, "bold"), (_UNDERLINE, "underline")]
    found = [(match, style) for rule, style in spans if (match := rule.match(text))]
    if found:
        match, style = max(found, key=lambda each: each[0].end())
        inside = next(group for group in match.groups() if group is not None)
        return match.end(), inner(inside, state.styled(style))
    if match := _STRIKE.match(text):
        return match.end(), inner(match[1], state.styled("strike"))
    if match := _CODE.match(text):
        code = re.sub(r"\A (?= *`)|(` *) \Z", r"\1", match[2])
        return match.end(), _plain(code, state, "code")
    if match := _SPOILER.match(text):
        return match.end(), inner(match[1], state.styled("spoiler"))
    return None


def _atom(text: str, state: _State) -> _Match:
    if match := _MENTION.match(text):
        return match.end(), _plain(MENTION, state)
    if match := _EMOJI.match(text):
        return match.end(), _plain(match[0], state, "emoji")
    return None


def shown_text(content: str) -> str:
    return "".join(each.character for each in read(content))


def runs(content: str, style: str) -> list[str]:
    """The texts that have this style, but for the white space around them."""
    grouped = groupby(read(content), key=lambda each: style in each.styles)
    return ["".join(each.character for each in run).strip() for styled, run in grouped if styled]


# To compare what is shown with what is meant


class Seen(NamedTuple):
    """A character, with those of its styles that the two sides have in common."""

    character: str
    styles: frozenset[str] | None
    """None: any."""


_SPANS = {"Emphasis": "italic", "Strong": "bold", "Strikethrough": "strike", "Spoiler": "spoiler"}
_KEPT = frozenset(
    {*_SPANS.values(), "underline", "spoiler", "small", "code", "pre", "quote", "h1", "h2", "h3"}
)
_NOT_SEEN = re.compile(r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff•]")


def _seen(characters: str, styles: frozenset[str] | None) -> list[Seen]:
    if styles is not None and "code" in styles:  # it may interrupt the styles around it
        styles -= set(_SPANS.values())
    kept = None if styles is None else styles & _KEPT
    return [Seen(each, kept) for each in _NOT_SEEN.sub("", characters)]


def seen(content: str) -> list[Seen]:
    """What Discord shows; a link's URL stands after its text."""
    found: list[Seen] = []
    for each in read(content):
        found += _seen(each.character, None if each.styles & {"link", "target"} else each.styles)
    return found


def meant(markdown: str) -> list[Seen]:
    """What the Markdown means, in the same form; for documents without tables."""
    walk = _Meaning()
    for token in parse(clean(markdown)):
        walk.take(token)
    return walk.found


class _Meaning:
    def __init__(self) -> None:
        self.found: list[Seen] = []
        self._spans: list[str] = []
        self._quotes = 0
        self._items = 0
        self._heading: list[str] = []
        self._in_code_block = False
        self._labels: list[tuple[str, str]] = []  # URL and text so far of each open link

    def take(self, token: Token) -> None:
        match token.kind:
            case "Text" | "Code":
                self._write(token.value, *(["code"] if token.kind == "Code" else []))
            case "Emphasis" | "Strong" | "Strikethrough" | "Spoiler":
                self._spans.append(_SPANS[token.kind])
            case "/Emphasis" | "/Strong" | "/Strikethrough" | "/Spoiler":
                self._spans.pop()
            case "Link" | "Image":
                self._labels.append((token.value, ""))
            case "/Link" | "/Image":
                self._end_link()
            case _:
                self._take_block(token)

    def _take_block(self, token: Token) -> None:
        match token.kind:
            case "Heading":
                native = int(token.value) <= 3 and not self._items
                self._heading = [f"h{token.value}" if native else "bold"]
            case "/Heading":
                self._heading = []
            case "BlockQuote" | "/BlockQuote":
                self._quotes += -1 if token.kind.startswith("/") else 1
            case "Item":
                self._items += 1
                self._write(token.value if token.value[0].isdigit() else "•")
            case "/Item":
                self._items -= 1
            case "TaskListMarker":
                self._write("☑" if token.value else "☐")
            case "Rule":
                self._write("———")
            case "CodeBlock" | "/CodeBlock":
                self._in_code_block = not token.kind.startswith("/")

    def _write(self, characters: str, *styles: str) -> None:
        quote = ["quote"] if self._quotes else []
        around = ["pre"] if self._in_code_block else [*self._spans, *self._heading, *quote]
        self.found += _seen(characters, frozenset([*around, *styles]))
        self._labels = [(url, label + characters) for url, label in self._labels]

    def _end_link(self) -> None:
        url, label = self._labels.pop()
        if label.strip() not in (url, url.removeprefix("mailto:")):
            self.found += _seen(f"({url})" if label.strip() else url, None)
