"""A straightforward bot on python-telegram-bot: it edits once a second, in the loop over tokens.

Nothing in it is meant to be wrong: it honours RetryAfter, and it goes on in a new message where
one is full.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from openai import AsyncOpenAI
from telegram.error import RetryAfter, TimedOut
from telegram.ext import Application, MessageHandler, filters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telegram import Message, Update

T = TypeVar("T")

EDIT_EVERY = 1.0
LONGEST = 4000
CHATS = 1024
model = AsyncOpenAI()


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except RetryAfter as error:
            wait = error.retry_after
            await asyncio.sleep(wait if isinstance(wait, int) else wait.total_seconds())
        except TimedOut:
            await asyncio.sleep(1)


async def answer(update: Update, _context: object) -> None:
    question = update.effective_message
    assert question is not None
    stream = await model.chat.completions.create(
        model="benchmark", messages=[{"role": "user", "content": question.text or ""}], stream=True
    )
    reply: Message | None = None
    text, shown, edited_at = "", "", 0.0
    async for chunk in stream:
        delta = chunk.choices[0].delta.content or ""
        if reply is not None and len(text) + len(delta) > LONGEST:
            if text != shown:
                await patiently(partial(reply.edit_text, text))
            reply, text = None, ""
        text += delta
        if reply is None and text.strip():
            reply = await patiently(partial(question.reply_text, text))
            shown, edited_at = text, time.monotonic()
        elif reply is not None and time.monotonic() - edited_at >= EDIT_EVERY and text != shown:
            await patiently(partial(reply.edit_text, text))
            shown, edited_at = text, time.monotonic()
    if reply is not None and text != shown:
        await patiently(partial(reply.edit_text, text))


def main() -> None:
    url = os.environ["PLATFORM_URL"]
    builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(f"{url}/bot")
    app = builder.concurrent_updates(CHATS).read_timeout(60).pool_timeout(60).build()
    app.add_handler(MessageHandler(filters.TEXT, answer))
    app.run_polling()


if __name__ == "__main__":
    main()
