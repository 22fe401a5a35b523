"""What a reader sees on a platform's screen, next to what a document means there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from discord_reader import read
from reply.markdown_grammar import UNSEEN, Seen

from bot.platforms.discord.markup import DiscordMarkup
from bot.platforms.telegram.markup import TelegramMarkup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.reply.surface import Markup, Rendered

_SPANS = {"bold", "italic", "strike"}
_TELEGRAM = {
    "strikethrough": "strike",
    "text_link": "link",
    "blockquote": "quote",
    "underline": "h1",
}
_TARGET = re.compile(r"\(https://t\.org/[^\s()]*(?:\([^\s()]*\)[^\s()]*|\)b)?\)")


class Telegram:
    markup: Markup = TelegramMarkup()
    page_size = 4096

    @staticmethod
    def seen(rendered: Rendered[object]) -> list[Seen]:
        units = rendered.text.encode("utf-16-le")
        styles: list[set[str]] = [set() for _ in range(len(units) // 2)]
        for span in rendered.entities:
            for each in styles[span.offset : span.offset + span.length]:
                each.add(_TELEGRAM.get(span.type, span.type))
        found, position = [], 0
        for character in rendered.text:
            if not UNSEEN.match(character):
                found.append(Seen(character, frozenset(styles[position])))
            position += 1 + (ord(character) > 0xFFFF)
        return found

    @staticmethod
    def meant(seen: Iterable[Seen]) -> list[Seen]:
        return [Seen(each.character, _on_telegram(each.styles)) for each in seen]


def _on_telegram(meant: frozenset[str]) -> frozenset[str]:
    styles = meant - {"item", "url"}
    if "pre" in styles:
        return frozenset({"pre"})
    if "code" in styles and not styles & {"spoiler", "link"}:
        return styles & {"code", "quote"}
    styles -= {"code"}
    if any(each in styles for each in ("h1", "h2", "h3", "h4", "h5", "h6")):
        styles = styles - {"h2", "h3", "h4", "h5", "h6"} | {"bold"}
    return styles


class Discord:
    markup: Markup = DiscordMarkup()
    page_size = 2000

    @staticmethod
    def seen(rendered: Rendered[object]) -> list[Seen]:
        """But for the URLs of links that have a text."""
        shown = [each for each in read(rendered.text) if "target" not in each.styles]
        text = "".join(each.character for each in shown)
        targets = [range(*match.span()) for match in _TARGET.finditer(text)]
        return [
            Seen(each.character, _without_spans(each.styles) - {"link", "list", "emoji"})
            for position, each in enumerate(shown)
            if not UNSEEN.match(each.character)
            and not any(position in target for target in targets)
        ]

    @staticmethod
    def meant(seen: Iterable[Seen]) -> list[Seen]:
        return [Seen(each.character, _on_discord(each.styles)) for each in seen]


def _without_spans(styles: frozenset[str]) -> frozenset[str]:
    """Code and bare URLs may interrupt what is around them."""
    return styles - _SPANS if styles & {"code", "link"} else styles


def _on_discord(meant: frozenset[str]) -> frozenset[str]:
    styles = meant - {"link", "item"}
    if "pre" in styles:
        return frozenset({"pre"})
    deep = styles & {"h4", "h5", "h6"} or ("item" in meant and styles & {"h1", "h2", "h3"})
    if deep:
        styles = styles - {"h1", "h2", "h3", "h4", "h5", "h6"} | {"bold"}
    if "url" in styles:
        styles = styles - {"url"} | {"link"}
    return _without_spans(styles) - {"link"}
