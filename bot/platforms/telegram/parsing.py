"""Pure: a message in JSON -> the library's, also where parts of it are not as the library wants.

Self-hosted Bot API servers may be older than the library, which takes no poll without the fields
that it knows, nor a reply to one: then the text, the chat and the sender are read all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from telegram import Message

if TYPE_CHECKING:
    from telegram import Bot

_NEEDED: Final = ("message_id", "date", "chat")
_ANOTHERS: Final = ("forward_origin", "via_bot")
"""What says that the words are not the sender's own; this must not be lost with its details."""
_REPLIED: Final = "reply_to_message"


def parse(body: dict[str, Any], bot: Bot | None) -> tuple[Message, list[str]]:
    """The message, and the names of the parts that had to be left out.

    Raises whatever the library does where nothing can be made of it.
    """
    try:
        return Message.de_json(body, bot), []
    except Exception:  # noqa: BLE001 - the library does not say which part it stumbled over
        kept, left_out = _readable(body, bot)
        return Message.de_json(kept, bot), left_out


def _readable(body: dict[str, Any], bot: Bot | None) -> tuple[dict[str, Any], list[str]]:
    """The parts of `body` that the library can read, and the names of the others."""
    kept = {name: body[name] for name in _NEEDED}
    left_out: list[str] = []
    for name, value in body.items():
        try:
            part, missing = _readable(value, bot) if name == _REPLIED else (value, [])
            Message.de_json({**kept, name: part}, bot)
        except Exception:  # noqa: BLE001 - as above
            left_out.append(name)
            if name in _ANOTHERS:
                kept["forward_date"] = body["date"]
        else:
            kept[name] = part
            left_out += [f"{name}.{each}" for each in missing]
    return kept, left_out
