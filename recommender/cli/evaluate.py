"""`evaluate`: measure how well each model finds what users liked later."""

import os
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from config.settings import load_settings
from recommender.cli.epilog import epilog
from recommender.cli.evaluation_options import (
    FILE,
    MOMENT,
    evaluation_options,
    moment_of,
    opened_source,
    plan_of,
    reported,
    show_and_write,
)
from recommender.cli.evaluation_table import lines_of
from recommender.cli.replay import show_replay
from recommender.evaluation.last_result import FOLDER, keep, to_json
from recommender.evaluation.report import render_page
from recommender.evaluation.results import Evaluation
from recommender.evaluation.runner import evaluate as compare
from recommender.evaluation.splits import splits_of
from recommender.evaluation.variants import compared_variants

_STATUSES = {
    0: "compared",
    1: "there is nothing to learn from or to test on, or a database is down, or a file is not written",
    2: "the command is wrong",
}


@click.command(
    epilog=epilog(
        "evaluate",
        "evaluate --movielens ml-latest-small --split last-part",
        "evaluate --models ease,neighbours --moment 2026-06-01 --html evaluation.html --json evaluation.json",
        "evaluate --as-of 2026-06-01 --set CONTENT_WEIGHT=0.2 --set MODEL=ease",
        statuses=_STATUSES,
    )
)
@evaluation_options
@click.option("--json", "json_path", type=FILE, help="Also write all figures to this file, as JSON.")
@click.option(
    "--html", "html_path", type=FILE, help="Also write a page that explains the figures to this file."
)
@click.option("--as-of", type=MOMENT, help="Replay requests as of this moment, instead of comparing models.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --as-of: use another value of a setting, or MODEL=NAME. Repeatable.",
)
def evaluate(
    *,
    json_path: Path | None,
    html_path: Path | None,
    as_of: datetime | None,
    assignments: tuple[str, ...],
    **given: Any,
) -> None:
    """Compare models by what users liked later.

    Compares popularity, and each model alone and mixed with the content score 40/60. Each model learns from
    what happened before a moment and ranks the whole catalog for the users of that time, as requests do. What
    they liked afterwards should be at the top. Nothing is published, and no database is written to.
    MODEL_PATH/evaluation keeps the last comparison, which the explorer shows.

    Reads the configured databases, a MovieLens folder, or a folder with interactions.parquet (user_id,
    item_id, timestamp, and type or rating) and perhaps items.parquet (item_id, genres).

    With --as-of, the service answers as of a past moment, with live SQL or a model trained on the data of
    then: interactions at or after the moment are not read.
    """
    if as_of is not None:
        if json_path is not None or html_path is not None:
            raise click.UsageError("--json and --html cannot be used with --as-of.")
        show_replay(as_of, assignments, given)
        return
    if assignments:
        raise click.UsageError("--set can only be used with --as-of.")
    if json_path is not None and html_path is not None:
        _refuse_same_file(json_path, html_path)
    settings = load_settings()
    plan = plan_of(settings, given)
    with opened_source(settings, given) as source, reported() as report:
        splits = splits_of(source, plan.split, moment_of(given))
        evaluation = compare(source, splits.test, compared_variants(given["models"]), plan, report)
    _keep(settings.models.model_path, evaluation)
    files = ((json_path, partial(to_json, evaluation)), (html_path, partial(render_page, evaluation)))
    show_and_write(lines_of(evaluation), *files)


def _refuse_same_file(json_path: Path, html_path: Path) -> None:
    if os.path.realpath(json_path) == os.path.realpath(html_path):
        raise click.UsageError("--json and --html name the same file.")


def _keep(models: Path, evaluation: Evaluation) -> None:
    """Save the result for the explorer; a failure is a warning, as the result is shown anyway."""
    try:
        keep(models, evaluation)
    except OSError as exc:
        click.echo(f"The result cannot be saved in {models / FOLDER}: {exc.strerror}.", err=True)
