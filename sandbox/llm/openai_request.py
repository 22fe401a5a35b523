"""Checks a chat completion request as strictly as OpenAI does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.llm.checks import (
    ANY,
    BOOLEAN,
    NON_EMPTY_LIST,
    NON_EMPTY_TEXT,
    OBJECT,
    TEXT,
    JsonObject,
    RefusalError,
    Rules,
    check_object,
    integer,
    number,
    one_of,
    or_null,
)
from sandbox.llm.content import Part, image_of_url, message_of

if TYPE_CHECKING:
    from sandbox.llm.script import ChatMessage

REQUIRED: Rules = {"model": NON_EMPTY_TEXT, "messages": NON_EMPTY_LIST}
OPTIONAL: Rules = {
    "audio": ANY,
    "frequency_penalty": or_null(number(-2, 2)),
    "function_call": ANY,
    "functions": ANY,
    "logit_bias": or_null(OBJECT),
    "logprobs": or_null(BOOLEAN),
    "max_completion_tokens": or_null(integer(1)),
    "max_tokens": or_null(integer(1)),
    "metadata": or_null(OBJECT),
    "modalities": ANY,
    "n": or_null(integer(1)),
    "parallel_tool_calls": BOOLEAN,
    "prediction": ANY,
    "presence_penalty": or_null(number(-2, 2)),
    "prompt_cache_key": TEXT,
    "prompt_cache_retention": ANY,
    "reasoning_effort": or_null(TEXT),
    "response_format": OBJECT,
    "safety_identifier": TEXT,
    "seed": ANY,
    "service_tier": or_null(TEXT),
    "stop": ANY,
    "store": or_null(BOOLEAN),
    "stream": or_null(BOOLEAN),
    "stream_options": or_null(OBJECT),
    "temperature": or_null(number(0, 2)),
    "tool_choice": ANY,
    "tools": ANY,
    "top_logprobs": ANY,
    "top_p": or_null(number(0, 1)),
    "user": TEXT,
    "verbosity": or_null(TEXT),
    "web_search_options": OBJECT,
}
"""Every parameter of the API; those a chat bot does not send are not looked into."""

STREAM_OPTIONS: Rules = {"include_usage": BOOLEAN, "include_obfuscation": BOOLEAN}

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MESSAGE_REQUIRED: Rules = {"role": one_of(*ROLES)}
MESSAGE_OPTIONAL: Rules = {
    "audio": ANY,
    "content": ANY,
    "function_call": ANY,
    "name": NON_EMPTY_TEXT,
    "refusal": or_null(TEXT),
    "tool_call_id": TEXT,
    "tool_calls": NON_EMPTY_LIST,
}
IMAGE_URL: Rules = {"url": TEXT}
IMAGE_DETAIL: Rules = {"detail": one_of("auto", "low", "high")}
PARTS: dict[str, Rules] = {
    "text": {"text": TEXT},
    "image_url": {"image_url": OBJECT},
    "input_audio": {"input_audio": OBJECT},
    "file": {"file": OBJECT},
    "refusal": {"refusal": TEXT},
}
"""A part's type → its field."""
USER_ONLY_PARTS = ("image_url", "input_audio", "file")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    model: str
    messages: tuple[ChatMessage, ...]
    stream: bool
    include_usage: bool


def check_chat_request(body: object) -> ChatRequest:
    """Raises RefusalError (400) that names the first wrong field."""
    fields = check_object(body, REQUIRED, OPTIONAL)
    messages = fields["messages"]
    assert isinstance(messages, list)
    stream = fields.get("stream") is True
    options = fields.get("stream_options")
    if options is not None:
        if not stream:
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise RefusalError(400, "stream_options", message)
        options = check_object(options, {}, STREAM_OPTIONS, within="stream_options.")
    return ChatRequest(
        model=str(fields["model"]),
        messages=tuple(_message(m, f"messages[{index}].") for index, m in enumerate(messages)),
        stream=stream,
        include_usage=bool(options and options.get("include_usage")),
    )


def _message(value: object, path: str) -> ChatMessage:
    fields = check_object(value, MESSAGE_REQUIRED, MESSAGE_OPTIONAL, within=path)
    return message_of(str(fields["role"]), _content(fields, path))


def _content(message: JsonObject, path: str) -> list[Part]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    if isinstance(content, list) and content:
        return [
            _part(part, str(message["role"]), f"{path}content[{index}].")
            for index, part in enumerate(content)
        ]
    if content is None and message["role"] == "assistant" and "tool_calls" in message:
        return []
    raise RefusalError(
        400, f"{path}content", f"Invalid {path}content: expected a string or a list of parts."
    )


def _part(value: object, role: str, path: str) -> Part:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in PARTS or (kind in USER_ONLY_PARTS and role != "user"):
        raise RefusalError(400, f"{path}type", f"Invalid {path}type for the role {role}.")
    fields = check_object(value, {"type": TEXT, **PARTS[kind]}, within=path)
    if kind == "image_url":
        within = f"{path}image_url."
        image = check_object(fields["image_url"], IMAGE_URL, IMAGE_DETAIL, within=within)
        return image_of_url(image["url"], f"{within}url")
    return str(fields["text"]) if kind == "text" else None
