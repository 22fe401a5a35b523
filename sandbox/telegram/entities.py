"""Message text and its entities, checked and settled the way the Bot API server does it: pure.

Offsets and lengths count UTF-16 units. The rules and the error texts are those of the server's
source (tdlib/telegram-bot-api Client.cpp, tdlib/td MessageEntity.cpp).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from sandbox.telegram.detect import find_entities
from sandbox.telegram.errors import bad_request
from sandbox.telegram.text import CleanText, trim, utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPLITTABLE = ("bold", "italic", "underline", "strikethrough", "spoiler")
QUOTES = ("blockquote", "expandable_blockquote")
CODE = ("pre", "code")
AUTOMATIC = (
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "bank_card_number",
)
"""Types that are found in the text; a bot may name them, and they are ignored."""
TYPES = (
    *QUOTES,
    *CODE,
    "date_time",
    "text_link",
    "text_mention",
    *AUTOMATIC,
    *SPLITTABLE,
    "custom_emoji",
)
"""Every type, the outer before the inner where two cover the same text."""
_MAX_OFFSET = 1_000_000


@dataclass(frozen=True, slots=True)
class Entity:
    type: str
    offset: int
    length: int
    url: str = ""
    language: str = ""
    user_id: int = 0
    custom_emoji_id: str = ""
    unix_time: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class FormattedText:
    text: str
    entities: tuple[Entity, ...] = ()


def format_text(text: str, entities: Sequence[Entity]) -> FormattedText:
    """What readers see of `text`: cleaned, trimmed, its entities settled and completed.

    The result may be empty. Raises ApiError where an entity does not fit the text.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request("Strings must be encoded in UTF-8") from None
    _check_ranges(entities)
    clean = CleanText.of(text)
    settled = settle(_map(clean, settle(e for e in entities if e.length)))
    first = settled[0].offset if settled else utf16_length(clean.text)
    trimmed, start = trim(clean.text, first)
    end = utf16_length(trimmed)
    kept = []
    for entity in settled:
        offset = entity.offset - start
        if offset < end:
            kept.append(replace(entity, offset=offset, length=min(entity.length, end - offset)))
    return FormattedText(trimmed, settle([*kept, *_found(trimmed, kept)]))


def settle(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Entities as Telegram keeps them: sorted, nested, none inside code, like ones merged.

    Styles are cut where another entity begins or ends; of two others that overlap, the first stays.
    """
    ordered = sorted(entities, key=_sort_key)
    solid = _disjoint(e for e in ordered if e.type not in SPLITTABLE and e.type not in QUOTES)
    quotes = _disjoint(e for e in ordered if e.type in QUOTES)
    solid = [e for e in solid if not any(_crosses(e, quote) for quote in quotes)]
    others = sorted([*solid, *quotes], key=_sort_key)
    return tuple(sorted([*others, *_cut_styles(ordered, others)], key=_sort_key))


def _sort_key(entity: Entity) -> tuple[int, int, int]:
    return entity.offset, -entity.length, TYPES.index(entity.type)


def _disjoint(ordered: Iterable[Entity]) -> list[Entity]:
    kept: list[Entity] = []
    for entity in ordered:
        if not kept or entity.offset >= kept[-1].end:
            kept.append(entity)
    return kept


def _crosses(entity: Entity, quote: Entity) -> bool:
    overlaps = entity.offset < quote.end and quote.offset < entity.end
    inside = quote.offset <= entity.offset and entity.end <= quote.end
    return overlaps and not inside


def _cut_styles(ordered: Sequence[Entity], others: Sequence[Entity]) -> list[Entity]:
    merged = [e for style in SPLITTABLE for e in _merge(e for e in ordered if e.type == style)]
    cuts = {e.offset for e in merged}
    cuts |= {cut for e in others for cut in (e.offset, e.end)}
    code = [e for e in others if e.type in CODE]
    pieces = []
    for entity in merged:
        inner = sorted(cut for cut in cuts if entity.offset < cut < entity.end)
        bounds = [entity.offset, *inner, entity.end]
        for start, end in pairwise(bounds):
            if not any(e.offset <= start < e.end for e in code):
                pieces.append(replace(entity, offset=start, length=end - start))
    return pieces


def _merge(same_style: Iterable[Entity]) -> list[Entity]:
    merged: list[Entity] = []
    for entity in same_style:
        if merged and entity.offset <= merged[-1].end:
            end = max(merged[-1].end, entity.end)
            merged[-1] = replace(merged[-1], length=end - merged[-1].offset)
        else:
            merged.append(entity)
    return merged


def _found(text: str, explicit: Sequence[Entity]) -> list[Entity]:
    """Commands, mentions, links and hashtags in the text, outside of what would forbid them."""
    solid = [e for e in explicit if e.type not in SPLITTABLE]
    found = [Entity(kind, offset, length) for kind, offset, length in find_entities(text)]
    blocking = [e for e in solid if e.type not in QUOTES]
    return [e for e in found if not any(e.offset < b.end and b.offset < e.end for b in blocking)]


def _check_ranges(entities: Sequence[Entity]) -> None:
    for entity in entities:
        if not 0 <= entity.offset <= _MAX_OFFSET:
            raise bad_request(f"Receive an entity with incorrect offset {entity.offset}")
        if not 0 <= entity.length <= _MAX_OFFSET:
            raise bad_request(f"Receive an entity with incorrect length {entity.length}")


def _map(clean: CleanText, entities: Sequence[Entity]) -> list[Entity]:
    """Move entities from the text as sent to the cleaned text; empty ones vanish."""
    mapped = []
    for entity in entities:
        if entity.offset > clean.source_length:
            raise bad_request(
                f"Entity begins after the end of the text at UTF-16 offset {entity.offset}"
            )
        if entity.offset not in clean.offsets:
            at = clean.byte_after(entity.offset)
            raise bad_request(f"Entity begins in a middle of a UTF-16 symbol at byte offset {at}")
        name = f"Entity beginning at UTF-16 offset {entity.offset}"
        if entity.end > clean.source_length:
            raise bad_request(
                f"{name} ends after the end of the text at UTF-16 offset {entity.end}"
            )
        if entity.end not in clean.offsets:
            at = clean.byte_after(entity.end)
            raise bad_request(f"{name} ends in a middle of a UTF-16 symbol at byte offset {at}")
        start, end = clean.offsets[entity.offset], clean.offsets[entity.end]
        if end > start:
            mapped.append(replace(entity, offset=start, length=end - start))
    return mapped
