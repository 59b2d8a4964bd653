"""`tune`: find the best model and settings for the data, and the expected gain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from config.settings import load_settings
from recommender.cli.epilog import epilog
from recommender.cli.evaluation_options import (
    FILE,
    evaluation_options,
    moment_of,
    opened_source,
    plan_of,
    reported,
    show_and_write,
)
from recommender.evaluation.shown_metrics import shown_difference, shown_metric
from recommender.evaluation.splits import splits_of
from recommender.evaluation.tuning import TuningResult
from recommender.evaluation.tuning import tune as search

_STATUSES = {
    0: "chosen",
    1: "there is nothing to learn from or to test on, or a database is down, or a file is not written",
    2: "the command is wrong",
}


@click.command(
    epilog=epilog(
        "tune",
        "tune --movielens ml-latest-small --split last-part",
        "tune --models ease,neighbours --users 2000 --json tuning.json",
        statuses=_STATUSES,
    )
)
@evaluation_options
@click.option("--json", "json_path", type=FILE, help="Write all figures to this file.")
def tune(*, json_path: Path | None, **given: Any) -> None:
    """Search for the model and settings that predict best.

    Chooses model, hyperparameters, weights and content score on the validation period, which precedes the
    test, and measures the choice once on the test. If nothing is significantly better than popularity there,
    popularity is chosen. Prints lines for .env, a command and the expected gain. Changes nothing.
    """
    settings = load_settings()
    plan = plan_of(settings, given)
    with opened_source(settings, given) as source, reported() as report:
        splits = splits_of(source, plan.split, moment_of(given))
        tuning = search(source, splits, given["models"], plan, report)
    show_and_write(_lines(tuning), (json_path, lambda: tuning.model_dump_json(indent=2) + "\n"))


def _lines(tuning: TuningResult) -> Iterator[str]:
    metric = tuning.test.metric
    by = shown_metric(metric)
    yield f"Best of {tuning.tried:,} on the validation period, by {by}, with the difference to popularity:"
    for each in tuning.best:
        yield f"  {each.mean:.4f}  {shown_difference(each.against_popularity)}  {each.name}"
    for reason in tuning.refused:
        yield f"  not tried: {reason}"
    yield ""
    if tuning.is_fallback:
        yield "Nothing is significantly better than popularity there, so popularity is chosen:"
    else:
        yield f"Chosen: {tuning.chosen}. In .env:"
    yield ""
    yield from tuning.settings
    yield ""
    yield from tuning.commands
    if tuning.commands:
        yield ""
    (chosen,) = (each for each in tuning.test.variants if each.name == tuning.chosen)
    group = tuning.test.of_group(chosen)
    yield f"On the test, not used for the choice: {shown_metric(metric)} {group.metrics[metric].mean:.4f}"
    for baseline in tuning.test.baselines:
        if baseline != chosen.name:
            yield f"  {shown_difference(group.against[baseline][metric])}, against {baseline}"
