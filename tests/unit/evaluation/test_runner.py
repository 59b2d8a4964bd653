"""A comparison ranks as requests do, reports significance, and continues if a model is refused."""

import html
from dataclasses import replace

import numpy as np
import pytest

from config.settings import load_overridden
from recommender.cli.evaluation_options import plan_of
from recommender.cli.evaluation_table import lines_of
from recommender.deadline import Deadline
from recommender.entities import Blend, History, Options, Page, Weights
from recommender.evaluation.ranking import ShortHistory, rank_variants
from recommender.evaluation.report import render_page
from recommender.evaluation.results import MetricDifference, Verdict
from recommender.evaluation.runner import Plan, evaluate
from recommender.evaluation.search_space import first_blends, fits_of
from recommender.evaluation.splits import SplitKind, make_splits
from recommender.evaluation.training_part import prepare
from recommender.evaluation.tuning import Candidate, choose, commands_of, settings_of, tune
from recommender.evaluation.variants import ALONE, DEFAULT, POPULARITY, Fit, RankingVariant, compared_variants
from recommender.model_store.selection import Selection
from recommender.models.base import UserContext, Window
from recommender.models.fitting import UNBOUNDED, Fitting
from recommender.models.registry import MODELS
from recommender.models.user_knn.trained import UserKnn, UserKnnConfig
from recommender.serving.hydration import ItemScope
from recommender.serving.ranker import Ranker
from tests.support.evaluation import histories_of_lengths, small_evaluation, two_tastes

PLAN = Plan(split=SplitKind.LAST_PART)


def test_models_find_tastes_that_popularity_does_not() -> None:
    evaluation = small_evaluation()
    by_name = {each.name: each for each in evaluation.measured}
    alone = evaluation.of_group(by_name["item_knn alone"])
    difference = alone.against[POPULARITY.name]["ndcg@10"]
    assert difference.verdict is Verdict.BETTER
    assert (
        alone.metrics["ndcg@10"].low > evaluation.of_group(by_name[POPULARITY.name]).metrics["ndcg@10"].high
    )
    assert by_name[POPULARITY.name].personalised == 0
    assert by_name["item_knn alone"].personalised == 1
    assert {"light", "middle", "heavy"} <= set(by_name[DEFAULT.name].groups)


def test_four_users_do_not_show_which_of_the_variants_is_better() -> None:
    source = two_tastes(4)
    split = make_splits(source.interactions, PLAN.split).test
    found = evaluate(source, split, compared_variants(["item_knn"]), PLAN)
    groups = [group for each in found.measured for group in each.groups.values()]
    differences = [
        each for group in groups for by_name in group.against.values() for each in by_name.values()
    ]
    assert any(each.low > 0 or each.high < 0 for each in differences)
    assert {each.verdict for each in differences} == {Verdict.UNCLEAR}


def test_the_groups_by_length_of_history_make_up_all_with_a_history() -> None:
    groups = small_evaluation().measured[0].groups
    assert sum(groups[name].users for name in ("light", "middle", "heavy")) == groups["with history"].users


def test_min_history_separates_short_histories_from_longer_ones() -> None:
    source = histories_of_lengths({f"user{number:02}": 1 + number % 8 for number in range(48)})
    split = make_splits(source.interactions, SplitKind.LEAVE_LAST_OUT).test
    plan = Plan(split=SplitKind.LEAVE_LAST_OUT, short=ShortHistory(3))
    groups = evaluate(source, split, [POPULARITY], plan).measured[0].groups
    found = {name: groups[name].users for name in ("with history", "short history", "longer history")}
    assert found == {"with history": 48, "short history": 12, "longer history": 36}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("item_knn", {}),
        ("item_knn", {"SIMILAR_USERS": "1"}),
        ("ease_transitions", {}),
        ("neighbours", {}),
        ("popularity", {}),
    ],
)
def test_a_variant_is_measured_as_it_is_served_to_users_with_short_histories(
    name: str, settings: dict[str, str]
) -> None:
    source = histories_of_lengths({f"user{number:02}": 1 + number % 8 for number in range(48)})
    split = make_splits(source.interactions, SplitKind.LEAVE_LAST_OUT).test
    part = prepare(source, split)
    learned = RankingVariant("learned", Fit(name), Weights(0.2, 0.8), "profile")
    configured = Blend(Weights(0.4, 0.6), "stated")
    given = {"split": "time", "moment": None, "ks": (10,), "relevant": None, "users": None, "seed": 0}
    short = replace(plan_of(load_overridden(settings), given).short, configured_blend=configured)
    (ranked,) = rank_variants(part, [learned], 10, UNBOUNDED, lambda *_: None, short=short)
    similar_users = int(settings.get("SIMILAR_USERS", 50))
    model, neighbours = MODELS[name].make({}), UserKnn(UserKnnConfig(similar_users=similar_users))
    model.fit(part.data)
    neighbours.fit(part.data)
    mixed = 5 if MODELS[name].mixes_similar_users else 0
    served = Selection(neighbours, model, 0, learned.blend, configured, mixed)
    everything = np.ones(len(part.index.item_ids), dtype=np.bool_)
    ranker = Ranker(part.index, Options())
    for row, user in zip(ranked.item_idx, part.users.contexts, strict=True):
        choice = served.select(user)
        (scores,) = choice.scorer.score([user], part.index, Deadline.after(60))
        page = ranker.rank(user, choice, scores, ItemScope(everything, everything), Page(10))
        assert row[row >= 0].tolist() == page.item_idx.tolist()


