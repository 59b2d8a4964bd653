"""`evaluate`: how good recommendations would have been at a past moment."""

from datetime import datetime

import click

from recommender.cli.common import quiet
from recommender.cli.help_text import epilog
from recommender.evaluation.replay import DEFAULT_LIMIT, Replay, replay, replay_settings, score
from recommender.models.fitting import Fitting

_CAVEATS = (
    "Logs favor what was shown: what nobody was given then is hardly ever liked.",
    "Catalog and stated genres are those of today: without deleted items, with what was stated later.",
)


def _moment(_ctx: click.Context, _param: click.Parameter, value: str) -> datetime:
    """Return a date, or a date and time, in ISO 8601; UTC, unless it names a time zone."""
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"must be a moment such as 2026-06-01 or 2026-06-01T12:00:00Z, got {value!r}"
        ) from None


@click.command(
    epilog=epilog(
        "evaluate --as-of 2026-06-01",
        "evaluate --as-of 2026-06-01 --set CONTENT_WEIGHT=0.2 --set MODEL=ease",
        statuses={
            0: "the moment was served again",
            1: "it cannot be: a setting, a model, an overlay or a database; or nothing followed",
            2: "the command is wrong",
        },
    )
)
@click.option(
    "--as-of", callback=_moment, required=True, help="The moment to serve again, such as 2026-06-01."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Serve with another value of a setting, or with MODEL=NAME.",
)
@click.option(
    "--users", type=click.IntRange(min=1), default=1_000, show_default=True, help="At most so many."
)
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=DEFAULT_LIMIT, show_default=True, help="Items for each."
)
def evaluate(*, as_of: datetime, assignments: tuple[str, ...], users: int, limit: int) -> None:
    """Serve a past moment again, and score it against what followed.

    Recommends to users who went on to like or watch what they had not seen, from what was known at the
    moment: of interactions, nothing at or after it is read.
    """
    settings, model = replay_settings(assignments)
    fitting = Fitting(settings.models.training_memory_mb << 20)
    with quiet("psycopg", "recommender"):
        served = replay(settings, as_of, model=model, users=users, limit=limit, fitting=fitting)
    if not served.users:
        raise click.ClickException(f"no user liked or watched anything new from {as_of.isoformat()} on")
    _print(served, limit)


def _print(served: Replay, limit: int) -> None:
    scores = score(served.users, limit)
    new = sum(user.is_new for user in served.users)
    click.echo(
        f"{served.as_of:%Y-%m-%d %H:%M:%S} UTC, {served.model}: {scores.users:,} of "
        f"{served.eligible_users:,} users who went on to like or watch something new, {new:,} of them "
        "without a history"
    )
    click.echo(f"NDCG@{limit} {scores.ndcg:.4f}, hit rate {scores.hit_rate:.4f}, ", nl=False)
    click.echo(f"personalised {scores.personalised:.1%}")
    if scores.degraded:
        click.echo(
            f"Warning: {scores.degraded:,} answers are without a database that did not answer.", err=True
        )
    for caveat in _CAVEATS:
        click.echo(caveat)
