"""Any server that speaks OpenAI's chat completions.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

from providers.answer import answer
from providers.base import (
    BadRequestError,
    Capabilities,
    Option,
    OverloadedError,
    Provider,
    TextDelta,
)
from providers.chat_chunks import ChatDecoder
from providers.http import HttpClient, Request, endpoint, header_safe, server
from providers.images import has_images, refuses_images, without_images
from providers.openai_dialect import Dialect
from providers.surrogates import dump_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from providers.base import Event, Message, ProviderSettings


class OpenAI(Provider):
    """base_url goes up to and with /v1. A key is sent only where one is set.

    Raises ValueError for settings that can't work.
    """

    kind: ClassVar[str] = "openai"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://api.openai.com/v1",
        models=(),
        supports_stream=True,
        needs_auth=True,
        working=True,
        options=(Option("temperature", "float"), Option("max_tokens", "int")),
        takes_images=True,
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self._url = endpoint(server(settings, self.capabilities), "chat/completions")
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if settings.api_key:
            self._headers["Authorization"] = f"Bearer {header_safe(settings.api_key)}"
        self._http = HttpClient(settings)
        self._dialect = Dialect()

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        while True:
            dialect = self._dialect
            request = self._request(messages, dialect)
            spoken = False
            try:
                async with aclosing(answer(self._http, request, ChatDecoder())) as events:
                    async for event in events:
                        spoken = spoken or isinstance(event, TextDelta)
                        yield event
            except (BadRequestError, OverloadedError) as error:
                other = dialect.after(str(error))
                blind = has_images(messages) and refuses_images(error)
                if spoken or not (other or blind):
                    raise
                if other:
                    self._dialect = other
                else:
                    messages = without_images(messages)
            else:
                return

    async def close(self) -> None:
        await self._http.close()

    def _request(self, messages: Sequence[Message], dialect: Dialect) -> Request:
        settings = self.settings
        body = {
            "model": settings.model,
            "messages": dialect.messages(messages),
            "stream": True,
            "stream_options": {"include_usage": True} if dialect.stream_options else None,
            "temperature": settings.temperature,
            dialect.max_tokens_field: settings.max_tokens,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return Request("POST", self._url, self._headers, dump_json(given))
