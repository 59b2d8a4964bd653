"""Only a challenger that is significantly better takes the champion's place."""

from dataclasses import replace

import pytest

from recommender.entities import Blend, Weights
from recommender.evaluation.results import (
    WITH_HISTORY,
    Description,
    Evaluation,
    GroupResult,
    MetricDifference,
    VariantResult,
)
from recommender.evaluation.search_space import in_blend
from recommender.evaluation.variants import ALONE, POPULARITY, Fit, RankingVariant
from recommender.model_store.artifact import Fingerprint, Metadata, Provenance
from recommender.model_store.runs import MetricInterval
from recommender.trainer.champion import challenger_of, decide, variant_of

METRIC = "ndcg@10"
CONFIGURED = Blend(Weights(0.4, 0.6))
CHAMPION = in_blend(Fit("neighbours"), CONFIGURED)
CHALLENGER = in_blend(Fit("ease"), Blend(Weights(0.2, 0.8), "profile"))
ABOUT = Description(
    source="",
    split="time",
    moment=None,
    window_days=90,
    relevant="likes",
    stated="",
    items=1,
    train_users=1,
    train_pairs=1,
    test_users=1,
    seed=0,
    ks=(10,),
)


def result_of(
    variant: RankingVariant, difference: MetricDifference | None, refused: str | None = None
) -> VariantResult:
    group = GroupResult(
        users=50,
        metrics={METRIC: MetricInterval(mean=0.1, low=0.0, high=0.2)},
        against={} if difference is None else {CHAMPION.name: {METRIC: difference}},
    )
    return VariantResult(
        name=variant.name,
        model=None,
        hyperparameters={},
        content_weight=0.0,
        collaborative_weight=1.0,
        content="stated",
        refused=refused,
        groups={} if refused else {WITH_HISTORY: group},
    )


def evaluation_of(*results: VariantResult) -> Evaluation:
    return Evaluation(
        description=ABOUT,
        group=WITH_HISTORY,
        metric=METRIC,
        baselines=(CHAMPION.name,),
        variants=results,
    )


NONE = MetricDifference.of(0.0, 0.0, 0.0, confirmed=True)


@pytest.mark.parametrize(
    ("low", "mean", "high", "is_new"),
    [
        (0.001, 0.01, 0.02, True),
        (0.0, 0.01, 0.02, False),
        (-0.01, 0.01, 0.03, False),
        (-0.02, -0.01, -0.001, False),
    ],
)
def test_the_interval_decides(low: float, mean: float, high: float, *, is_new: bool) -> None:
    difference = MetricDifference.of(mean, low, high, confirmed=True)
    decision = decide(
        CHAMPION, CHALLENGER, evaluation_of(result_of(CHAMPION, NONE), result_of(CHALLENGER, difference))
    )
    assert decision.is_new is is_new
    assert decision.winner is (CHALLENGER if is_new else CHAMPION)
    assert f"{mean:+.4f}" in decision.reason
    assert f"{low:+.4f} to {high:+.4f}" in decision.reason


def test_a_champion_that_is_found_again_stays() -> None:
    decision = decide(CHAMPION, replace(CHAMPION), evaluation_of(result_of(CHAMPION, NONE)))
    assert not decision.is_new
    assert "nothing better" in decision.reason


def test_a_refused_variant_is_not_published_and_a_refused_champion_is_replaced() -> None:
    refused = evaluation_of(result_of(CHAMPION, NONE), result_of(CHALLENGER, None, "too large"))
    assert decide(CHAMPION, CHALLENGER, refused)[:2] == (
        CHAMPION,
        f"{CHALLENGER.name} was refused: too large",
    )
    other = evaluation_of(result_of(CHAMPION, None, "too large"), result_of(CHALLENGER, NONE))
    assert decide(CHAMPION, CHALLENGER, other).is_new


def test_popularity_is_published_as_a_model_of_its_own_unless_the_blend_is_fixed() -> None:
    published = challenger_of(POPULARITY, CHAMPION, learns_blend=True)
    assert (published.fit, published.weights) == (Fit("popularity"), ALONE)
    assert challenger_of(POPULARITY, CHAMPION, learns_blend=False) is CHAMPION
    assert challenger_of(CHALLENGER, CHAMPION, learns_blend=True) is CHALLENGER


def test_a_version_stands_for_its_hyperparameters_and_the_blend_it_was_chosen_with() -> None:
    metadata = Metadata(
        model="ease",
        version="20260101T000000.000000Z",
        built_at="2026-01-01T00:00:00+00:00",
        window_start="-infinity",
        counts={},
        libraries={},
        checksums={},
        hyperparameters={"regularisation": 7.0},
        fingerprint=Fingerprint(None, None, ""),
        code_version="",
        provenance=Provenance(made_by="trainer", blend=Blend(Weights(0.1, 0.9))),
    )
    learned = variant_of(metadata, CONFIGURED, {}, learns_blend=True)
    assert learned.fit == Fit("ease", {"regularisation": 7.0})
    assert learned.weights == Weights(0.1, 0.9)
    assert variant_of(metadata, CONFIGURED, {}, learns_blend=False).weights == CONFIGURED.weights
    assert variant_of(None, CONFIGURED, {}, learns_blend=True) == CHAMPION
