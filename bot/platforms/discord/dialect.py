r"""Discord's dialect of Markdown: how text, code and links are written so that it reads them so.

What this relies on. Sources: https://discord.com/developers/docs/reference#message-formatting,
the help page "Markdown Text 101", and the rules of Discord's client, which is built on
https://github.com/ariabuckles/simple-markdown.

- A backslash before any character but a letter, a digit or white space shows that character, and
  only there is it not shown itself. There is no escape in code, in a bare URL, in a link's text.
- A message is read from left to right, each rule a pattern on all that follows: an opening
  delimiter looks for its closing one through code, URLs and lines, and knows no flanking. `_` may
  open in a word; only where it closes must no letter follow. `__x__` is underlined.
- `*x*` neither begins nor ends with white space; `**` and `*` do not close where `*` follows.
- A URL goes on to white space or `<`, but for `.,:;"']` and an unpaired `)` at its end.
- `<x:/y>`, `<a@b.c>`, `<+1 23>`, `<@1>`, `<#1>`, `<:a:1>`, `<t:1>`, `</a:1>`, `<id:x>` are links,
  mentions and the like; `:name:` is an emoji where there is one of that name.
- A masked link, `[text](https://…)`, is all text where its text holds a URL, a mention or (in a
  bot's message) an emoji, or where its URL is not of http or https.
- At the start of a line, or of bold text there: `# ` to `### `, `-# `, `> `, `>>> `, `- `, `* `
  and `1. ` begin a block. A heading loses the `#` that end it.
- A code block begins and ends with three backticks, wherever they stand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ZERO_WIDTH = "\u200b"
"""Parts what Discord would read as one; shows nothing, and is no white space to Discord."""

INTERRUPTS = re.compile(r"\*|~~|\|\||[~\\|]\Z")
"""Finds code and URLs that would end the bold, italic or struck text around them."""

ENDS_SPOILER = re.compile(r"\|\||[\\|]\Z")
"""Finds those that would end the spoiler around them."""

URL_MAY_END = re.compile(r"""\A[.,:;"')\]]*""")
"""What follows a bare URL before white space is no part of it."""

_URL = re.compile(r"""(?:https?|steam)://[^\s<]+[^\s<.,:;"'\]]""")
_MENTION = r"@(?=everyone|here|silent)"
_ANGLE = r"<(?=[<@\#+:]|/[^<>]*:\d|\w+:|[^ :<>]*(?::/|<|\Z)|[^\s<>@]+@)"
_SPECIAL = re.compile(
    rf"""
      (?P<emoji>(?<![\w:]):[a-z0-9_+-]+:(?![\w:]))
    | [*_`\[]
    | \\(?=[^0-9A-Za-z\s]|\Z)
    | (?<=~)~ | \A~ | ~\Z                  # beside a delimiter, too
    | (?<=\|)\|
    | {_ANGLE}
    | {_MENTION}
    | :(?=[0-9_+-]*[a-z][a-z0-9_+-]*:)     # f:x:y is no place for an emoji
    """,
    re.VERBOSE,
)
_BLOCK = re.compile(r"\#|-(?=\#?(?:[ ]|\Z))|>(?=[ ]|>>|\Z)|[0-9]+(?=\.(?:[ ]|\Z))", re.VERBOSE)

_EMOJI = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u2b55\u3030-\u3299\ufe0f"
_UNMASKABLE = re.compile(
    rf"""
      [*`\\] | ~~ | \|\| | __ | _(?![0-9A-Za-z])
    | :// | discord\. | discordapp\. | :[^\s:]+: | {_ANGLE} | {_MENTION}
    | [{_EMOJI}\U0001f000-\U0001faff]
    """,
    re.VERBOSE,
)
_PAIRED_BRACKETS = re.compile(r"(?:[^\[\]]|\[[^\[\]]*\])*")
_INVISIBLE = r"\s\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_LINK_TARGET = re.compile(rf"https?://[^{_INVISIBLE}/?\#%<>\\]+(?:[/?\#][^{_INVISIBLE}]*)?")
_ENDS_TARGET = re.compile(r"[()<>\\*\"]|~(?=~)")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+.#-]+")
_BACKTICKS = re.compile(r"`+")


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """Text and the bare URLs in it; whether a part is a URL."""
    end = 0
    for match in _URL.finditer(text):
        url = match[0]
        unpaired = url.count(")") - url.count("(")
        at_end = len(url) - len(url.rstrip(")"))
        url = url[: len(url) - max(0, min(unpaired, at_end))]
        yield text[end : match.start()], False
        yield url, True
        end = match.start() + len(url)
    yield text[end:], False


def escaped(text: str, *, at_line_start: bool) -> str:
    """Text without URLs as Discord shows it; it neither begins nor ends with white space."""
    block = _BLOCK.match(text) if at_line_start else None
    if block is None:
        return _SPECIAL.sub(_escape, text)
    digits = block[0] if block[0].isdigit() else ""
    return f"{digits}\\{text[len(digits)]}" + _SPECIAL.sub(_escape, text[len(digits) + 1 :])


def _escape(special: re.Match[str]) -> str:
    return special[0] if special["emoji"] else "\\" + special[0]


def code_span(code: str) -> str:
    """Inline code; where it has both single and double backticks, the double ones are parted."""
    runs = {len(run) for run in _BACKTICKS.findall(code)}
    if {1, 2} <= runs:
        code = re.sub("`(?=`)", "`" + ZERO_WIDTH, code)
    delimiter = "``" if 1 in runs else "`"
    before = " " if code.startswith("`") else ""
    after = " " if code.endswith("`") else ""
    return f"{delimiter}{before}{code}{after}{delimiter}"


def code_block(code: str, info: str = "") -> str:
    """A fenced block. There are no longer fences: three backticks in it are parted."""
    language = _LANGUAGE.match(info.strip())
    code = re.sub("``(?=`)", "``" + ZERO_WIDTH, code)
    return f"```{language[0] if language else ''}\n{code}\n```"


def is_maskable(label: str, url: str) -> bool:
    """Whether Discord makes a link of the two, and shows the label as it is."""
    return (
        bool(label.strip())
        and label != url
        and bool(_PAIRED_BRACKETS.fullmatch(label))
        and not _UNMASKABLE.search(label)
        and bool(_LINK_TARGET.fullmatch(url))
    )


def link_target(url: str) -> str:
    """The URL of a maskable link as it is written there."""
    return _ENDS_TARGET.sub(lambda match: f"%{ord(match[0]):02X}", url)
