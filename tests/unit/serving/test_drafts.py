"""Two rankings become one list, in which each page goes on where the page before it ends."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.popularity import UNKNOWN_POPULARITY
from recommender.domains.base import Verbs
from recommender.entities import Blend, CatalogEntry, History, Item, Options, Page, Weights
from recommender.experiments.tokens import TokenSigner
from recommender.models.base import Choice, Draft, UserContext
from recommender.models.whole_scores import scores_of_floats
from recommender.serving.drafts import DRAFTED_ITEMS, Scored, UserList, list_for
from recommender.serving.hydration import ItemScope
from recommender.serving.ranker import Ranker
from recommender.serving.results import ResultContext, result_of
from tests.support.datasets import ALL_TIME
from tests.support.scorers import EmptyScorer

COUNT = 300
BLEND = Blend(Weights(0.0, 1.0))
SECOND = Choice(EmptyScorer(), BLEND)
FIRST = Choice(EmptyScorer(), BLEND, draft=Draft("ranker", ("a", "b"), SECOND))
SIGNER = TokenSigner(["k" * 32])
DAY = "2026-01-01"


@pytest.fixture(scope="module")
def index() -> CatalogIndex:
    entries = [
        CatalogEntry((None, None, None), f"{number:03}", f"{number:016}".encode()) for number in range(COUNT)
    ]
    return build_index(entries, UNKNOWN_POPULARITY)


def listed(index: CatalogIndex, page: Page, day: str = DAY) -> UserList:
    """Return a page of the list of two rankings: by rising index, and by another order."""
    existing = np.ones(COUNT, dtype=np.bool_)
    by_index = np.arange(COUNT, 0.0, -1.0)
    scored = [
        Scored(FIRST, scores_of_floats(by_index, None)),
        Scored(SECOND, scores_of_floats(np.random.default_rng(1).permutation(by_index), None)),
    ]
    user = UserContext("u", {}, History(), ALL_TIME)
    return list_for(
        Ranker(index, Options()), user, scored, scope=ItemScope(existing, existing), page=page, day=day
    )


def items(found: UserList) -> list[int]:
    return [int(found.pages[entry.page].item_idx[entry.rank]) for entry in found.entries]


def test_a_list_beyond_the_drafted_items_has_each_item_once(index: CatalogIndex) -> None:
    whole = listed(index, Page(COUNT))
    assert sorted(items(whole)) == list(range(COUNT))
    teams = [entry.team for entry in whole.entries]
    assert {*teams[:DRAFTED_ITEMS]} == {0, 1}
    assert {*teams[DRAFTED_ITEMS:]} == {None}
    for page in (Page(90, 150), Page(50, 250), Page(7, 7)):
        assert items(listed(index, page)) == items(whole)[page.offset : page.offset + page.limit]


def test_another_day_gives_another_list(index: CatalogIndex) -> None:
    assert items(listed(index, Page(20))) == items(listed(index, Page(20)))
    assert items(listed(index, Page(20))) != items(listed(index, Page(20), "2026-01-02"))


def test_tokens_of_a_later_page_have_the_rank_in_the_whole_list(index: CatalogIndex) -> None:
    context = ResultContext(
        index=index,
        details={item_id: Item(item_id, item_id, (), {}) for item_id in index.item_ids},
        degraded=(),
        verbs=Verbs(),
        signer=SIGNER,
        given_at=datetime(2026, 1, 1, tzinfo=UTC),
        offset=7,
    )
    result = result_of(listed(index, Page(3, 7)), [FIRST, SECOND], context)
    placements = [SIGNER.read(item.token or "") for item in result.items]
    assert [placement and placement.rank for placement in placements] == [8, 9, 10]
