"""Training runs over time and versions of models, as a page shows them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from recommender.entities import Blend, Weights
from recommender.model_store.currents import PromotionScope, VersionRef
from recommender.model_store.runs import (
    ComparedVariant,
    MetricInterval,
    TrainingOutcome,
    TrainingRun,
    Trigger,
    write_run,
)
from tests.support.training import publish_made_up

FIRST = datetime(2026, 11, 1, 3, tzinfo=UTC)
CHALLENGER, DEFAULT, POPULARITY = "ease 30/70 (profile)", "neighbours 40/60", "windowed popularity"


def variant(name: str, model: str | None, mean: float | None = None, gain: float = 0.0) -> ComparedVariant:
    """Return a variant with an interval of 0.02 to either side, or a refused one."""
    return ComparedVariant(
        name=name,
        model=model,
        hyperparameters={},
        content_weight=0.4,
        collaborative_weight=0.6,
        content="stated",
        metric=None if mean is None else MetricInterval(mean=mean, low=mean - 0.02, high=mean + 0.02),
        against_champion=(
            None if mean is None else MetricInterval(mean=gain, low=gain - 0.01, high=gain + 0.01)
        ),
        refused="it needs 9,000 MB of memory" if mean is None else None,
    )


def run(
    number: int, chosen: ComparedVariant, others: tuple[ComparedVariant, ...], **changes: object
) -> TrainingRun:
    """Return a run that chose one variant among others."""
    return TrainingRun(
        number=number,
        started_at=(FIRST + timedelta(days=number)).isoformat(),
        ended_at=(FIRST + timedelta(days=number, minutes=15)).isoformat(),
        trigger=Trigger.SCHEDULE,
        outcome=TrainingOutcome.REFITTED,
        reason=f"{CHALLENGER} is not significantly better than {chosen.name}, which stays.",
        champion=chosen.name,
        chosen=chosen.name,
        model=chosen.model,
        metric="ndcg@10",
        users=5_000,
        split="what happened from 2026-10-20 on",
        compared=(chosen, *others),
    ).model_copy(update=changes)


def record_history(folder: Path) -> list[TrainingRun]:
    """Record a first run, two in which the champion stays, a failed one, and one that a challenger won."""
    popularity = variant(POPULARITY, None, 0.06, -0.04)
    slow = variant("als 40/60", "als")
    nothing = TrainingRun(
        number=4,
        started_at=(FIRST + timedelta(days=4)).isoformat(),
        ended_at=(FIRST + timedelta(days=4)).isoformat(),
        trigger=Trigger.NEW_INTERACTIONS,
        outcome=TrainingOutcome.FAILED,
        reason="engagement_db does not answer.",
    )
    default = variant(DEFAULT, "neighbours", 0.10)
    runs = [
        run(1, default, (), metric=None, users=None, split=None, compared=(), trigger=Trigger.FIRST_START),
        run(2, default, (variant(CHALLENGER, "ease", 0.105, 0.005), popularity)),
        run(3, variant(DEFAULT, "neighbours", 0.11), (variant(CHALLENGER, "ease", 0.115, 0.005), popularity)),
        nothing,
        run(
            5,
            variant(CHALLENGER, "ease", 0.15, 0.05),
            (default, popularity, slow),
            outcome=TrainingOutcome.PUBLISHED,
            champion=DEFAULT,
            reason=f"{CHALLENGER} is significantly better than {DEFAULT}: ndcg@10 +0.0500.",
        ),
    ]
    for each in runs:
        write_run(folder, each)
    return runs


def publish_versions(folder: Path) -> list[VersionRef]:
    """Publish a former champion, the champion, and a version that cannot be read."""
    versions = [
        publish_made_up(folder, "neighbours"),
        publish_made_up(folder, "ease", blend=Blend(Weights(0.3, 0.7), "profile")),
        publish_made_up(folder, "popularity", promotion=PromotionScope.NONE),
    ]
    (folder / "popularity" / versions[2].version / "metadata.json").write_text("{")
    return versions
