"""Decide whether a challenger replaces the champion, the variant that answers now."""

from typing import NamedTuple

from recommender.entities import Blend
from recommender.evaluation.results import Evaluation, MetricDifference, Verdict
from recommender.evaluation.search_space import in_blend
from recommender.evaluation.variants import ALONE, Fit, RankingVariant
from recommender.model_store.artifact import Metadata
from recommender.models.registry import DEFAULT_MODEL
from recommender.trainer.candidates import Pinned, pinned_fit

_POPULARITY_MODEL = "popularity"


class Decision(NamedTuple):
    """The variant that serves from now on, and the reason. `is_new`: it is the challenger."""

    winner: RankingVariant
    reason: str
    is_new: bool = False


def variant_of(
    metadata: Metadata | None, configured: Blend, pinned: Pinned, *, learns_blend: bool
) -> RankingVariant:
    """Return the variant of a version; without a version, the default model in the configured blend."""
    if metadata is None:
        return in_blend(pinned_fit(DEFAULT_MODEL, {}, pinned), configured)
    learned = metadata.provenance.blend if learns_blend else None
    return in_blend(pinned_fit(metadata.model, metadata.hyperparameters, pinned), learned or configured)


def challenger_of(chosen: RankingVariant, champion: RankingVariant, *, learns_blend: bool) -> RankingVariant:
    """Return the chosen variant of a search in its published form: popularity is its own model, unblended.

    With a fixed blend, popularity cannot stand alone: then the champion is its own challenger.
    """
    if chosen.fit is not None:
        return chosen
    return in_blend(Fit(_POPULARITY_MODEL), Blend(ALONE)) if learns_blend else champion


def decide(champion: RankingVariant, challenger: RankingVariant, evaluation: Evaluation) -> Decision:
    """Return the challenger if it is significantly better than the champion, else the champion.

    Args:
        champion: the variant that serves now.
        challenger: the variant that would be published.
        evaluation: of both on the same users, compared with the champion.
    """
    if challenger.name == champion.name:
        return Decision(champion, f"The search found nothing better than {champion.name}.")
    refused = {each.name: each.refused for each in evaluation.refused}
    if challenger.name in refused:
        return Decision(champion, f"{challenger.name} was refused: {refused[challenger.name]}")
    if champion.name in refused:
        return Decision(challenger, f"The champion was refused: {refused[champion.name]}", is_new=True)
    found = difference_of(evaluation, challenger.name, champion.name)
    figures = f"{evaluation.metric} {found.mean:+.4f}, 95 % interval {found.low:+.4f} to {found.high:+.4f}"
    if found.verdict is Verdict.BETTER:
        reason = f"{challenger.name} is significantly better than {champion.name}: {figures}."
        return Decision(challenger, reason, is_new=True)
    reason = f"{challenger.name} is not significantly better than {champion.name}, which stays: {figures}."
    return Decision(champion, reason)


def difference_of(evaluation: Evaluation, variant: str, champion: str) -> MetricDifference:
    """Return the difference of a measured variant to the champion, paired over users."""
    (result,) = (each for each in evaluation.measured if each.name == variant)
    return evaluation.of_group(result).against[champion][evaluation.metric]
