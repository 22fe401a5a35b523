"""A bot on telegramify-markdown's EditStream, its edits sent with python-telegram-bot.

EditStream knows no RetryAfter and writes one message: what it calls honours the one, and a new one
is begun where a message is full.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from openai import AsyncOpenAI
from telegram import MessageEntity
from telegram.error import BadRequest
from telegram.ext import Application, MessageHandler, filters
from telegramify_markdown.stream import EditStream

from benchmarks.contenders.straightforward_telegram import CHATS, LONGEST, patiently

if TYPE_CHECKING:
    from telegram import Message, Update
    from telegramify_markdown.stream.draft import EntityFinalPayload

model = AsyncOpenAI()


def page(question: Message) -> EditStream:
    """What writes one message."""

    async def send(payload: EntityFinalPayload) -> Message:
        reply = partial(question.reply_text, payload.text, entities=_entities(payload))
        return await patiently(reply)

    async def edit(sent: Message, payload: EntityFinalPayload) -> None:
        try:
            await patiently(partial(sent.edit_text, payload.text, entities=_entities(payload)))
        except BadRequest as error:
            if "not modified" not in error.message:
                raise

    return EditStream(send, edit, mode="entity")


def _entities(payload: EntityFinalPayload) -> list[MessageEntity]:
    return [MessageEntity(**entity.to_dict()) for entity in payload.entities]


async def answer(update: Update, _context: object) -> None:
    question = update.effective_message
    assert question is not None
    stream = await model.chat.completions.create(
        model="benchmark", messages=[{"role": "user", "content": question.text or ""}], stream=True
    )
    writing = await page(question).__aenter__()
    async for chunk in stream:
        delta = chunk.choices[0].delta.content or ""
        if len(writing.buffer) + len(delta) > LONGEST:
            await writing.finish()
            writing = await page(question).__aenter__()
        if delta:
            writing.feed(delta)
    await writing.finish()


def main() -> None:
    url = os.environ["PLATFORM_URL"]
    builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(f"{url}/bot")
    app = builder.concurrent_updates(CHATS).read_timeout(60).pool_timeout(60).build()
    app.add_handler(MessageHandler(filters.TEXT, answer))
    app.run_polling()


if __name__ == "__main__":
    main()
