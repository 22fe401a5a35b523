"""What a message holds: its parts add up to text and images."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from sandbox.llm.checks import RefusalError
from sandbox.llm.script import ChatImage, ChatMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

Part = str | ChatImage | None
"""A part as read; None: of a kind that no script looks at."""

_DATA_URL = re.compile(r"data:([\w.+/-]+);base64,(.*)", re.DOTALL)
_WEB_URL = re.compile(r"https?://.+")
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


def message_of(role: str, parts: Iterable[Part]) -> ChatMessage:
    """A message of these parts; texts are joined by newlines."""
    read = list(parts)
    return ChatMessage(
        role,
        "\n".join(part for part in read if isinstance(part, str)),
        tuple(part for part in read if isinstance(part, ChatImage)),
    )


def image_of_url(url: object, field: str) -> ChatImage:
    """The image of a `data:` URL, or one that is known by its address.

    Raises RefusalError (400) that names `field`.
    """
    if isinstance(url, str) and (match := _DATA_URL.fullmatch(url)) and match[2]:
        return ChatImage(match[1], decode_image(match[2], field))
    if isinstance(url, str) and _WEB_URL.fullmatch(url):
        return ChatImage(url=url)
    message = f"Invalid {field}: expected an image's URL, or a data: URL in base64."
    raise RefusalError(400, field, message, "invalid")


def decode_image(text: object, field: str) -> bytes:
    """The bytes of an image in base64. Raises RefusalError (400) that names `field`."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except binascii.Error:
        data = b""
    if not data:
        message = f"Invalid {field}: expected an image in base64."
        raise RefusalError(400, field, message, "invalid")
    return data


def media_type_of(data: bytes) -> str | None:
    """The kind of image that `data` begins like; None: no image that the servers take."""
    kinds = (kind for signature, kind in _SIGNATURES if signature.match(data))
    return next(kinds, None)


def check_image(image: ChatImage, field: str) -> None:
    """Raises RefusalError (400) unless `image` is what it says, or only an address."""
    kind = media_type_of(image.data)
    if image.url or (kind is not None and image.media_type in (kind, "")):
        return
    message = (
        f"{field}: The image was specified using the {image.media_type} media type, but the image"
        f" appears to be a {kind} image"
        if kind
        else f"{field}: Could not process image"
    )
    raise RefusalError(400, field, message)
