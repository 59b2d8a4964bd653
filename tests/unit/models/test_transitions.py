"""transitions and its mixture with ease follow their formulas, on data that is computed by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from recommender.deadline import Deadline
from recommender.errors import ArtifactError
from recommender.models.ease import Ease, EaseConfig
from recommender.models.ease_transitions import EaseTransitions, EaseTransitionsConfig
from recommender.models.fitting import UNBOUNDED
from recommender.models.transitions import Transitions, TransitionsConfig
from tests.support.datasets import ALL_TIME, context, dataset, index_of

# The latest first: u watched a, then b, then c.
DATA = dataset({"u": ["c", "b", "a"], "v": ["b", "a"], "w": ["a", "d"], "x": ["c", "x", "b"]})
SOON = Deadline.after(3_600)


def weights_of(model: Transitions) -> dict[tuple[str, str], float]:
    found = model.learn(DATA, UNBOUNDED)
    ids = [item_id.decode() for item_id in found.item_ids.tolist()]
    return {
        (ids[source], ids[target]): weight
        for source in range(len(ids))
        for target, weight in zip(*(part.tolist() for part in found.of_source(source)), strict=True)
    }


def test_steps_count_by_their_gap_over_the_popularity_of_both_ends() -> None:
    weights = weights_of(Transitions())
    second = math.exp(-1 / 10)
    users = {"a": 3, "b": 3, "c": 2, "d": 1, "x": 1}
    steps = {
        ("a", "b"): 2.0,
        ("b", "c"): 1.0 + second,
        ("a", "c"): second,
        ("d", "a"): 1.0,
        ("b", "x"): 1.0,
        ("x", "c"): 1.0,
    }
    assert weights.keys() == steps.keys()
    for (source, target), count in steps.items():
        formula = count / ((users[source] + 10) * users[target] ** 0.2)
        assert weights[source, target] == pytest.approx(formula, rel=1e-6)


def test_items_further_apart_than_the_gaps_are_no_step() -> None:
    weights = weights_of(Transitions(TransitionsConfig(gaps=1)))
    assert ("a", "c") not in weights
    assert weights["b", "c"] == pytest.approx(1 / (13 * 2**0.2), rel=1e-6)


def test_gaps_that_count_nothing_add_no_items_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    histories = {f"u{user}": [f"{item:02}" for item in rng.permutation(30).tolist()] for user in range(40)}
    model = Transitions(TransitionsConfig(gap_decay=0.5, sources=100))
    model.fit(dataset(histories))
    model.save(tmp_path)
    assert len(Transitions.load(tmp_path).weights.target_idx) <= 30 * 29


def test_the_largest_weights_to_each_item_are_kept() -> None:
    weights = weights_of(Transitions(TransitionsConfig(sources=1)))
    assert {pair for pair in weights if pair[1] == "c"} == {("b", "c")}


@pytest.mark.parametrize("newer", [[], ["new", "newer"]])
def test_the_latest_items_of_a_history_count_most(newer: list[str]) -> None:
    """Items that the model does not know count towards the ranks of those that it knows."""
    model = Transitions()
    model.fit(DATA)
    weights = weights_of(model)
    user, index = context("z", [*newer, "b", "unknown", "a"]), index_of(DATA, others=newer)
    history = model.known_history(user, index)
    sums = dict(zip(model.items.item_ids, model.sums(history).tolist(), strict=True))
    before = len(newer)
    expected = math.exp(-before / 5) * weights["b", "c"] + math.exp(-(before + 2) / 5) * weights["a", "c"]
    assert sums["c"] == pytest.approx(expected)
    parts = model.parts(history, index.locate(["c"]), index)
    assert parts.sum() == pytest.approx(expected)


def test_similar_items_are_those_watched_next() -> None:
    model = Transitions()
    model.fit(DATA)
    index = index_of(DATA)
    similar = model.similar_items("a", index, ALL_TIME, SOON)
    assert {index.item_ids[idx] for idx in similar.item_idx.tolist()} == {"b", "c"}


def mixture(share: float) -> EaseTransitions:
    model = EaseTransitions(EaseTransitionsConfig(transitions_share=share, min_users=1, regularisation=1.0))
    model.fit(DATA)
    return model


def scored(model: Ease | Transitions | EaseTransitions, history: list[str]) -> dict[str, float]:
    index = index_of(DATA)
    (scores,) = model.score([context("z", history)], index, SOON)
    assert scores.item_idx is not None
    values = scores.values / scores.steps
    return {index.item_ids[idx]: value for idx, value in zip(scores.item_idx, values.tolist(), strict=True)}


def test_the_mixture_divides_each_part_by_its_largest_unseen_score() -> None:
    history = ["b", "a"]
    ease, transitions = Ease(EaseConfig(min_users=1, regularisation=1.0)), Transitions()
    index = index_of(DATA)
    expected = np.zeros(len(index.item_ids))
    for part, share in ((ease, 0.6), (transitions, 0.4)):
        part.fit(DATA)
        sums = part.sums(part.known_history(context("z", history), index))
        by_item = dict(zip(part.items.item_ids, sums.tolist(), strict=True))
        largest = max(value for item, value in by_item.items() if item not in history)
        expected += [share * by_item[item] / largest for item in index.item_ids]
    found = scored(mixture(0.4), history)
    for item, value in zip(index.item_ids, expected.tolist(), strict=True):
        assert found.get(item, 0.0) == pytest.approx(max(value, 0.0), abs=1e-6)


@pytest.mark.parametrize(("share", "name"), [(0.0, "ease"), (1.0, "transitions")])
def test_with_the_whole_share_the_mixture_ranks_as_that_part(share: float, name: str) -> None:
    parts: dict[str, Ease | Transitions] = {
        "ease": Ease(EaseConfig(min_users=1, regularisation=1.0)),
        "transitions": Transitions(),
    }
    part = parts[name]
    part.fit(DATA)
    alone, mixed = scored(part, ["b"]), scored(mixture(share), ["b"])
    assert alone.keys() == mixed.keys()
    ratios = [mixed[item] / alone[item] for item in alone]
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-6)


@pytest.mark.parametrize("kind", [Ease, Transitions, EaseTransitions])
def test_a_like_made_a_second_ago_counts(kind: type[Ease | Transitions | EaseTransitions]) -> None:
    model: Ease | Transitions | EaseTransitions = mixture(0.3)
    if kind is Ease:
        model = Ease(EaseConfig(min_users=1, regularisation=1.0))
    elif kind is Transitions:
        model = Transitions()
    model.fit(DATA)
    assert scored(model, ["d"]) != scored(model, ["b", "d"])


@pytest.mark.parametrize("part", ["ease", "transitions"])
def test_a_mixture_with_a_damaged_part_is_refused(tmp_path: Path, part: str) -> None:
    mixture(0.3).save(tmp_path)
    EaseTransitions.load(tmp_path)
    path = tmp_path / f"{part}_to_target.npy"
    np.save(path, np.load(path)[::-1].copy())
    with pytest.raises(ArtifactError, match="to_target"):
        EaseTransitions.load(tmp_path)


def test_the_share_can_be_changed_without_training(tmp_path: Path) -> None:
    mixture(0.3).save(tmp_path)
    assert scored(EaseTransitions.load(tmp_path, transitions_share=0.0), ["b"]) == scored(mixture(0.0), ["b"])
