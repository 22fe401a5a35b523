"""A straightforward bot on discord.py: it edits once a second, in the loop over tokens.

discord.py waits out the rate limits itself. Nothing in this bot is meant to be wrong.
"""

from __future__ import annotations

import os
import time

import discord
from openai import AsyncOpenAI
from yarl import URL

EDIT_EVERY = 1.0
LONGEST = 1900
model = AsyncOpenAI()


class Bot(discord.Client):
    async def on_message(self, question: discord.Message) -> None:
        if question.author.bot:
            return
        stream = await model.chat.completions.create(
            model="benchmark", messages=[{"role": "user", "content": question.content}], stream=True
        )
        reply: discord.Message | None = None
        text, shown, edited_at = "", "", 0.0
        async for chunk in stream:
            delta = chunk.choices[0].delta.content or ""
            if reply is not None and len(text) + len(delta) > LONGEST:
                if text != shown:
                    await reply.edit(content=text)
                reply, text = None, ""
            text += delta
            if reply is None and text.strip():
                reply = await question.reply(text)
                shown, edited_at = text, time.monotonic()
            elif reply is not None and time.monotonic() - edited_at >= EDIT_EVERY and text != shown:
                await reply.edit(content=text)
                shown, edited_at = text, time.monotonic()
        if reply is not None and text != shown:
            await reply.edit(content=text)


def main() -> None:
    discord.http.Route.BASE = os.environ["PLATFORM_URL"]
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = URL(os.environ["GATEWAY_URL"])
    intents = discord.Intents.default()
    intents.message_content = True
    Bot(intents=intents).run(os.environ["BOT_TOKEN"])


if __name__ == "__main__":
    main()
