"""A page is ranked by the blend of both scores, among the eligible items."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.popularity import Popularity
from recommender.entities import (
    Blend,
    CatalogEntry,
    Content,
    History,
    ItemFilter,
    Options,
    Page,
    Strategy,
    Weights,
)
from recommender.models.base import (
    NO_SCORES,
    Choice,
    Contributions,
    ItemScores,
    ScoreExplanation,
    Scorer,
    UserContext,
)
from recommender.models.whole_scores import scores_of_floats
from recommender.serving.hydration import ItemScope
from recommender.serving.ranker import RankedPage, Ranker
from tests.support.datasets import ALL_TIME
from tests.support.scorers import EmptyScorer

GENRES = {"a": ["Action"], "b": ["Drama"], "c": ["Action", "Drama"], "d": None}
# By popularity: d, c, b, a.
POPULARITY = Popularity.of({"a": 1, "b": 2, "c": 3, "d": 4}, 10)
WEIGHTS = Weights(0.4, 0.6)
PAGE = Page(10)


@pytest.fixture(scope="module")
def index() -> CatalogIndex:
    entries = [
        CatalogEntry((names, None, None), item_id, item_id.encode() * 8) for item_id, names in GENRES.items()
    ]
    return build_index(entries, POPULARITY)


def user(stated: tuple[str, ...] = (), seen: tuple[str, ...] = ()) -> UserContext:
    return UserContext("u", {genre: genre for genre in stated}, History(seen_ids=seen), ALL_TIME)


def scores(index: CatalogIndex, **values: float) -> ItemScores:
    found = index.locate(list(values))
    return scores_of_floats(np.array(list(values.values())), found)


def scope(index: CatalogIndex, *missing: str) -> ItemScope:
    existing: NDArray[np.bool_] = ~index.mask(missing)
    return ItemScope(existing=existing, showable=existing)


def rank(
    index: CatalogIndex,
    who: UserContext,
    given: ItemScores,
    *missing: str,
    options: Options | None = None,
    content: Content = "stated",
    scorer: Scorer | None = None,
) -> RankedPage:
    choice = Choice(scorer or EmptyScorer(), Blend(WEIGHTS, content))
    return Ranker(index, options or Options()).rank(who, choice, given, scope(index, *missing), PAGE)


def ids(index: CatalogIndex, page: RankedPage) -> list[str]:
    return [index.item_ids[idx] for idx in page.item_idx.tolist()]


def test_without_scores_popular_items_fill_the_page(index: CatalogIndex) -> None:
    page = rank(index, user(), NO_SCORES)
    assert ids(index, page) == ["d", "c", "b", "a"]
    assert page.strategy is Strategy.POPULAR
    assert not page.recommendation.any()


def test_both_scores_count_by_their_weights(index: CatalogIndex) -> None:
    page = rank(index, user(("action", "drama")), scores(index, a=1.0, d=0.5))
    assert dict(zip(ids(index, page), page.recommendation.tolist(), strict=True)) == pytest.approx(
        {"a": 0.4 / 2 + 0.6, "c": 0.4, "d": 0.3, "b": 0.2}
    )
    assert page.strategy is Strategy.HYBRID


def test_seen_and_deleted_items_are_left_out_before_scores_are_scaled(
    index: CatalogIndex,
) -> None:
    given = scores(index, a=4.0, b=2.0, c=1.0)
    page = rank(index, user(seen=("a",)), given)
    assert ids(index, page) == ["b", "c", "d"]
    assert page.collaborative.tolist() == [1.0, 0.5, 0.0]
    assert page.max_score == pytest.approx(2.0)
    page = rank(index, user(seen=("a",)), given, "b")
    assert (ids(index, page), page.collaborative.tolist()) == (["c", "d"], [1.0, 0.0])


def test_filters_choose_items_and_change_no_score(index: CatalogIndex) -> None:
    given = scores(index, a=4.0, b=2.0, c=1.0)
    options = Options(filters=ItemFilter(excluded_ids=("a",)))
    page = rank(index, user(), given, options=options)
    assert (ids(index, page)[0], page.collaborative[0]) == ("b", 0.5)


def test_scores_of_all_items_rank_as_scores_of_some(index: CatalogIndex) -> None:
    some = scores(index, a=4.0, c=1.0)
    whole = np.zeros(len(index.item_ids))
    whole[index.locate(["a", "c"])] = [4.0, 1.0]
    sparse = rank(index, user(("drama",), ("d",)), some)
    dense = rank(index, user(("drama",), ("d",)), scores_of_floats(whole, None))
    assert ids(index, sparse) == ids(index, dense)
    assert sparse.recommendation.tolist() == dense.recommendation.tolist()


def test_a_score_below_0_counts_as_0(index: CatalogIndex) -> None:
    assert rank(index, user(), scores(index, a=-1.0, b=-2.0)).strategy is Strategy.POPULAR
    page = rank(index, user(), scores(index, a=1.0, b=-2.0))
    assert (ids(index, page)[0], page.collaborative.min()) == ("a", 0.0)


def test_a_model_that_cannot_explain_leaves_that_out(index: CatalogIndex) -> None:
    page = rank(index, user(), scores(index, a=1.0), options=Options(explained=True))
    assert page.explanation is not None
    assert (page.explanation.contributions, page.explanation.evidence) == ([], None)
    assert page.shown_idx.tolist() == page.item_idx.tolist()


class Explaining(EmptyScorer):
    """Explains every score by the items of the history: by `largest`, and by 1 less for each next item."""

    def __init__(self, largest: float) -> None:
        self._largest = largest

    def explain(
        self,
        user: UserContext,
        scores: ItemScores,  # noqa: ARG002 - the interface
        item_idx: NDArray[np.intp],
        items: CatalogIndex,
        top_k: int,
    ) -> ScoreExplanation:
        found = items.locate(user.history.positive_ids)[:top_k]
        return ScoreExplanation(
            [Contributions(found, self._largest - np.arange(len(found), dtype=np.float64))] * len(item_idx)
        )


def explanations(index: CatalogIndex, scorer: Explaining) -> dict[str, str]:
    """Return the ids of the items that explain each item to a user who watched all of them."""
    given, options = scores(index, a=4.0, b=3.0, c=2.0, d=1.0), Options(explained=True)
    page = rank(index, watcher("a", "b", "c", "d"), given, options=options, scorer=scorer)
    assert page.explanation is not None
    listed = [
        "".join(index.item_ids.texts_at(each.item_idx.tolist())) for each in page.explanation.contributions
    ]
    return dict(zip(ids(index, page), listed, strict=True))


def test_an_item_is_not_explained_by_itself(index: CatalogIndex) -> None:
    """Where a watch does not exclude an item, it may be recommended again."""
    assert explanations(index, Explaining(4.0)) == {"a": "bcd", "b": "acd", "c": "abd", "d": "abc"}


def test_items_that_lower_a_score_or_add_nothing_do_not_explain_it(index: CatalogIndex) -> None:
    assert explanations(index, Explaining(2.0)) == {"a": "b", "b": "a", "c": "ab", "d": "ab"}


def watcher(*item_ids: str) -> UserContext:
    return UserContext("u", {}, History(positive_ids=item_ids), ALL_TIME)


def test_by_profile_a_history_alone_makes_content(index: CatalogIndex) -> None:
    page = rank(index, watcher("b", "gone"), NO_SCORES, content="profile")
    assert page.strategy is Strategy.CONTENT
    found = dict(zip(ids(index, page), page.content.tolist(), strict=True))
    # By taste, b, d (which has no genres), c, a; by popularity, d, c, b, a.
    assert found["b"] / popularity(2) > found["d"] == pytest.approx(0.5)
    assert 0.5 > found["c"] / popularity(3) > found["a"] / popularity(1)
    assert page.recommendation.tolist() == sorted((0.4 * page.content).tolist(), reverse=True)


def popularity(users: int) -> float:
    """Return the factor of an item with this number of users, if the most popular one has 4."""
    return float(np.sqrt(np.log1p(users) / np.log1p(4)))


@pytest.mark.parametrize("who", [user(), watcher("d"), user(("western",))])
def test_by_profile_no_known_genre_leaves_the_order_of_popularity(
    index: CatalogIndex, who: UserContext
) -> None:
    page = rank(index, who, NO_SCORES, content="profile")
    assert (page.strategy, ids(index, page)) == (Strategy.POPULAR, ["d", "c", "b", "a"])


def test_by_profile_both_scores_count_by_their_weights(index: CatalogIndex) -> None:
    page = rank(index, user(("action",)), scores(index, a=1.0, b=0.5), content="profile")
    assert page.strategy is Strategy.HYBRID
    assert page.recommendation.tolist() == pytest.approx(
        (0.4 * page.content + 0.6 * page.collaborative).tolist()
    )
    assert ids(index, page)[0] == "a"
    assert sorted(page.recommendation.tolist(), reverse=True) == page.recommendation.tolist()
