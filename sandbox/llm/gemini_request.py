"""Checks a generateContent request as strictly as Gemini does.

The fields are those of https://ai.google.dev/api/generate-content. As in every JSON form of a
protocol buffer, a field can be written in lowerCamelCase or in snake_case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.llm.checks import (
    ANY,
    BOOLEAN,
    LIST,
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
from sandbox.llm.content import Part, check_image, decode_image, message_of
from sandbox.llm.script import ChatImage, ChatMessage

if TYPE_CHECKING:
    from collections.abc import Iterator


REQUEST: Rules = {
    "cachedContent": TEXT,
    "contents": LIST,
    "generationConfig": OBJECT,
    "model": TEXT,
    "safetySettings": LIST,
    "serviceTier": TEXT,
    "store": BOOLEAN,
    "systemInstruction": OBJECT,
    "toolConfig": OBJECT,
    "tools": LIST,
}
GENERATION_CONFIG: Rules = {
    "candidateCount": integer(1),
    "enableEnhancedCivicAnswers": BOOLEAN,
    "frequencyPenalty": number(-2, 2),
    "imageConfig": OBJECT,
    "logprobs": integer(0),
    "maxOutputTokens": integer(1),
    "mediaResolution": TEXT,
    "presencePenalty": number(-2, 2),
    "responseJsonSchema": ANY,
    "responseLogprobs": BOOLEAN,
    "responseMimeType": TEXT,
    "responseModalities": LIST,
    "responseSchema": OBJECT,
    "seed": integer(-(2**31)),
    "speechConfig": OBJECT,
    "stopSequences": LIST,
    "temperature": number(0, 2),
    "thinkingConfig": OBJECT,
    "topK": integer(1),
    "topP": number(0, 1),
}
THINKING_CONFIG: Rules = {
    "includeThoughts": BOOLEAN,
    "thinkingBudget": integer(-1),
    "thinkingLevel": TEXT,
}
CONTENT: Rules = {"role": TEXT, "parts": LIST}
ROLES = {"user": "user", "model": "assistant"}
"""The API's role → that of a ChatMessage."""
DATA: Rules = {
    "codeExecutionResult": OBJECT,
    "executableCode": OBJECT,
    "fileData": OBJECT,
    "functionCall": OBJECT,
    "functionResponse": OBJECT,
    "inlineData": OBJECT,
    "text": TEXT,
}
"""The fields of which a part has exactly one."""
PART: Rules = {
    **DATA,
    "mediaResolution": OBJECT,
    "partMetadata": OBJECT,
    "thought": BOOLEAN,
    "thoughtSignature": TEXT,
    "videoMetadata": OBJECT,
}
BLOB_REQUIRED: Rules = {
    "mimeType": one_of("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"),
    "data": TEXT,
}
BLOB: Rules = {"displayName": or_null(TEXT)}
UNSNIFFED = ("image/heic", "image/heif")
"""Kinds of image that are taken at their word."""

URL_SAFE = str.maketrans("-_", "+/")

_SNAKE = re.compile(r"_([a-z])")


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    messages: tuple[ChatMessage, ...]
    """The system instruction first; the role `model` as assistant."""
    thoughts: bool
    """Thoughts are to be shown."""


def check_generate_request(body: object) -> GenerateRequest:
    """Raises RefusalError (400)."""
    fields = _object(body, REQUEST)
    config = _object(fields.get("generationConfig", {}), GENERATION_CONFIG, "generation_config.")
    thinking = _object(
        config.get("thinkingConfig", {}), THINKING_CONFIG, "generation_config.thinking_config."
    )
    return GenerateRequest(
        messages=(*_system(fields.get("systemInstruction")), *_contents(fields.get("contents"))),
        thoughts=thinking.get("includeThoughts") is True,
    )


def _system(value: object) -> Iterator[ChatMessage]:
    """The role of a system instruction is passed over."""
    if value is not None:
        content = _object(value, CONTENT, "system_instruction.")
        yield message_of("system", _parts(content, "system_instruction"))


def _contents(value: object) -> Iterator[ChatMessage]:
    """Turns of one role in a row are taken."""
    if not value:
        raise _violation("contents", "contents is not specified")
    assert isinstance(value, list)
    for index, item in enumerate(value):
        path = f"contents[{index}]"
        content = _object(item, CONTENT, f"{path}.")
        role = content.get("role", "user")
        if role not in ROLES:
            raise RefusalError(400, None, "Please use a valid role: user, model.")
        yield message_of(ROLES[str(role)], _parts(content, path))


def _parts(content: JsonObject, path: str) -> Iterator[Part]:
    parts = content.get("parts")
    if not parts:
        where = path.partition("[")[0]
        raise _violation(f"{path}.parts", f"{where}.parts must not be empty.")
    assert isinstance(parts, list)
    for index, part in enumerate(parts):
        yield _part(part, f"{path}.parts[{index}]")


def _part(value: object, path: str) -> Part:
    fields = _object(value, PART, f"{path}.")
    data = [name for name in DATA if name in fields]
    if len(data) > 1:
        message = f"Invalid value at '{path}' (oneof), oneof field 'data' is already set."
        raise RefusalError(400, path, message)
    if not data or fields.get("text") == "":
        problem = "required oneof field 'data' must have one initialized field"
        raise _violation(f"{path}.data", problem)
    if "text" in fields:
        return None if fields.get("thought") else str(fields["text"])
    if "inlineData" in fields:
        return _image(fields["inlineData"], f"{path}.inline_data.")
    return None


def _image(value: object, path: str) -> ChatImage:
    blob = _object(value, BLOB, path, required=BLOB_REQUIRED)
    image = ChatImage(
        str(blob["mimeType"]), decode_image(_standard_base64(str(blob["data"])), f"{path}data")
    )
    if image.media_type not in UNSNIFFED:
        check_image(image, f"{path}data")
    return image


def _standard_base64(text: str) -> str:
    """Protocol buffers take the URL-safe alphabet too, and need no padding."""
    return text.translate(URL_SAFE) + "=" * (-len(text) % 4)


def _object(
    value: object, optional: Rules, within: str = "", *, required: Rules | None = None
) -> JsonObject:
    """`value` with its names in lowerCamelCase. Raises RefusalError (400)."""
    if isinstance(value, dict):
        value = {_SNAKE.sub(lambda match: match[1].upper(), name): v for name, v in value.items()}
    return check_object(value, required or {}, optional, within=within)


def _violation(field: str, problem: str) -> RefusalError:
    """The message of the API's own validator, which names the field from the request's type on."""
    return RefusalError(400, None, f"* GenerateContentRequest.{field}: {problem}\n")
