"""The options of a replay, and the meaning of its scores."""

import math
from dataclasses import replace

import pytest

from config.setting_types import SettingsError
from recommender.entities import DatabaseName, Strategy
from recommender.errors import ReplayError
from recommender.evaluation.replay import ReplayedUser, replay_settings, score
from recommender.models.names import LIVE


def user(
    ranked: str, followed: str, strategy: Strategy = Strategy.HYBRID, *degraded: DatabaseName
) -> ReplayedUser:
    return ReplayedUser("u", tuple(ranked), strategy, degraded, LIVE, tuple(followed), is_new=False)


def test_settings_are_overridden_and_a_model_is_named() -> None:
    settings, model = replay_settings(["CONTENT_WEIGHT=0.2", "MODEL=ease"])
    assert settings.ranking.content_weight == 0.2
    assert model == "ease"


def test_live_sql_is_served_unless_a_model_is_named() -> None:
    assert replay_settings([])[1] == LIVE


def test_a_value_may_have_an_equals_sign() -> None:
    settings, _ = replay_settings(["LIKE_TYPES=A=B"])
    assert settings.interaction_types.likes == ("A=B",)


@pytest.mark.parametrize("assignment", ["CONTENT_WEIGHT", "=0.2", ""])
def test_text_that_is_no_assignment_is_refused(assignment: str) -> None:
    with pytest.raises(ReplayError, match="NAME=VALUE"):
        replay_settings([assignment])


def test_a_setting_that_does_not_exist_is_refused_by_its_name() -> None:
    with pytest.raises(SettingsError, match=r"CONTENT_WEIGTH: there is no such setting"):
        replay_settings(["CONTENT_WEIGTH=0.2"])


def test_a_value_that_is_wrong_is_refused_with_its_setting() -> None:
    with pytest.raises(SettingsError, match="SHORTLIST"):
        replay_settings(["SHORTLIST=many"])


def test_a_model_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(
        ReplayError, match=r"MODEL: eas is not a model; use one of live, .*ease, .*neighbours"
    ):
        replay_settings(["MODEL=eas"])


def test_ndcg_is_that_of_binary_relevance() -> None:
    """Hits at ranks 2 and 4 of three items that followed."""
    gained = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert score([user("abcd", "bdz")]).ndcg == pytest.approx(gained / ideal)


def test_the_ideal_ndcg_is_limited_by_the_length_of_the_ranking() -> None:
    assert score([user("ab", "abcdef")], k=2).ndcg == pytest.approx(1)


def test_the_ranking_is_cut() -> None:
    assert score([user("ab", "b")], k=1)[1:3] == (0, 0)


def test_means_are_over_users() -> None:
    scores = score(
        [
            user("ab", "a"),
            user("ab", "z", Strategy.POPULAR),
            user("", "a", Strategy.CONTENT, DatabaseName.CATALOG),
        ]
    )
    assert (scores.users, scores.degraded) == (3, 1)
    assert scores.ndcg == scores.hit_rate == pytest.approx(1 / 3)
    assert scores.personalised == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [(Strategy.POPULAR, 0), (Strategy.COLLABORATIVE, 0), (Strategy.CONTENT, 1), (Strategy.HYBRID, 1)],
)
def test_scores_of_popularity_alone_are_not_personalized(strategy: Strategy, expected: float) -> None:
    assert score([replace(user("ab", "a", strategy), model="popularity")]).personalised == expected


def test_there_is_no_mean_of_no_users() -> None:
    assert math.isnan(score([]).ndcg)
