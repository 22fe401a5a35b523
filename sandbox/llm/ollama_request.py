"""Checks a chat request as Ollama does, which takes what Go's JSON decoder takes.

The fields are those of ChatRequest in https://github.com/ollama/ollama/blob/main/api/types.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.llm.api import MODELS
from sandbox.llm.checks import (
    BOOLEAN,
    LIST,
    OBJECT,
    TEXT,
    RefusalError,
    Rule,
    Rules,
    check_object,
    number,
    or_null,
)
from sandbox.llm.content import check_image, decode_image
from sandbox.llm.script import ChatImage, ChatMessage

DURATION = Rule(
    "a duration",
    lambda value: isinstance(value, str | int | float) and not isinstance(value, bool),
)
THINK = Rule(
    'a boolean or a string ("high", "medium", "low", "max")',
    lambda value: isinstance(value, bool) or value in ("high", "medium", "low", "max"),
)

CHAT: Rules = {
    "keep_alive": or_null(DURATION),
    "messages": or_null(LIST),
    "model": or_null(TEXT),
    "options": or_null(OBJECT),
    "stream": or_null(BOOLEAN),
    "think": or_null(THINK),
    "tools": or_null(LIST),
}
MESSAGE: Rules = {
    "content": or_null(TEXT),
    "images": or_null(LIST),
    "role": or_null(TEXT),
    "thinking": or_null(TEXT),
    "tool_calls": or_null(LIST),
    "tool_name": or_null(TEXT),
}
NUMBER = number(float("-inf"), float("inf"))
OPTIONS: Rules = {
    "num_ctx": NUMBER,
    "num_predict": NUMBER,
    "repeat_penalty": NUMBER,
    "seed": NUMBER,
    "stop": LIST,
    "temperature": NUMBER,
    "top_k": NUMBER,
    "top_p": NUMBER,
}


@dataclass(frozen=True, slots=True)
class OllamaRequest:
    model: str
    """As it was asked for, with its tag or without."""
    messages: tuple[ChatMessage, ...]
    stream: bool
    think: bool
    unload: bool
    """`keep_alive` is 0."""


def check_chat_request(body: object) -> OllamaRequest:
    """Raises RefusalError (400, 404 for an unknown model, 500 for a wrong option)."""
    fields = check_object(body, {}, CHAT, others=True)
    model = _model(fields.get("model"))
    _check_options(fields.get("options") or {})
    messages = fields.get("messages") or []
    assert isinstance(messages, list)
    return OllamaRequest(
        model=model,
        messages=tuple(_message(m, f"messages[{index}].") for index, m in enumerate(messages)),
        stream=fields.get("stream") is not False,
        think=fields.get("think") is not False,
        unload=fields.get("keep_alive") in (0, "0", "0s"),
    )


def check_show_request(body: object) -> None:
    """Raises RefusalError (400, 404 for an unknown model)."""
    fields = check_object(body, {}, {"model": TEXT, "name": TEXT}, others=True)
    _model(fields.get("model") or fields.get("name"))


def _model(asked: object) -> str:
    if not asked:
        raise RefusalError(400, None, "model is required")
    model = str(asked)
    if model.removesuffix(":latest") not in MODELS:
        raise RefusalError(404, None, f"model '{model}' not found")
    return model


def _check_options(options: object) -> None:
    """Unknown options are passed over; one of a wrong type is found when the model is loaded."""
    try:
        check_object(options, {}, OPTIONS, within="options.", others=True)
    except RefusalError as refusal:
        raise RefusalError(500, refusal.field, refusal.message) from None


def _message(value: object, path: str) -> ChatMessage:
    fields = check_object(value, {}, MESSAGE, within=path, others=True)
    images = fields.get("images") or []
    assert isinstance(images, list)
    return ChatMessage(
        str(fields.get("role") or "").lower(),
        str(fields.get("content") or ""),
        tuple(_image(image, f"{path}images[{index}]") for index, image in enumerate(images)),
    )


def _image(value: object, field: str) -> ChatImage:
    """An image is bare base64: a data: URL is refused, as any other text."""
    image = ChatImage(data=decode_image(value, field))
    check_image(image, field)
    return image
