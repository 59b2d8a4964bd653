"""`python -m recommender`: the group that the commands belong to."""

from collections.abc import Sequence
from importlib import import_module

import click
from click.exceptions import NoSuchCommand

from config.setting_types import PROGRAM, SettingsError
from recommender import __version__
from recommender.cli.epilog import block
from recommender.cli.output import quiet
from recommender.errors import (
    DatabaseUnavailableError,
    EmptyCatalogError,
    LoadError,
    MarqueeError,
    NothingToRecommendFromError,
)

_INTERRUPTED = 130
_CHECK = f"`{PROGRAM} check` says what is wrong with the databases."


# By name: the module, and the function of the same name in it.
_COMMANDS = {
    "batch": "batch",
    "check": "check",
    "compile": "compile_models",
    "demo": "demo",
    "evaluate": "evaluate",
    "experiments": "experiments",
    "forget": "forget",
    "load-movielens": "load_movielens",
    "make-key": "make_key",
    "migrate": "migrate",
    "models": "models",
    "recommend": "recommend",
    "serve": "serve",
    "train": "train",
    "trainer": "trainer",
    "tune": "tune",
}


class _Commands(click.Group):
    """Imports a command when it is asked for: some take a second to import, and others need to start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        name = _COMMANDS.get(cmd_name)
        if name is None:
            return None
        command: click.Command = getattr(import_module(f"recommender.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as exc:
            # Click proposes what is imported.
            raise NoSuchCommand(exc.command_name, possibilities=_COMMANDS, ctx=ctx) from None


@click.group(
    cls=_Commands,
    epilog=block(
        "In this order:",
        (
            "check         are the databases as they should be?",
            "              (demo or load-movielens fill empty ones)",
            "recommend     a look at what somebody would get",
            "train         a model that scores in place of live SQL (trainer does by itself;",
            "              compile makes the first time quicker)",
            "models        which versions there are, and which one serves",
            "forget        makes what a user did count for nothing",
            "migrate       makes the tables of a database for what models have learned",
            "evaluate      which model finds what users go on to like; tune finds settings",
            "experiments   who gets another ranking, and what came of it",
            "batch         many users' recommendations, into a file",
            "serve         the API; make-key makes keys for its callers",
            "",
            f"{PROGRAM} COMMAND --help has examples.",
        ),
    ),
)
@click.version_option(__version__, prog_name="marquee")
def commands() -> None:
    """Personalised media recommendations straight from an app's PostgreSQL databases.

    The databases are those of the settings, DB_HOST and the like, in the environment or in .env; without any,
    serve brings a demo of its own.

    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. Errors of ours are a line on standard error, not a traceback."""
    try:
        # What a driver warns of ends in an error of ours; the server sets up its own log.
        with quiet("psycopg"):
            result = commands.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return _INTERRUPTED
    except (MarqueeError, SettingsError, OSError) as exc:
        click.echo(f"Error: {_in_words(exc)}", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _in_words(exc: Exception) -> str:
    """What is wrong, and what to do."""
    match exc:
        case EmptyCatalogError():
            return f"the catalog is empty: catalog_db answers, and holds no media. {_CHECK}"
        case NothingToRecommendFromError():
            return f"catalog_db does not answer. {_CHECK}"
        case DatabaseUnavailableError():
            return f"{str(exc).rstrip('.')}. {_CHECK}"
        case LoadError():
            # The driver's words may go over several lines.
            return " ".join(str(exc).split())
        case OSError(filename=str(name), strerror=str(reason)):
            return f"{name}: {reason}"
    return str(exc)
