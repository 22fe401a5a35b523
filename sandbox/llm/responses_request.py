"""Checks a Responses request as strictly as OpenAI does.

The parameters are those of https://platform.openai.com/docs/api-reference/responses/create.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.llm.api import MODELS
from sandbox.llm.checks import (
    ANY,
    BOOLEAN,
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
from sandbox.llm.content import Part, check_image, image_of_url, message_of
from sandbox.llm.script import ChatMessage

if TYPE_CHECKING:
    from sandbox.llm.checks import JsonObject


REQUIRED: Rules = {"model": NON_EMPTY_TEXT, "input": TEXT_OR_LIST}
OPTIONAL: Rules = {
    "background": or_null(BOOLEAN),
    "context_management": ANY,
    "conversation": ANY,
    "include": ANY,
    "instructions": or_null(TEXT),
    "max_output_tokens": or_null(integer(16)),
    "max_tool_calls": or_null(integer(1)),
    "metadata": or_null(OBJECT),
    "moderation": ANY,
    "parallel_tool_calls": or_null(BOOLEAN),
    "previous_response_id": or_null(TEXT),
    "prompt": or_null(OBJECT),
    "prompt_cache_key": or_null(TEXT),
    "prompt_cache_options": OBJECT,
    "prompt_cache_retention": or_null(one_of("in_memory", "24h")),
    "reasoning": or_null(OBJECT),
    "safety_identifier": or_null(TEXT),
    "service_tier": or_null(TEXT),
    "store": or_null(BOOLEAN),
    "stream": or_null(BOOLEAN),
    "stream_options": or_null(OBJECT),
    "temperature": or_null(number(0, 2)),
    "text": OBJECT,
    "tool_choice": ANY,
    "tools": ANY,
    "top_logprobs": or_null(integer(0)),
    "top_p": or_null(number(0, 1)),
    "truncation": or_null(one_of("auto", "disabled")),
    "user": TEXT,
}
"""Every parameter of the API; those a chat bot does not send are not looked into."""

REASONING: Rules = {
    "effort": or_null(TEXT),
    "summary": or_null(one_of("auto", "concise", "detailed")),
    "generate_summary": ANY,
    "context": ANY,
}
STREAM_OPTIONS: Rules = {"include_obfuscation": BOOLEAN}

ROLES = ("user", "assistant", "system", "developer")
MESSAGE: Rules = {"role": one_of(*ROLES), "content": TEXT_OR_LIST}
MESSAGE_OPTIONAL: Rules = {
    "type": exactly("message"),
    "id": TEXT,
    "phase": or_null(TEXT),
    "status": one_of("in_progress", "completed", "incomplete"),
}
PARTS: dict[str, Rules] = {
    "input_text": {"text": TEXT},
    "input_image": {},
    "input_file": {},
    "output_text": {"text": TEXT},
    "refusal": {"refusal": TEXT},
}
"""A part's type → its required fields."""
PARTS_OPTIONAL: dict[str, Rules] = {
    "input_image": {
        "image_url": or_null(TEXT),
        "file_id": or_null(TEXT),
        "detail": one_of("low", "high", "auto", "original"),
    },
    "input_file": {"file_data": TEXT, "file_id": TEXT, "file_url": TEXT, "filename": TEXT},
    "output_text": {"annotations": ANY, "logprobs": ANY},
}
INPUT_PARTS = ("input_text", "input_image", "input_file")
OUTPUT_PARTS = ("output_text", "refusal")


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    model: str
    messages: tuple[ChatMessage, ...]
    """The instructions first, as a message of the role system."""
    stream: bool
    summary: bool
    """A summary of the reasoning is to be shown."""
    obfuscation: bool
    echo: JsonObject
    """The parameters that the response repeats."""


def check_response_request(body: object) -> ResponseRequest:
    """Raises RefusalError (400) that names the first wrong parameter."""
    fields = check_object(body, REQUIRED, OPTIONAL)
    reasoning = fields.get("reasoning")
    if reasoning is not None:
        reasoning = check_object(reasoning, {}, REASONING, within="reasoning.")
    messages = _input(fields["input"])
    model = str(fields["model"])
    if model not in MODELS:
        message = f"The requested model '{model}' does not exist."
        raise RefusalError(400, "model", message)
    instructions = fields.get("instructions")
    system = (ChatMessage("system", str(instructions)),) if instructions else ()
    return ResponseRequest(
        model=model,
        messages=system + messages,
        stream=fields.get("stream") is True,
        summary=bool(reasoning and reasoning.get("summary")),
        obfuscation=_obfuscation(fields),
        echo={
            "instructions": instructions,
            "max_output_tokens": fields.get("max_output_tokens"),
            "temperature": fields.get("temperature", 1.0),
            "top_p": fields.get("top_p", 1.0),
        },
    )


def _obfuscation(fields: JsonObject) -> bool:
    options = fields.get("stream_options")
    if options is None:
        return True
    if fields.get("stream") is not True:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise RefusalError(400, "stream_options", message, "invalid")
    options = check_object(options, {}, STREAM_OPTIONS, within="stream_options.")
    return options.get("include_obfuscation") is not False


def _input(value: object) -> tuple[ChatMessage, ...]:
    if isinstance(value, str):
        return (ChatMessage("user", value),)
    assert isinstance(value, list)
    if not value:
        message = "Invalid 'input': empty array. Expected an array with minimum length 1."
        raise RefusalError(400, "input", message, "invalid")
    return tuple(_item(item, f"input[{index}].") for index, item in enumerate(value))


def _item(value: object, path: str) -> ChatMessage:
    fields = check_object(value, MESSAGE, MESSAGE_OPTIONAL, within=path)
    role, content = str(fields["role"]), fields["content"]
    if isinstance(content, str):
        return ChatMessage(role, content)
    assert isinstance(content, list)
    parts = (_part(part, role, f"{path}content[{index}]") for index, part in enumerate(content))
    return message_of(role, parts)


def _part(value: object, role: str, path: str) -> Part:
    kind = value.get("type") if isinstance(value, dict) else None
    kinds = OUTPUT_PARTS if role == "assistant" else INPUT_PARTS
    if not isinstance(kind, str) or kind not in kinds:
        supported = ", ".join(repr(kind) for kind in kinds)
        message = f"Invalid value: {kind!r}. Supported values are: {supported}."
        raise RefusalError(400, f"{path}.type" if kind is None else path, message, "invalid")
    required = {"type": TEXT, **PARTS[kind]}
    fields = check_object(value, required, PARTS_OPTIONAL.get(kind, {}), within=f"{path}.")
    if kind == "input_image" and fields.get("file_id") is None:
        field = f"{path}.image_url"
        image = image_of_url(fields.get("image_url"), field)
        check_image(image, field)
        return image
    return str(fields["text"]) if "text" in fields else None
