"""`python -m recommender`: the group of all commands."""

import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import click
from click.exceptions import NoSuchCommand

from config.setting_types import PROGRAM, SettingsError
from config.stop_signals import exit_on_sigterm_if_first
from recommender import __version__
from recommender.cli.epilog import block
from recommender.cli.output import plain_lines, quiet
from recommender.errors import (
    DatabaseUnavailableError,
    EmptyCatalogError,
    LoadError,
    MarqueeError,
    NothingToRecommendFromError,
    one_line,
)
from recommender.system.cores import limit_library_threads

_INTERRUPTED = 130
# Of a command's line in the help of the group: before and between the columns, as in click's own.
_MARGINS = 6
_CHECK = f"`{PROGRAM} check` says what is wrong with the databases."


class _LazyCommand(NamedTuple):
    """A command that is imported when it is called.

    `module`: its module, and the function of the same name in it. `summary`: the first paragraph of its help.
    """

    module: str
    summary: str


_COMMANDS = {
    "batch": _LazyCommand("batch", "Write recommendations for many users to a file."),
    "check": _LazyCommand("check", "Check the databases: what is wrong, and what to do."),
    "compile": _LazyCommand("compile_models", "Compile the models' code before the first training."),
    "demo": _LazyCommand("demo", "Fill the configured databases with demo data."),
    "evaluate": _LazyCommand("evaluate", "Compare models by what users liked later."),
    "experiments": _LazyCommand("experiments", "Show experiments and their results."),
    "forget": _LazyCommand("forget", "Ignore users' interactions, and remove them from models."),
    "load-movielens": _LazyCommand(
        "load_movielens", "Fill the configured databases from a MovieLens folder."
    ),
    "make-key": _LazyCommand("make_key", "Make an API key, and its entry for API_KEYS."),
    "migrate": _LazyCommand("migrate", "Create or remove the tables of RECOMMENDATION_DB_URL."),
    "models": _LazyCommand("models", "Show trained models, and choose which version serves."),
    "recommend": _LazyCommand("recommend", "Show a user's recommendations and their scores."),
    "serve": _LazyCommand("serve", "Serve recommendations on HOST and PORT."),
    "train": _LazyCommand("train", "Train a model; running servers use it within seconds."),
    "trainer": _LazyCommand("trainer", "Train by TRAINING_SCHEDULE and on new interactions."),
    "tune": _LazyCommand("tune", "Search for the model and settings that predict best."),
}


class _Commands(click.Group):
    """Imports a command when it is called: some take a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        found = _COMMANDS.get(cmd_name)
        if found is None:
            return None
        command: click.Command = getattr(import_module(f"recommender.cli.{found.module}"), found.module)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        # By default click imports each command for its summary.
        limit = formatter.width - _MARGINS - max(map(len, _COMMANDS))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, click.Command(name, help=each.summary).get_short_help_str(limit))
                    for name, each in _COMMANDS.items()
                ]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as exc:
            # By default click proposes only commands that are imported already.
            raise NoSuchCommand(exc.command_name, possibilities=_COMMANDS, ctx=ctx) from None


@click.group(
    cls=_Commands,
    epilog=block(
        "In this order:",
        (
            "check         checks whether the databases can serve",
            "              (demo or load-movielens fill empty ones)",
            "recommend     shows one user's recommendations",
            "train         trains a model that replaces live SQL (trainer does it by schedule;",
            "              compile makes the first run quicker)",
            "models        lists the trained versions, and selects the one that serves",
            "forget        makes the service ignore the interactions of users",
            "migrate       creates the tables of recommendation_db, where models are published",
            "evaluate      compares models by what users liked later; tune finds settings",
            "experiments   lists experiments, and reports their results",
            "batch         writes the recommendations of many users to a file",
            "serve         serves the API; make-key makes keys for its callers",
            "",
            f"{PROGRAM} COMMAND --help has examples.",
        ),
    ),
)
@click.version_option(__version__, prog_name="marquee")
def commands() -> None:
    """Personalized media recommendations directly from an app's PostgreSQL databases.

    DB_HOST and the like, in the environment or in .env, name the databases; without them, serve starts a
    demo.

    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status. Known errors are one line on standard error."""
    exit_on_sigterm_if_first()
    # Before a command imports numpy.
    limit_library_threads()
    _print_any_text()
    try:
        # The driver's warnings end in an error that is printed below; the server sets up its own log.
        with quiet("psycopg"):
            result = commands.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return _INTERRUPTED
    except (MarqueeError, SettingsError, OSError) as exc:
        click.echo(f"Error: {plain_lines(_in_words(exc))}", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _print_any_text() -> None:
    """Replace what the encoding of standard output lacks: titles and signs could not be printed at all."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and (out.errors == "strict" or out.encoding.lower() != "utf-8"):
        out.reconfigure(errors="replace")


def _in_words(exc: Exception) -> str:
    """Return what is wrong, and what to do."""
    match exc:
        case EmptyCatalogError():
            return f"the catalog is empty: catalog_db answers but holds no media. {_CHECK}"
        case NothingToRecommendFromError():
            return f"catalog_db does not answer. {_CHECK}"
        case DatabaseUnavailableError():
            return f"{str(exc).rstrip('.')}. {_CHECK}"
        case LoadError():
            return one_line(exc)
        case OSError(filename=str(name), strerror=str(reason)):
            return f"{name}: {reason}"
    return str(exc)
