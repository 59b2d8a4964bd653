"""`evaluate --as-of`: replay a past moment and measure its recommendations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from config.stop_signals import unwinding_on_sigterm
from recommender.cli.evaluation_options import is_given
from recommender.cli.output import quiet
from recommender.evaluation.replay import Replay, replay, replay_settings, score
from recommender.models.fitting import Fitting

_DEFAULT_USERS = 1_000

_CAVEATS = (
    "Interactions favor items that were shown: users can hardly like what they were not shown.",
    "Catalog and stated genres are of today: items deleted since are missing, and genres stated since count.",
)
# Options of comparisons that a replay rejects.
_NOT_IN_A_REPLAY = ("movielens", "parquet", "scale", "models", "split", "moment", "relevant", "seed")


def show_replay(as_of: datetime, assignments: Sequence[str], given: dict[str, Any]) -> None:
    """Recommend as of a moment, and print how well that predicts what followed.

    Args:
        as_of: the moment, with a time zone.
        assignments: `NAME=VALUE` each, of settings to serve with.
        given: the other options of `evaluate`.

    Raises:
        click.ClickException: an option does not go with a replay, or no user did anything new.
        MarqueeError: as `replay` raises.
    """
    for name in _NOT_IN_A_REPLAY:
        if is_given(name):
            raise click.UsageError(f"--{name} cannot be used with --as-of.")
    settings, model = replay_settings(assignments)
    fitting = Fitting(settings.models.training_memory_bytes)
    limit = max(given["ks"])
    # SIGTERM must remove the trained model, which holds the ids of users.
    with quiet("psycopg", "recommender"), unwinding_on_sigterm():
        served = replay(
            settings,
            as_of,
            model=model,
            users=given["users"] or _DEFAULT_USERS,
            limit=limit,
            fitting=fitting,
        )
    if not served.users:
        raise click.ClickException(f"no user liked or watched anything new from {as_of.isoformat()} on")
    _print(served, given["ks"])


def _print(served: Replay, ks: Sequence[int]) -> None:
    new = sum(user.is_new for user in served.users)
    click.echo(
        f"{served.as_of:%Y-%m-%d %H:%M:%S} UTC, {served.model}: {len(served.users):,} of "
        f"{served.eligible_users:,} users who went on to like or watch something new, {new:,} of them "
        "without a history"
    )
    for k in ks:
        scores = score(served.users, k)
        click.echo(f"NDCG@{k} {scores.ndcg:.4f}, hit rate@{k} {scores.hit_rate:.4f}")
    click.echo(f"personalized {scores.personalised:.1%}")
    if scores.degraded:
        click.echo(
            f"Warning: {scores.degraded:,} answers were made without a database that did not answer.",
            err=True,
        )
    for caveat in _CAVEATS:
        click.echo(caveat)
