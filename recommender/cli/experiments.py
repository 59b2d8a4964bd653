"""`experiments`: list experiments and report their results."""

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from config.settings import Settings, load_settings
from recommender.cli.epilog import epilog
from recommender.cli.evaluation_options import MOMENT
from recommender.configured import configured_experiments
from recommender.data.forgotten import read_forgotten
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.patient import patient_database
from recommender.entities import DatabaseName
from recommender.experiments.definitions import Experiment, find_experiment
from recommender.experiments.report import (
    InterleavingReport,
    VariantReport,
    read_ab,
    read_interleaving,
)
from recommender.experiments.statistics import CONFIDENCE, IntervalEstimate, Power
from recommender.experiments.tokens import TokenSigner

_EVER = "-infinity"
# The usual threshold for a sample ratio mismatch: small, because each report tests it again.
_MISMATCH_P = 0.001
_SMALLEST_SHOWN = 0.001
_NO_EXPOSURES = (
    "there is no statement stream_exposures, which reads the tokens that the app has stored. Put one under "
    "SQL_PATH/engagement_db/: sql/optional/engagement_db/stream_exposures.sql is an example, and "
    "docs/how-to/run-experiments.md says what it must return"
)


@click.group(epilog=epilog("experiments list", "experiments report ranker"))
def experiments() -> None:
    """Show experiments and their results."""


@experiments.command("list", epilog=epilog("experiments list"))
def list_experiments() -> None:
    """Show each experiment with its variants and their changes."""
    found = configured_experiments(load_settings().experiments)
    if not found:
        click.echo("There are no experiments.")
    for experiment in found:
        of = f", {experiment.share:.1%} of users" if experiment.is_interleaving else ""
        click.echo(f"{experiment.name}: {experiment.kind}{of}")
        for variant in experiment.variants:
            share = "" if experiment.is_interleaving else f"{variant.share:.1%} of users, "
            changes = variant.changes
            values = ", ".join(f"{name}={getattr(changes, name)}" for name in sorted(changes.names))
            click.echo(f"  {variant.name}: {share}{values or 'changes nothing'}")


@experiments.command(
    epilog=epilog(
        "experiments report diverse_lists --since 2026-06-01",
        "experiments report ranker",
        statuses={
            0: "reported",
            1: "no statement reads tokens, a database is down, or forgotten.json is unreadable",
            2: "the command is wrong",
        },
    )
)
@click.argument("name")
@click.option(
    "--since",
    type=MOMENT,
    help="When the experiment began; required for an A/B test. An interleaving experiment counts all "
    "tokens by default.",
)
def report(*, name: str, since: datetime | None) -> None:
    """Report the results of the experiment NAME.

    A/B test: the share of users who liked or watched anything since it began, by variant. Interleaving:
    which of the two rankings users prefer, by the tokens that the app has stored.

    """
    if since is not None and since > datetime.now(UTC):
        raise click.BadParameter(f"{since:%Y-%m-%d %H:%M} UTC is in the future", param_hint="--since")
    settings = load_settings()
    found = configured_experiments(settings.experiments)
    experiment = find_experiment(found, name)
    if experiment is None:
        names = ", ".join(each.name for each in found) or "none"
        raise click.BadParameter(f"there is no experiment {name!r}; there are: {names}", param_hint="NAME")
    if experiment.is_interleaving:
        lines = _interleaving_lines(_read_interleaving(experiment, settings, since))
    else:
        if since is None:
            raise click.UsageError("An A/B test needs --since, the moment when it began.")
        lines = _ab_lines(experiment, settings, since)
    for line in lines:
        click.echo(line)


