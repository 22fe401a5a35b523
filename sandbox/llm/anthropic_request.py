"""Checks a Messages request as strictly as Anthropic does.

The parameters are those of https://platform.claude.com/docs/en/api/messages, the refusals those
of https://platform.claude.com/docs/en/api/errors. Fields are named as the API names them:
messages.0.content.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.llm.api import MODELS
from sandbox.llm.checks import (
    ANY,
    BOOLEAN,
    LIST,
    NON_EMPTY_TEXT,
    OBJECT,
    TEXT,
    TEXT_OR_LIST,
    RefusalError,
    Rules,
    check_object,
    exactly,
    integer,
    number,
    one_of,
    or_null,
)
from sandbox.llm.content import Part, check_image, decode_image, message_of
from sandbox.llm.script import ChatImage, ChatMessage

if TYPE_CHECKING:
    from collections.abc import Iterator


REQUIRED: Rules = {"model": NON_EMPTY_TEXT, "max_tokens": integer(1), "messages": LIST}
OPTIONAL: Rules = {
    "cache_control": or_null(OBJECT),
    "container": ANY,
    "inference_geo": or_null(TEXT),
    "metadata": OBJECT,
    "output_config": OBJECT,
    "service_tier": one_of("auto", "standard_only"),
    "speed": or_null(one_of("standard", "fast")),
    "stop_sequences": LIST,
    "stream": BOOLEAN,
    "system": TEXT_OR_LIST,
    "thinking": OBJECT,
    "tool_choice": OBJECT,
    "tools": LIST,
}
"""Every parameter of the API; those a chat bot does not send are not looked into."""
SAMPLING: Rules = {"temperature": number(0, 1), "top_k": integer(0), "top_p": number(0, 1)}
"""Parameters that the version 2026-10-21 took away."""
VERSIONS: dict[str, Rules] = {"2023-06-01": {**OPTIONAL, **SAMPLING}, "2026-10-21": OPTIONAL}
"""Version of the API → its optional parameters."""

MESSAGE: Rules = {"role": TEXT, "content": TEXT_OR_LIST}
ROLES = ("user", "assistant")
CACHED: Rules = {"cache_control": or_null(OBJECT)}
TEXT_BLOCK: Rules = {"type": exactly("text"), "text": TEXT}
TEXT_BLOCK_OPTIONAL: Rules = {**CACHED, "citations": ANY}
IMAGE_BLOCK: Rules = {"type": exactly("image"), "source": OBJECT}
OTHER_BLOCKS = ("document", "redacted_thinking", "thinking", "tool_result", "tool_use")
MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
SOURCES: dict[str, Rules] = {
    "base64": {"type": TEXT, "media_type": one_of(*MEDIA_TYPES), "data": TEXT},
    "url": {"type": TEXT, "url": NON_EMPTY_TEXT},
    "file": {"type": TEXT, "file_id": NON_EMPTY_TEXT},
}
"""An image source's type → its fields."""
MAX_IMAGE_SIZE = 5 * 1024 * 1024
"""Bytes."""

THINKING: dict[str, Rules] = {
    "adaptive": {},
    "disabled": {},
    "enabled": {"budget_tokens": integer(1024)},
}
"""A thinking configuration's type → its required fields."""
THINKING_OPTIONAL: Rules = {"display": or_null(one_of("summarized", "omitted"))}


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    model: str
    messages: tuple[ChatMessage, ...]
    """The system prompt first, as a message of its own."""
    stream: bool
    thinking: bool


def check_messages_request(body: object, version: str) -> MessagesRequest:
    """Raises RefusalError (400; 404 for an unknown model)."""
    fields = check_object(body, REQUIRED, VERSIONS[version])
    messages = tuple(_messages(fields["messages"]))
    _check_order([message.role for message in messages])
    thinks = _thinks(fields.get("thinking"), fields["max_tokens"])
    model = str(fields["model"])
    if model not in MODELS:
        raise RefusalError(404, None, f"model: {model}")
    return MessagesRequest(
        model=model,
        messages=(*_system(fields.get("system", "")), *messages),
        stream=fields.get("stream") is True,
        thinking=thinks,
    )