@pytest.mark.parametrize("name", ["item_knn", "neighbours", "popularity"])
def test_without_a_history_a_variant_is_measured_in_the_configured_blend(name: str) -> None:
    configured = Blend(Weights(0.4, 0.6), "stated")
    newcomer = UserContext("new", {"drama": "Drama"}, History(), Window(0, "-infinity"))
    variant = RankingVariant("learned", Fit(name), ALONE)
    assert ShortHistory(5, configured).blend_for(newcomer, variant) == configured


def test_similar_users_change_what_is_measured_for_short_histories_alone() -> None:
    source = histories_of_lengths({f"user{number:02}": 1 + number % 8 for number in range(48)})
    split = make_splits(source.interactions, SplitKind.LEAVE_LAST_OUT).test
    part = prepare(source, split)
    variants = [RankingVariant("ease", Fit("ease", {"min_users": 1}), ALONE), POPULARITY, DEFAULT]
    mixed, alone = (
        [
            each.item_idx
            for each in rank_variants(
                part, variants, 10, UNBOUNDED, lambda *_: None, short=ShortHistory(bound)
            )
        ]
        for bound in (5, 0)
    )
    lengths = part.users.history_lengths
    changed = (mixed[0] != alone[0]).any(axis=1)
    assert changed.any()
    assert not changed[lengths >= 5].any()
    for others in zip(mixed[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(*others)


def test_a_model_that_needs_too_much_memory_is_refused_and_the_others_go_on() -> None:
    source = two_tastes()
    split = make_splits(source.interactions, PLAN.split).test
    plan = replace(PLAN, fitting=Fitting(memory_bytes=1))
    evaluation = evaluate(source, split, compared_variants(["neighbours"]), plan)
    assert [each.name for each in evaluation.measured] == [POPULARITY.name]
    assert all("TRAINING_MEMORY_MB" in (each.refused or "") for each in evaluation.refused)
    assert any("not measured" in line for line in lines_of(evaluation))
    assert "is not measured" in render_page(evaluation)


def test_the_same_data_gives_the_same_figures() -> None:
    first, second = small_evaluation(), small_evaluation.__wrapped__()
    assert first is not second
    for one, other in zip(first.variants, second.variants, strict=True):
        assert (one.groups, one.beyond) == (other.groups, other.beyond)


def test_a_sample_of_users_is_the_same_each_time() -> None:
    source = two_tastes()
    split = make_splits(source.interactions, PLAN.split).test
    plan = replace(PLAN, max_users=20)
    found = [evaluate(source, split, [POPULARITY], plan) for _ in range(2)]
    assert found[0].description.test_users == 20
    assert found[0] == found[1]


def test_a_ranking_that_is_the_same_for_all_is_not_personalized() -> None:
    source = two_tastes()
    split = make_splits(source.interactions, PLAN.split).test
    evaluation = evaluate(source, split, compared_variants(["popularity", "item_knn"]), PLAN)
    shares = {each.name: each.personalised for each in evaluation.variants}
    assert shares["windowed popularity"] == shares["popularity alone"] == 0.0
    assert shares["item_knn alone"] == 1.0
    assert shares["popularity 40/60 (profile)"] == 1.0


def test_the_table_warns_if_few_users_are_tested() -> None:
    evaluation = small_evaluation()
    assert "Only 60 users with history: too few" in "\n".join(lines_of(evaluation))


def test_claims_about_the_best_allow_for_choosing_it_among_all() -> None:
    evaluation = small_evaluation()
    best = evaluation.measured[0]
    group = evaluation.of_group(best)
    joint, single = group.joint[POPULARITY.name], group.against[POPULARITY.name][evaluation.metric]
    assert joint.mean == pytest.approx(single.mean)
    assert joint.low < single.low
    unclear = MetricDifference.of(joint.mean, -1.0, 1.0, confirmed=True)
    groups = {**best.groups, evaluation.group: group.model_copy(update={"joint": {POPULARITY.name: unclear}})}
    others = [each for each in evaluation.variants if each is not best]
    changed = (best.model_copy(update={"groups": groups}), *others)
    page = render_page(evaluation.model_copy(update={"variants": changed}))
    words = f"whether {best.name} is better than recommending what is popular"
    assert words in page
    assert words not in render_page(evaluation)


def test_the_claim_about_the_best_has_the_interval_of_the_difference_itself() -> None:
    """Its ends divided by the mean of the baseline would leave out how uncertain that mean is."""
    evaluation = small_evaluation()
    best = evaluation.measured[0]
    difference = evaluation.of_group(best).joint[POPULARITY.name]
    interval = (
        f"(95 % interval of the difference in NDCG@10: {difference.low:+.4f} to {difference.high:+.4f})"
    )
    assert interval in html.unescape(render_page(evaluation))


def test_results_from_before_joint_intervals_are_still_shown() -> None:
    evaluation = small_evaluation()
    older = evaluation.model_dump(mode="json")
    for variant in older["variants"]:
        for group in variant["groups"].values():
            del group["joint"]
    loaded = type(evaluation).model_validate(older)
    assert f"{loaded.measured[0].name} is better than" in render_page(loaded)


def test_the_page_escapes_what_it_is_given() -> None:
    page = render_page(small_evaluation())
    assert "made up &lt;&amp;&gt;" in page
    assert "<&>" not in page
    assert "<script" not in page
    assert "http" not in page


@pytest.mark.parametrize("name", list(MODELS))
def test_the_search_space_has_only_known_hyperparameters(name: str) -> None:
    for fit in fits_of(name):
        config = MODELS[name].make(fit.hyperparameters).config.model_dump()
        assert {key: config[key] for key in fit.hyperparameters} == dict(fit.hyperparameters)


def test_a_variant_that_is_not_significantly_better_than_popularity_is_not_chosen() -> None:
    variants = first_blends(list(fits_of("neighbours")))[:2]
    unsure = Candidate(
        name=variants[0].name,
        mean=0.5,
        against_popularity=MetricDifference.of(0.1, -0.1, 0.3, confirmed=True),
    )
    sure = Candidate(
        name=variants[1].name,
        mean=0.4,
        against_popularity=MetricDifference.of(0.1, 0.01, 0.3, confirmed=True),
    )
    assert choose(variants, [unsure, sure]) is variants[1]
    assert choose(variants[:1], [unsure]) is POPULARITY
    assert choose([], []) is POPULARITY
    assert settings_of(POPULARITY) == ("CONTENT_WEIGHT=0", "COLLABORATIVE_WEIGHT=0", "CONTENT=stated")
    assert commands_of(POPULARITY) == ()


@pytest.mark.parametrize(("given", "expected"), [({}, 50), ({"similar_users": 200}, 200)])
def test_the_printed_settings_replace_all_that_change_a_choice(given: dict[str, int], expected: int) -> None:
    chosen = RankingVariant("chosen", Fit("neighbours", given), ALONE)
    blend = ("CONTENT_WEIGHT=0", "COLLABORATIVE_WEIGHT=1", "CONTENT=stated")
    assert settings_of(chosen) == (*blend, f"SIMILAR_USERS={expected}")
    assert settings_of(replace(chosen, fit=Fit("ease"))) == blend


@pytest.mark.slow
def test_the_test_part_does_not_change_the_choice() -> None:
    source = two_tastes()
    splits = make_splits(source.interactions, PLAN.split)
    shuffled = splits.test.test
    shuffled = replace(shuffled, item_idx=np.random.default_rng(1).permutation(shuffled.item_idx))
    other = replace(splits, test=splits.test._replace(test=shuffled))
    found = [tune(source, each, ["item_knn"], PLAN, lambda *_: None) for each in (splits, other)]
    assert found[0].best == found[1].best
    assert found[0].chosen == found[1].chosen
    assert found[0].test != found[1].test
    assert found[0].commands[0].startswith("python -m recommender train item_knn --set shrinkage=")