def _read_interleaving(
    experiment: Experiment, settings: Settings, since: datetime | None
) -> InterleavingReport:
    start = _EVER if since is None else since.replace(tzinfo=None).isoformat()
    with patient_database(DatabaseName.ENGAGEMENT, settings.databases) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        if not engagement_db.has_exposures:
            raise click.ClickException(_NO_EXPOSURES)
        forgotten = read_forgotten(settings.models.model_path)
        return read_interleaving(
            experiment,
            forgotten.rows_of_others(engagement_db.stream_exposures(start)),
            TokenSigner(settings.experiments.experiment_key),
            settings.interaction_types.positive,
        )


def _interleaving_lines(found: InterleavingReport) -> Iterator[str]:
    first, second = found.teams
    yield f"{found.users:,} users liked or watched something from a list of {first} and {second}."
    for team, items, wins in zip(found.teams, found.credits, found.wins, strict=True):
        yield f"  {team}: {items:,} items, and more than the other with {wins:,} users"
    yield f"  as many of each with {found.ties:,} users"
    if found.refused:
        yield f"Not counted: {found.refused:,} interactions with a token that is forged or of another row."
    if not found.users:
        return
    yield f"Preference for {second} over {first}, from -0.5 to 0.5: {_shown(found.preference, CONFIDENCE)}."
    yield f"By chance, wins at least as far apart have a probability {_shown_p(found.p_value)} (sign test)."
    yield _power_line(found.power, "such users")


def _ab_lines(experiment: Experiment, settings: Settings, since: datetime) -> Iterator[str]:
    with patient_database(DatabaseName.ENGAGEMENT, settings.databases) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        forgotten = read_forgotten(settings.models.model_path)
        users = forgotten.rows_of_others(engagement_db.stream_interactions())
        found = read_ab(experiment, users, since.timestamp())
    yield f"Users who liked or watched anything since {since:%Y-%m-%d %H:%M} UTC, of all known before:"
    for each in found.variants:
        yield from _variant_lines(each, found.variants[0].name, found.confidence)
    comparisons = len(found.variants) - 1
    if comparisons > 1:
        yield (
            f"The {comparisons} differences have intervals of {_percent(found.confidence)}, so that all of "
            f"them are right in {_percent(CONFIDENCE)} of experiments. The power is that of such an interval."
        )
    if found.users_p_value < _MISMATCH_P:
        yield (
            "WARNING: users are not distributed by the shares of the variants "
            f"(p = {found.users_p_value:.1g}). Do not trust the comparison: users may be missing."
        )
    new = ", ".join(f"{each.new_positive_users:,} of {each.name}" for each in found.variants)
    yield f"New users who liked or watched anything: {new}."
    probability = _shown_p(found.new_p_value)
    yield f"By chance, numbers at least as far from the shares have a probability {probability}."


def _variant_lines(found: VariantReport, base: str, confidence: float) -> Iterator[str]:
    rate = found.rate
    yield (
        f"  {found.name}: {found.positive_users:,} of {found.users:,}, {rate.estimate:.2%} "
        f"({rate.low:.2%} to {rate.high:.2%})"
    )
    if found.difference is not None and found.power is not None:
        yield f"    against {base}: {_shown(found.difference, confidence)}"
        yield f"    {_power_line(found.power, 'users of both')}"


def _shown(interval: IntervalEstimate, confidence: float) -> str:
    sure = "a significant difference" if interval.excludes_zero else "no significant difference"
    bounds = f"{interval.low:+.4f} to {interval.high:+.4f}, {_percent(confidence)}"
    return f"{interval.estimate:+.4f} ({bounds}), {sure}"


def _shown_p(p_value: float) -> str:
    is_shown = p_value >= _SMALLEST_SHOWN
    return f"of {p_value:.3f}" if is_shown else f"below {_SMALLEST_SHOWN}"


def _percent(confidence: float) -> str:
    """Return a percentage of up to four digits, as 97.5 %."""
    return f"{100 * confidence:.4g} %"


def _power_line(power: Power, users: str) -> str:
    reached = f"Power to find such a difference: {power.reached:.0%}"
    if power.users_needed is None:
        return f"{reached}."
    return f"{reached}; 80 % would need {power.users_needed:,} {users}."
