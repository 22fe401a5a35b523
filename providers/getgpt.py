"""getgpt: chat completion chunks for a request that is encrypted with a key sent beside it."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from providers.answer import answer
from providers.base import Capabilities, Option, Provider
from providers.chat_chunks import ChatDecoder
from providers.http import BROWSER_USER_AGENT, HttpClient, Request, endpoint, own_server
from providers.images import without_images
from providers.surrogates import dump_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from providers.base import Event, Message, ProviderSettings

DEFAULT_MODEL = "gpt-3.5-turbo"


class GetGpt(Provider):
    """Raises ValueError where base_url is missing."""

    kind: ClassVar[str] = "getgpt"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://chat.getgpt.world",
        models=(DEFAULT_MODEL,),
        supports_stream=True,
        needs_auth=False,
        working=False,
        options=(
            Option("temperature", "float"),
            Option("max_tokens", "int"),
            Option("top_p", "float"),
            Option("presence_penalty", "float"),
            Option("frequency_penalty", "float"),
        ),
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        base = own_server(settings)
        self._url = endpoint(base, "api/chat/stream")
        self._headers = {"Content-Type": "application/json", "Referer": f"{base}/"}
        self._http = HttpClient(settings, user_agent=BROWSER_USER_AGENT)

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        body = dump_json({"signature": sign(dump_json(self._question(messages)))})
        request = Request("POST", self._url, self._headers, body)
        return answer(self._http, request, ChatDecoder(keep_filtered=True))

    async def close(self) -> None:
        await self._http.close()

    def _question(self, messages: Sequence[Message]) -> dict[str, object]:
        settings = self.settings
        return {
            "messages": [
                {"role": str(m.role), "content": m.text} for m in without_images(messages)
            ],
            "frequency_penalty": 0,
            "max_tokens": 4000 if settings.max_tokens is None else settings.max_tokens,
            "model": settings.model or DEFAULT_MODEL,
            "presence_penalty": 0,
            "temperature": 1 if settings.temperature is None else settings.temperature,
            "top_p": 1,
            "stream": True,
            "uuid": str(uuid4()),
        }


def sign(question: bytes) -> str:
    """Return `question` as the protocol wants it: AES-128-CBC in hex, then the key, then the IV.

    Key and IV are 16 hex characters each, used as those 16 ASCII bytes.
    """
    key, iv = token_hex(8), token_hex(8)
    cipher = AES.new(key.encode(), AES.MODE_CBC, iv.encode())
    return cipher.encrypt(pad(question, AES.block_size)).hex() + key + iv
