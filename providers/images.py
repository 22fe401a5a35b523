"""Images in a conversation: as text for the wire, and a note in their place."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from providers.base import BadRequestError, ImagePart, OverloadedError, TextPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from providers.base import Message, ProviderError

IMAGE_NOTE: Final = "[image, which this model can't see]"

_ABOUT_IMAGES = re.compile("(?i)image|vision|multi-?modal|mmproj")


def base64(image: ImagePart) -> str:
    return b64encode(image.data).decode()


def data_url(image: ImagePart) -> str:
    return f"data:{image.media_type};base64,{base64(image)}"


def has_images(messages: Iterable[Message]) -> bool:
    return any(isinstance(part, ImagePart) for message in messages for part in message.parts)


def without_images(messages: Sequence[Message]) -> Sequence[Message]:
    """Return `messages` with `IMAGE_NOTE` in the place of every image."""
    if not has_images(messages):
        return messages
    note = TextPart(IMAGE_NOTE)
    return [
        replace(
            message,
            parts=tuple(note if isinstance(part, ImagePart) else part for part in message.parts),
        )
        for message in messages
    ]


def refuses_images(error: ProviderError) -> bool:
    """Tell whether `error` says that this model takes no images, or not these.

    Seen as 400 (Ollama: "this model does not support image input", DeepSeek: "unknown variant
    `image_url`", vLLM: "is not a multimodal model"), 404 (OpenRouter) and 500 (llama.cpp).
    """
    refused = isinstance(error, BadRequestError | OverloadedError)
    return refused and bool(_ABOUT_IMAGES.search(str(error)))
