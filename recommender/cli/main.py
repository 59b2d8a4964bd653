"""`python -m recommender`: the group that the commands belong to."""

from collections.abc import Sequence

import click

from config.settings import SettingsError
from recommender import __version__
from recommender.cli.check import check
from recommender.cli.demo import demo
from recommender.cli.load_movielens import load_movielens
from recommender.cli.make_key import make_key
from recommender.cli.serve import serve
from recommender.cli.train import train
from recommender.errors import MarqueeError


@click.group()
@click.version_option(__version__, prog_name="marquee")
def commands() -> None:
    """Personalised media recommendations straight from an app's PostgreSQL databases."""


commands.add_command(check)
commands.add_command(demo)
commands.add_command(load_movielens)
commands.add_command(make_key)
commands.add_command(serve)
commands.add_command(train)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. Errors of ours are a line on standard error, not a traceback."""
    try:
        result = commands.main(arguments, prog_name="python -m recommender", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        return 130
    except (MarqueeError, SettingsError) as exc:
        click.echo(f"Error: {exc}", err=True)
        return 1
    return result if isinstance(result, int) else 0
