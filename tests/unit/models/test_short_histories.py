"""With a longer history, the trained model gradually replaces similar users."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.deadline import Deadline
from recommender.entities import Blend, DatabaseName, History, Weights
from recommender.errors import DatabaseUnavailableError
from recommender.model_store.selection import Selection
from recommender.models.base import (
    ItemScores,
    Scores,
    TrainableModel,
    UserContext,
)
from recommender.models.ease import Ease, EaseConfig
from recommender.models.registry import MODELS
from recommender.models.short_histories import ShortHistories, interpolated_blend, trained_share
from recommender.models.user_knn.scores import ExplainsBySimilarUsers
from recommender.models.whole_scores import scores_of_floats
from tests.contract.cases import checkerboard, fitted, item
from tests.support.datasets import ALL_TIME, context, dataset, index_of
from tests.support.scorers import EmptyScorer

BOUND = 5
SOON = Deadline.after(60)
CONFIGURED, LEARNED = Blend(Weights(0.4, 0.6), "stated"), Blend(Weights(0.1, 0.9), "profile")
DATA = dataset(checkerboard())
INDEX = index_of(DATA)
STRANGER = "a stranger"
# All items of one block, and those of another.
OWN = [item(1, number) for number in range(4)] + [item(2, number) for number in range(4)]


class Live(ExplainsBySimilarUsers, EmptyScorer):
    """Similar users from memory, in place of live SQL. Counts its calls."""

    def __init__(self, down: DatabaseName | None = None) -> None:
        self.asked: list[int] = []
        self._down = down
        self._model = fitted("neighbours", DATA)

    def score(self, users: Sequence[UserContext], items: CatalogIndex, deadline: Deadline) -> Scores:
        self.asked.append(len(users))
        if self._down is not None:
            raise DatabaseUnavailableError(self._down)
        return self._model.score(users, items, deadline)


class Fixed:
    """Scores the same items for every user."""

    name = "fixed"
    version: str | None = "1"

    def __init__(self, scores: Mapping[int, float]) -> None:
        self._scores = scores_of_floats(np.array(list(scores.values())), np.array(list(scores)))

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,  # noqa: ARG002 - the interface
        deadline: Deadline,  # noqa: ARG002
    ) -> Scores:
        return [self._scores] * len(users)


@pytest.fixture(scope="module", params=["ease", "ease_transitions", "als", "item_knn", "transitions"])
def trained(request: pytest.FixtureRequest) -> TrainableModel:
    return fitted(request.param, DATA)


def user(items: int, name: str = STRANGER) -> UserContext:
    return context(name, OWN[:items])


def dense(scores: ItemScores, who: UserContext | None = None) -> NDArray[np.float64]:
    """Return scores of all items; those of seen items are 0."""
    values = np.zeros(len(INDEX.item_ids))
    places = slice(None) if scores.item_idx is None else scores.item_idx
    values[places] = scores.values / scores.steps
    if who is not None:
        values[INDEX.mask(who.history.seen_ids)] = 0.0
    return values


def share_of(scores: ItemScores, who: UserContext) -> NDArray[np.float64]:
    """Return scores divided by the largest one of unseen items."""
    values = dense(scores, who)
    return np.asarray(values / (values.max() or 1.0))


@pytest.mark.parametrize("items", range(1, BOUND))
def test_below_min_history_scores_mix_both_models_by_their_shares(
    trained: TrainableModel, items: int
) -> None:
    live, who = Live(), user(items)
    (mixed,) = ShortHistories(trained, live, BOUND).score([who], INDEX, SOON)
    ours, theirs = (share_of(each.score([who], INDEX, SOON)[0], who) for each in (trained, live))
    found = dense(mixed, who)
    share = (items / BOUND) ** 0.5
    np.testing.assert_allclose(found, share * ours + (1 - share) * theirs, atol=1e-8)
    assert (found >= np.minimum(ours, theirs) - 1e-8).all()
    assert (found <= np.maximum(ours, theirs) + 1e-8).all()


@pytest.mark.parametrize("items", [BOUND, BOUND + 1, len(OWN)])
def test_from_min_history_on_scores_are_exactly_those_of_the_trained_model(
    trained: TrainableModel, items: int
) -> None:
    live, who = Live(), user(items)
    (found,) = ShortHistories(trained, live, BOUND).score([who], INDEX, SOON)
    (alone,) = trained.score([who], INDEX, SOON)
    assert (found.values.tolist(), found.steps) == (alone.values.tolist(), alone.steps)
    assert live.asked == []


def test_a_user_gets_the_same_scores_alone_and_in_a_batch(trained: TrainableModel) -> None:
    mixture = ShortHistories(trained, Live(), BOUND)
    users = [user(items, f"stranger {items}") for items in range(len(OWN) + 1)]
    for who, together in zip(users, mixture.score(users, INDEX, SOON), strict=True):
        (alone,) = mixture.score([who], INDEX, SOON)
        np.testing.assert_array_equal(dense(together), dense(alone))
        assert together.steps == alone.steps


def test_similar_users_are_looked_for_once_and_only_for_short_histories(trained: TrainableModel) -> None:
    live = Live()
    users = [user(items, f"stranger {items}") for items in (1, 7, 3, 8, 4)]
    ShortHistories(trained, live, BOUND).score(users, INDEX, SOON)
    assert live.asked == [3]


def test_without_similar_users_the_trained_scores_serve_and_name_what_is_missing(
    trained: TrainableModel,
) -> None:
    down = Live(DatabaseName.ENGAGEMENT)
    users = [user(2, "short"), user(7, "long")]
    mixture = ShortHistories(trained, down, BOUND)
    found, alone = mixture.score(users, INDEX, SOON), trained.score(users, INDEX, SOON)
    assert [each.missing for each in found] == [DatabaseName.ENGAGEMENT, None]
    for ours, theirs in zip(found, alone, strict=True):
        np.testing.assert_array_equal(dense(ours), dense(theirs))
    everything = np.arange(len(INDEX.item_ids))
    explained = mixture.explain(users[0], found[0], everything, INDEX, BOUND)
    sums = [each.values.sum() for each in explained.contributions]
    np.testing.assert_allclose(sums, dense(found[0]), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("items", range(1, BOUND))
def test_contributions_of_both_add_up_to_the_mixture(trained: TrainableModel, items: int) -> None:
    who = user(items)
    mixture = ShortHistories(trained, Live(), BOUND)
    (scores,) = mixture.score([who], INDEX, SOON)
    unseen = np.flatnonzero(~INDEX.mask(who.history.seen_ids))
    explained = mixture.explain(who, scores, unseen, INDEX, BOUND)
    assert explained.evidence is None
    for score, each in zip(dense(scores)[unseen], explained.contributions, strict=True):
        assert each.values.sum() == pytest.approx(score, abs=1e-6)
        assert set(each.item_idx.tolist()) <= set(INDEX.locate(who.history.positive_ids).tolist())
        assert (np.diff(each.values) <= 0).all()


@pytest.mark.parametrize(("history", "sign"), [(["h1", "h2"], -1.0), (["h2"], 1.0)])
def test_a_negative_contribution_to_one_score_counts_against_the_other(
    history: list[str], sign: float
) -> None:
    """By ease, h2 lowers the score of m, though not below 0; by similar users, it raises it a little."""
    together = [["h1", "m"]] * 60 + [["h2", "z"]] * 60 + [["h1", "h2", "z"]] * 30 + [["h1", "h2", "m"]] * 3
    data = dataset({f"u{number:03}": items for number, items in enumerate(together)})
    index, who = index_of(data), context(STRANGER, history)
    trained, live = Ease(EaseConfig(regularisation=5.0)), MODELS["neighbours"].make({"similar_users": 200})
    for model in (trained, live):
        model.fit(data)
    mixture = ShortHistories(trained, live, BOUND)
    (scores,) = mixture.score([who], index, SOON)
    target, h2 = index.locate(["m", "h2"])
    assert scores.item_idx is not None
    score = scores.values[scores.item_idx == target].sum() / scores.steps
    (found,) = mixture.explain(who, scores, np.array([target]), index, BOUND).contributions
    assert found.values.sum() == pytest.approx(score, abs=1e-6)
    assert np.sign(found.values[found.item_idx == h2]).tolist() == [sign]


def test_the_largest_contributions_are_those_of_the_sum() -> None:
    who = user(BOUND - 1)
    mixture = ShortHistories(fitted("item_knn", DATA), Live(), BOUND)
    (scores,) = mixture.score([who], INDEX, SOON)
    item_idx = INDEX.locate([item(1, 5)])
    whole, few = (mixture.explain(who, scores, item_idx, INDEX, top_k) for top_k in (BOUND, 2))
    assert few.contributions[0].item_idx.tolist() == whole.contributions[0].item_idx.tolist()[:2]


def test_with_a_model_that_explains_nothing_similar_users_are_explained() -> None:
    who = user(2)
    mixture = ShortHistories(Fixed({0: 1.0}), Live(), BOUND)
    (scores,) = mixture.score([who], INDEX, SOON)
    explained = mixture.explain(who, scores, INDEX.locate([item(1, 5)]), INDEX, BOUND)
    assert explained.contributions[0].values.sum() == pytest.approx(
        dense(scores)[INDEX.locate([item(1, 5)])[0]], abs=1e-6
    )


def test_an_item_the_user_has_seen_does_not_set_the_scale() -> None:
    who = user(1)
    (seen,) = INDEX.locate(OWN[:1]).tolist()
    other = INDEX.locate([item(3, 0)])[0]
    (scores,) = ShortHistories(Fixed({seen: 100.0, int(other): 1.0}), Live(), BOUND).score([who], INDEX, SOON)
    assert dense(scores)[other] == pytest.approx((1 / BOUND) ** 0.5)


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_share_rises_with_every_item_up_to_one(items: int, bound: int) -> None:
    fewer, more = (
        trained_share(History(positive_ids=[str(n) for n in range(count)]), bound)
        for count in (items, items + 1)
    )
    assert 0.0 <= fewer <= more <= 1.0
    assert (fewer == 1.0) == (items >= bound)
    assert (fewer == 0.0) == (items == 0 < bound)


@given(st.floats(0, 1), st.sampled_from([LEARNED, CONFIGURED, Blend(Weights(0.0, 1.0))]))
def test_weights_pass_from_the_configured_ones_to_the_learned_ones(share: float, learned: Blend) -> None:
    weights = interpolated_blend(CONFIGURED, learned, share).weights
    for now, ends in zip(
        (weights.content, weights.collaborative),
        ((0.4, learned.weights.content), (0.6, learned.weights.collaborative)),
        strict=True,
    ):
        assert min(ends) <= now <= max(ends)
        assert now == pytest.approx((1 - share) * ends[0] + share * ends[1], abs=0.001)


def test_weights_learned_without_content_rank_short_histories_by_profile() -> None:
    alone = Blend(Weights(0.0, 1.0), "stated")
    assert interpolated_blend(CONFIGURED, alone, 0.5) == Blend(Weights(0.2, 0.8), "profile")
    assert interpolated_blend(alone, alone, 0.5) == alone


def selection(trained: TrainableModel | None, bound: int = BOUND) -> Selection:
    return Selection(Live(), trained, ALL_TIME.days, LEARNED, CONFIGURED, bound)


def test_users_get_the_live_model_the_mixture_or_the_trained_one(trained: TrainableModel) -> None:
    models = selection(trained)
    choices = [models.select(user(items)) for items in range(BOUND + 1)]
    assert choices[0].scorer is models.live
    assert choices[0].blend == CONFIGURED
    mixtures = {id(choice.scorer) for choice in choices[1:-1]}
    assert len(mixtures) == 1, "users are scored together"
    assert {choice.scorer.name for choice in choices[1:]} == {trained.name}
    assert choices[-1].scorer is trained
    assert choices[-1].blend == LEARNED
    contents = [choice.blend.weights.content for choice in choices]
    assert all(more > fewer for more, fewer in pairwise(contents))


def test_without_a_bound_every_user_is_given_the_trained_model(trained: TrainableModel) -> None:
    models = selection(trained, 0)
    choices = [models.select(user(items)) for items in range(BOUND)]
    assert {id(choice.scorer) for choice in choices} == {id(trained)}
    assert [choice.blend for choice in choices] == [CONFIGURED] + [LEARNED] * (BOUND - 1)


def test_similar_users_are_mixed_into_models_that_learn_from_histories_alone() -> None:
    mixing = {name for name, each in MODELS.items() if each.mixes_similar_users}
    assert mixing >= {"item_knn", "ease", "transitions", "ease_transitions", "als"}
    assert not mixing & {"popularity", "content", "neighbours"}
