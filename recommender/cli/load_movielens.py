"""`load-movielens`: fill the databases with real ratings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from config.settings import load_settings
from recommender.cli.epilog import epilog
from recommender.cli.progress import show_progress
from recommender.demo.line_notes import LineNotes
from recommender.demo.movielens import LoadReport, MovieLensFolder
from recommender.entities import DatabaseName


@click.command(
    epilog=epilog("load-movielens ml-latest-small", "load-movielens movietweetings --scale 10 --replace")
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--scale", type=click.Choice(["5", "10"]), default="5", help="The highest possible rating in the files."
)
@click.option(
    "--keep-times", is_flag=True, help="Keep the times of the ratings, instead of moving the newest to now."
)
@click.option("--replace", is_flag=True, help="Delete all data of the databases first.")
def load_movielens(*, folder: Path, scale: str, keep_times: bool, replace: bool) -> None:
    """Fill the configured databases from a MovieLens folder.

    To try the service with real ratings, and to measure how good its recommendations are.

    FOLDER holds ratings.csv and movies.csv, or the older ratings.dat and movies.dat. Ratings of 4 and more
    become LIKE, of 3 and 3.5 WATCH, below that DISLIKE. MovieTweetings rates from 0 to 10: --scale 10.

    The first line may name the columns, in any order and case: userId, movieId, rating and timestamp, and
    movieId, title and genres (joined by |). Without it they are in this order. Times are Unix seconds or
    milliseconds, or ISO 8601, which is UTC unless it names a zone. Lines that are left out ("Skipped") or
    loaded in another form ("Adjusted") are counted by reason, and the first of them are shown.
    """
    settings = load_settings()
    urls = {name: settings.databases.url(name) for name in DatabaseName}
    now = None if keep_times else datetime.now(UTC).replace(tzinfo=None)
    click.echo(f"Reading {folder} …", err=True)
    report = MovieLensFolder(folder, float(scale)).load(urls, show_progress, replace=replace, now=now)
    _print_report(report)
    window = timedelta(days=settings.ranking.interaction_window_days)
    if window and report.span > window:
        click.echo(
            f"The ratings span {report.span.days:,} days, but only the last {window.days} count. "
            "Set INTERACTION_WINDOW_DAYS=0 to count them all."
        )


def _print_report(report: LoadReport) -> None:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.interactions.items()))
    click.echo(
        f"Loaded {report.users:,} users, {report.items:,} media and "
        f"{report.interactions.total():,} interactions ({kinds})."
    )
    _print_notes("Skipped", report.skipped)
    _print_notes("Adjusted", report.adjusted)
    if not report.skipped:
        click.echo("Skipped none.")


def _print_notes(what: str, notes: LineNotes) -> None:
    for reason, count, first in notes:
        click.echo(f"{what} {count:,}: {reason}.")
        for line in first:
            click.echo(f"  {line}")
        if count > len(first):
            click.echo(f"  … and {count - len(first):,} more")
