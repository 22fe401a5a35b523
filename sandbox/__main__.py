"""Start one of the sandbox's servers: `python -m sandbox telegram`, `discord` or `llm`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys

SERVERS = {
    "telegram": "sandbox.telegram.server",
    "discord": "sandbox.discord.server",
    "llm": "sandbox.llm.server",
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Loopback servers to try Parlance against.",
        epilog="python -m sandbox SERVER --help lists a server's options.",
    )
    parser.add_argument("server", choices=SERVERS)
    chosen = parser.parse_args(arguments[:1]).server
    server = importlib.import_module(SERVERS[chosen])
    options = argparse.ArgumentParser(prog=f"python -m sandbox {chosen}")
    server.add_arguments(options)
    asyncio.run(server.serve(options.parse_args(arguments[1:])))


if __name__ == "__main__":
    main(sys.argv[1:])
