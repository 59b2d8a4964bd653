"""The model `content` scores as the content score by profile does."""

import pytest

from recommender.deadline import Deadline
from recommender.entities import History
from recommender.models.base import NO_SCORES, UserContext
from recommender.models.content import ContentConfig, ContentModel
from recommender.serving.content_scores import ProfileScores
from tests.support.datasets import ALL_TIME, dataset, index_of

GENRES = {"a": ["Action"], "b": ["Drama"], "c": ["Action", "Drama"], "d": []}
DATA = dataset({"u": ["a", "b", "c"], "v": ["c", "d"], "w": ["b", "c"]})
INDEX = index_of(DATA, others=["untrained"], genres=lambda item_id: GENRES.get(item_id, ["Action"]))


def model(**config: float) -> ContentModel:
    made = ContentModel(ContentConfig(**config))
    made.fit(DATA)
    return made


@pytest.mark.parametrize("liked", [(), ("a", "c"), ("d",)])
def test_scores_are_the_content_scores_by_profile(liked: tuple[str, ...]) -> None:
    user = UserContext("u", {"drama": "Drama"}, History(positive_ids=liked), ALL_TIME)
    (scores,) = model().score([user], INDEX, Deadline.after(60))
    assert scores.item_idx is not None
    assert {INDEX.item_ids[idx] for idx in scores.item_idx} == GENRES.keys()
    expected = ProfileScores(user, INDEX).of(scores.item_idx)
    assert (scores.values / scores.steps).tolist() == pytest.approx(expected.tolist())


def test_without_a_known_genre_there_are_no_scores() -> None:
    user = UserContext("u", {"western": "Western"}, History(positive_ids=("d", "gone")), ALL_TIME)
    assert list(model().score([user], INDEX, Deadline.after(60))) == [NO_SCORES]


def test_hyperparameters_are_obeyed() -> None:
    user = UserContext("u", {"drama": "Drama"}, History(positive_ids=("a",)), ALL_TIME)
    stated, ignored = (
        model(stated=stated, prior=1.0).score([user], INDEX, Deadline.after(60))[0] for stated in (50.0, 0.0)
    )
    assert stated.item_idx is not None
    drama, action = (stated.item_idx.tolist().index(INDEX.locate([item_id])[0]) for item_id in "ba")
    assert stated.values[drama] > stated.values[action]
    assert ignored.values[drama] < ignored.values[action] * 2
