"""Our bot: `parlance run` as its users start it, or believing in other limits than it ships with.

As a program: `python -m benchmarks.contenders.parlance strict run --config FILE`.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from bot.reply.surface import Budget

if TYPE_CHECKING:
    from benchmarks.contenders.base import Place

BELIEFS = {"strict": Budget(rate=1.0, burst=3.0, reserve=1.0)}
"""What a bot that knew of the server's strict preset would take a private chat's budget to be."""

CONFIG = """
[{platform}]
token = "{token}"
{addresses}

[providers.main]
kind = "openai"
base_url = "{model_url}"
api_key = "{model_key}"
model = "benchmark"

[storage]
url = "sqlite:///{folder}/parlance.db"

[access]
open = true

[server]
port = {port}
"""


def command(place: Place, *, platform: str = "telegram", belief: str = "") -> list[str]:
    config = place.folder / "config.toml"
    config.write_text(
        CONFIG.format(
            platform=platform,
            token=place.platform["token"],
            addresses=_addresses(platform, place),
            model_url=place.model_url,
            model_key=place.model_key,
            folder=place.folder,
            port=place.port,
        )
    )
    program = [__name__, belief] if belief else ["bot"]
    return ["-m", *program, "run", "--config", str(config)]


believing_strict = partial(command, belief="strict")
on_discord = partial(command, platform="discord")


def _addresses(platform: str, place: Place) -> str:
    if platform == "telegram":
        return f'api_url = "{place.platform["url"]}"'
    return "\n".join(f'{key} = "{place.platform[key]}"' for key in ("api_url", "gateway_url"))


def main(belief: str, arguments: list[str]) -> None:
    from bot.__main__ import main as run  # noqa: PLC0415 - only the bot's own process needs these
    from bot.platforms.telegram import surface  # noqa: PLC0415

    surface.PRIVATE = BELIEFS[belief]
    sys.argv = ["parlance", *arguments]
    run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
