"""A comparison decides by users with a history, and does not decide by few of them."""

import pytest

from recommender.data.dataset import Dataset, dataset_of
from recommender.data.interactions import InteractionKind, histories_of, positive_pairs
from recommender.entities import Blend, Weights
from recommender.errors import EvaluationError
from recommender.evaluation.ranking import ShortHistory
from recommender.evaluation.search_space import in_blend
from recommender.evaluation.sources import Source
from recommender.evaluation.variants import Fit
from recommender.models.registry import MODELS
from recommender.trainer import candidates, comparison
from recommender.trainer.comparison import Conditions, compare
from tests.support.evaluation import ITEMS, Row, source_of

DEFAULT = in_blend(Fit("popularity"), Blend(Weights(0.4, 0.6)))
CONDITIONS = Conditions(
    champion=DEFAULT,
    default=DEFAULT,
    fixed=None,
    pinned={},
    short=ShortHistory(0),
    memory_bytes=1 << 30,
    seed=0,
)
USERS = 40
# Each moment has more than a fifth of the likes up to it, so that the splits are at these moments.
HISTORY, CHOICE, TEST = 500.0, 800.0, 900.0


@pytest.fixture(autouse=True)
def quick_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MODELS", {"popularity": MODELS["popularity"]})


def likes(user: str, first: int, at: float) -> list[Row]:
    return [(user, ITEMS[(first + n) % 60], InteractionKind.LIKE, at) for n in range(4)]


def source_with(*, known_at_choice: int, known_at_test: int) -> Source:
    """Return 40 users to choose by and 40 to test on, of whom some have a history, and readers of old."""
    rows = [row for user in range(30) for row in likes(f"reader{user}", user, HISTORY)]
    for moment, known, name in ((CHOICE, known_at_choice, "early"), (TEST, known_at_test, "late")):
        for user in range(USERS):
            rows += likes(f"{name}{user}", user, moment)
            if user < known:
                rows += likes(f"{name}{user}", user + 30, HISTORY)
    return source_of(rows)


def data_of(source: Source) -> Dataset:
    pairs = positive_pairs(source.interactions)
    return dataset_of(histories_of(pairs, source.interactions), "-infinity")


@pytest.mark.parametrize(("at_choice", "at_test"), [(1, USERS), (USERS, 1)], ids=["search", "test"])
def test_a_user_with_a_history_does_not_decide_alone(at_choice: int, at_test: int) -> None:
    source = source_with(known_at_choice=at_choice, known_at_test=at_test)
    with pytest.raises(EvaluationError, match="there are 1 users to compare on, but 30 are needed"):
        compare(source, data_of(source), CONDITIONS, lambda *_: None)


@pytest.mark.parametrize("known", [0, comparison.LEAST_TEST_USERS], ids=["none", "enough"])
def test_users_without_a_history_count_if_there_are_no_others(known: int) -> None:
    source = source_with(known_at_choice=known, known_at_test=known)
    found = compare(source, data_of(source), CONDITIONS, lambda *_: None)
    assert found.evaluation.of_group(found.evaluation.measured[0]).users == (known or USERS)
