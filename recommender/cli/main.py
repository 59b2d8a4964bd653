"""`python -m recommender`: the group of all commands."""

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
    """Imports a command when it is called: some take a second to import."""

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
        click.echo(f"Error: {_in_words(exc)}", err=True)
        return 1
    return result if isinstance(result, int) else 0


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
            # The driver's message may have several lines.
            return " ".join(str(exc).split())
        case OSError(filename=str(name), strerror=str(reason)):
            return f"{name}: {reason}"
    return str(exc)
