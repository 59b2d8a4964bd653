"""A user's items are ranked with the changes of all variants that the user is in."""

from collections.abc import Sequence

from recommender.entities import INTERLEAVED, Blend, History, Options, VariantName, Weights
from recommender.experiments.definitions import parse_experiments
from recommender.experiments.selection import ExperimentModels
from recommender.models.base import Choice, ModelSelector, Scorer, SimilarItems, UserContext
from tests.support.datasets import ALL_TIME
from tests.support.scorers import EmptyScorer

MODELS = ("live", "ease", "als")
USER = UserContext("u", {}, History(), ALL_TIME)
DIVERSE = "[lists.variants.diverse]\nshare = 1\ndiversity = 0.6\n"
DRAFT = """
[ranker]
kind = "interleaving"
[ranker.variants.ease]
model = "ease"
[ranker.variants.als]
model = "als"
"""


class Always:
    """Selects one model for all users."""

    def __init__(self, name: str) -> None:
        self._scorer = EmptyScorer()
        self._scorer.name = name

    @property
    def fallback(self) -> Scorer:
        return self._scorer

    @property
    def similar_items(self) -> SimilarItems:
        return self._scorer

    def select(self, user: UserContext) -> Choice:  # noqa: ARG002 - the interface
        return Choice(self._scorer, Blend(Weights(0.5, 0.5)))

    def selection(self) -> ModelSelector:
        return self


def choice_with(text: str) -> Choice:
    """Return how the items of a user who is in each of some experiments are ranked."""
    models = ExperimentModels(
        parse_experiments(text, MODELS), Always("main"), {name: Always(name) for name in MODELS}
    )
    return models.selection(Options()).select(USER)


def rankings(choice: Choice) -> Sequence[Choice]:
    assert choice.draft is not None
    return choice, choice.draft.second


def test_a_variant_changes_the_kind_of_content_score() -> None:
    choice = choice_with("[content.variants.profile]\nshare = 1\ncontent = 'profile'\n")
    assert choice.blend == Blend(Weights(0.5, 0.5), "profile")


def test_both_teams_have_the_changes_of_other_experiments() -> None:
    both = rankings(choice_with(DIVERSE + DRAFT))
    assert [each.scorer.name for each in both] == ["ease", "als"]
    assert [each.diversity for each in both] == [0.6, 0.6]
    assert both[0].variants == (VariantName("lists", "diverse"), VariantName("ranker", INTERLEAVED))


def test_requested_weights_are_those_of_both_teams() -> None:
    both = rankings(choice_with(DRAFT).with_weights(Weights(0.9, 0.1)))
    assert [each.scorer.name for each in both] == ["ease", "als"]
    assert [each.blend.weights for each in both] == [Weights(0.9, 0.1)] * 2
