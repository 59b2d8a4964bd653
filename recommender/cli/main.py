"""`python -m recommender`: the group that the commands belong to."""

from collections.abc import Sequence

import click

from config.setting_types import SettingsError
from recommender import __version__
from recommender.cli.batch import batch
from recommender.cli.check import check
from recommender.cli.common import quiet
from recommender.cli.compile_models import compile_models
from recommender.cli.demo import demo
from recommender.cli.evaluate import evaluate
from recommender.cli.experiments import experiments
from recommender.cli.forget import forget
from recommender.cli.help_text import block
from recommender.cli.load_movielens import load_movielens
from recommender.cli.make_key import make_key
from recommender.cli.migrate import migrate
from recommender.cli.models import models
from recommender.cli.recommend import recommend
from recommender.cli.serve import serve
from recommender.cli.train import train
from recommender.cli.trainer import trainer
from recommender.cli.tune import tune
from recommender.errors import (
    DatabaseUnavailableError,
    EmptyCatalogueError,
    LoadError,
    MarqueeError,
    NothingToRecommendFromError,
)

_INTERRUPTED = 130
_CHECK = "`python -m recommender check` says what is wrong with the databases."


@click.group(
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
            "python -m recommender COMMAND --help has examples.",
        ),
    )
)
@click.version_option(__version__, prog_name="marquee")
def commands() -> None:
    """Personalised media recommendations straight from an app's PostgreSQL databases.

    The databases are those of the settings, DB_HOST and the like, in the environment or in .env; without any,
    serve brings a demo of its own.

    """


for command in (
    batch,
    check,
    compile_models,
    demo,
    evaluate,
    experiments,
    forget,
    load_movielens,
    make_key,
    migrate,
    models,
    recommend,
    serve,
    train,
    trainer,
    tune,
):
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. Errors of ours are a line on standard error, not a traceback."""
    try:
        # What a driver warns of ends in an error of ours; the server sets up its own log.
        with quiet("psycopg"):
            result = commands.main(arguments, prog_name="python -m recommender", standalone_mode=False)
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
        case EmptyCatalogueError():
            return f"the catalogue is empty: catalog_db answers, and holds no media. {_CHECK}"
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