def _messages(values: object) -> Iterator[ChatMessage]:
    assert isinstance(values, list)
    for index, value in enumerate(values):
        path = f"messages.{index}."
        fields = check_object(value, MESSAGE, within=path)
        role = str(fields["role"])
        if role == "system":
            message = (
                'messages: Unexpected role "system". The Messages API accepts a top-level `system`'
                ' parameter, not "system" as an input message role.'
            )
            raise RefusalError(400, None, message)
        if role not in ROLES:
            message = f"{path}role: Input should be 'user' or 'assistant'"
            raise RefusalError(400, f"{path}role", message)
        if not fields["content"]:
            message = f"messages.{index}: all messages must have non-empty content"
            raise RefusalError(400, f"{path}content", message)
        yield message_of(role, _parts(fields["content"], f"{path}content"))


def _check_order(roles: list[str]) -> None:
    """Turns of one role in a row are taken; the API joins them."""
    if not roles:
        raise RefusalError(400, None, "messages: at least one message is required")
    if roles[0] != "user":
        raise RefusalError(400, None, 'messages: first message must use the "user" role')
    if roles[-1] != "user":
        message = (
            "This model does not support assistant message prefill. The conversation must end with"
            " a user message."
        )
        raise RefusalError(400, None, message)


def _system(value: object) -> Iterator[ChatMessage]:
    if value:
        yield message_of("system", _parts(value, "system", images=False))


def _parts(content: object, path: str, *, images: bool = True) -> Iterator[Part]:
    where = path.partition(".")[0]
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    for index, block in enumerate(blocks):
        kind = block.get("type") if isinstance(block, dict) else None
        within = f"{path}.{index}."
        if kind == "text":
            text = check_object(block, TEXT_BLOCK, TEXT_BLOCK_OPTIONAL, within=within)["text"]
            yield _text(str(text), where)
        elif kind == "image" and images:
            fields = check_object(block, IMAGE_BLOCK, CACHED, within=within)
            yield _image(fields["source"], f"{within}source.")
        elif kind in OTHER_BLOCKS and images:
            yield None
        else:
            message = f"{within}type: Input tag {kind!r} found does not match any expected tag"
            raise RefusalError(400, f"{within}type", message)


def _text(text: str, where: str) -> str:
    if not text:
        raise RefusalError(400, None, f"{where}: text content blocks must be non-empty")
    if text.isspace():
        message = f"{where}: text content blocks must contain non-whitespace text"
        raise RefusalError(400, None, message)
    return text


def _image(source: object, path: str) -> ChatImage:
    assert isinstance(source, dict)
    kind = source.get("type")
    if kind not in SOURCES:
        message = f"{path}type: Input tag {kind!r} found does not match any of the expected tags"
        raise RefusalError(400, f"{path}type", message)
    fields = check_object(source, SOURCES[kind], within=path)
    if kind != "base64":
        return ChatImage(url=str(fields.get("url", "")))
    data = decode_image(fields["data"], f"{path}base64")
    if len(data) > MAX_IMAGE_SIZE:
        message = (
            f"{path}base64: image exceeds 5 MB maximum: {len(data)} bytes > {MAX_IMAGE_SIZE} bytes"
        )
        raise RefusalError(400, f"{path}base64", message)
    image = ChatImage(str(fields["media_type"]), data)
    check_image(image, f"{path}base64")
    return image


def _thinks(value: object, max_tokens: object) -> bool:
    if value is None:
        return False
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in THINKING:
        message = f"thinking.type: Input tag {kind!r} found does not match any expected tag"
        raise RefusalError(400, "thinking.type", message)
    rules = {"type": TEXT, **THINKING[kind]}
    budget = check_object(value, rules, THINKING_OPTIONAL, within="thinking.").get("budget_tokens")
    assert isinstance(max_tokens, int)
    if isinstance(budget, int) and budget >= max_tokens:
        message = "`max_tokens` must be greater than `thinking.budget_tokens`."
        raise RefusalError(400, "max_tokens", message)
    return kind != "disabled"
