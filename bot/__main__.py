"""The command line. What a command needs is imported when it runs, so that --help is quick."""
# ruff: noqa: PLC0415 - see above

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.operations import output

if TYPE_CHECKING:
    from bot.settings.sections import ProviderSection, Settings
    from providers.base import ProviderSettings

PROVIDER_FAILED = 1
"""The exit code of `providers --check` where not every provider answers."""
SOMETHING_LEFT = 1
"""The exit code of `forget` where not everything was erased."""
BAD_SETTING = 2
"""The exit code for a configuration that can't be used."""

app = typer.Typer(
    name="parlance",
    help="A self-hosted chat bot: watch a language model's answers being written.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # They show local variables, and so secrets.
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings file; config.toml if not given."),
]


def main() -> None:
    # What any library makes from now on is this user's alone; the rest is closed by
    # bot.store.private_files.
    os.umask(0o077)
    output.mask()
    app(prog_name="parlance")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag
    if wanted:
        from importlib.metadata import version

        typer.echo(f"parlance {version('parlance')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command()
def run(
    config: ConfigFile = None,
    *,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines.")] = False,
) -> None:
    """Run the bot."""
    import structlog

    settings = _load(config, log_json=log_json)
    log = structlog.get_logger("bot")
    for line in (*_warnings(settings, config), *settings.notes()):
        log.warning(line)

    from bot import app as bot

    raise typer.Exit(bot.run(settings))


@app.command()
def demo(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Take the models from this settings file."),
    ] = None,
) -> None:
    """Try the bot on this machine, without any token."""
    settings = _load(config, platforms=False) if config else None

    from bot.operations.log import configure
    from bot.settings.sections import LogSettings

    configure(LogSettings(level="warning"), settings.secrets() if settings else ())

    from bot.demo import run as sandboxed

    raise typer.Exit(sandboxed.run(settings))


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check the settings and sum them up; connects to nothing."""
    settings = _load(config)
    for title, value in _summary(settings):
        typer.echo(f"{title + ':':<11} {value}")
    for line in _warnings(settings, config):
        typer.echo(f"warning: {line}")
    for line in settings.notes():
        typer.echo(f"note: {line}")


@app.command()
def providers(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The settings file; for --check, config.toml if not given.",
        ),
    ] = None,
    *,
    params: Annotated[
        bool, typer.Option("--params", help="Show the parameters of each kind instead.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Ask each configured provider for a word instead.")
    ] = False,
) -> None:
    """List the kinds of provider; with --config, also what uses them."""
    from providers import describe, registry

    if check:
        import asyncio

        settings = _load(config, platforms=False)
        raise typer.Exit(0 if asyncio.run(_probe_all(settings)) else PROVIDER_FAILED)
    listed = _load(config, platforms=False) if config else None
    if params:
        for kind in registry.kinds():
            typer.echo(describe.params_line(kind))
    else:
        _print_kinds(listed)


@app.command()
def forget(
    chat: Annotated[
        str, typer.Option("--chat", metavar="CHAT", help="As the log has it: telegram:BOT:CHAT.")
    ],
    config: ConfigFile = None,
) -> None:
    """Erase a chat from the history and the queue; count what is left of it."""
    settings = _load(config)
    from bot.cli.forget import ForgetError, forget
    from bot.store.databases import StorageError

    try:
        erased = forget(settings.storage.url, chat)
    except (ForgetError, StorageError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_SETTING) from None
    for table, rows, left in erased:
        typer.echo(f"{table + ':':<26} {rows} erased, {left} left")
    raise typer.Exit(SOMETHING_LEFT if any(left for _, _, left in erased) else 0)


@app.command()
def migrate(
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="The database: postgresql://USER@HOST/NAME.")
    ],
    config: ConfigFile = None,
) -> None:
    """Move all conversations from SQLite to PostgreSQL; the bot must be stopped."""
    settings = _load(config, platforms=False)

    from bot.cli import migrate as moving
    from bot.store.databases import StorageError

    try:
        moving.run(settings.storage.url, to)
    except StorageError as error:
        typer.echo(error, err=True)
        raise typer.Exit(BAD_SETTING) from None


def _load(path: Path | None, *, platforms: bool = True, log_json: bool = False) -> "Settings":
    """Read the settings and set up the log, or say what is wrong and exit."""
    from bot.operations.log import configure
    from bot.settings.load import ConfigError, load
    from bot.settings.outside_secrets import outside_secrets

    try:
        settings = load(path, platforms=platforms)
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(BAD_SETTING) from None
    configure(settings.log, settings.secrets() | outside_secrets(), as_json=log_json)
    return settings


def _warnings(settings: "Settings", config: Path | None) -> list[str]:
    from bot.settings.exposed import exposed

    return [*settings.warnings(), *exposed(config, settings.secrets())]


def _summary(settings: "Settings") -> list[tuple[str, str]]:
    from providers.redact import redact

    platforms = (
        (name, section)
        for name, section in (("telegram", settings.telegram), ("discord", settings.discord))
        if section is not None
    )
    server, hook = settings.server, settings.telegram and settings.telegram.webhook_url
    listening = [("server", f"http://{server.host}:{server.port}")] if server.port else []
    posted = [("webhook", redact(hook))] if hook else []
    answering = (
        f"{name} ({section.kind}{f', {section.model}' if section.model else ''})"
        for name, section in settings.fallback().items()
    )
    access = settings.access
    people = f"{_count(len(access.admins), 'admin')}, {_count(len(access.users), 'user')}"
    return [
        ("platforms", ", ".join(f"{name} ({redact(at.api_url)})" for name, at in platforms)),
        ("providers", ", ".join(answering)),
        ("storage", redact(settings.storage.url)),
        ("access", "open to anyone" if access.open else people),
        *listening,
        *posted,
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


async def _probe_all(settings: "Settings") -> bool:
    """Ask every configured provider, with each of its keys, all at once; a line for each."""
    import asyncio

    asked = [
        asyncio.create_task(_probe(_label(name, number, section), variant))
        for name, section in settings.providers.items()
        for number, variant in enumerate(section.variants(), 1)
    ]
    for probing in asked:
        line, _ = await probing
        typer.echo(line)
    return all(answered for _, answered in map(asyncio.Task.result, asked))


def _label(name: str, number: int, section: "ProviderSection") -> str:
    key = f", key {number}" if len(section.api_keys) > 1 else ""
    return f"{name}{key} ({section.kind}, {section.model or 'its default model'})"


async def _probe(label: str, settings: "ProviderSettings") -> tuple[str, bool]:
    """Return what to say of one provider with one key, and whether it answers."""
    from providers import registry
    from providers.probe import probe

    try:
        provider = registry.create(settings)
    except ValueError as error:
        return f"{label}: {error}", False
    probed = await probe(provider)
    if probed.failure:
        return f"{label}: failed after {probed.seconds:.2f} s: {probed.failure}", False
    return f"{label}: answers, first text after {probed.seconds:.2f} s", True


def _print_kinds(settings: "Settings | None") -> None:
    from rich.console import Console
    from rich.table import Table

    from providers import describe

    table = Table("kind", "url", "models", "stream", "images", "auth", "working", box=None)
    if settings:
        table.add_column("used by")
    for row in describe.table():
        cells = [row.kind, row.url, row.models, row.stream, row.images, row.auth, row.working]
        if settings:
            users = (name for name, at in settings.providers.items() if at.kind == row.kind)
            cells.append(", ".join(users))
        table.add_row(*cells)
    # A pipe has no width; lines that wrap are hard to search.
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)


if __name__ == "__main__":
    main()
