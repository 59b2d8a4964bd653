"""Tests that every model must pass: live SQL and trained models, based on users or on items."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.catalog.index import CatalogIndex
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.errors import ArtifactError
from recommender.models.base import Explainer, ItemScores, Scorer, SimilarItems, TrainableModel, UserContext
from recommender.models.registry import MODELS
from recommender.ranking.top_k import top_k
from tests.contract.cases import (
    BLOCK_ITEMS,
    BLOCK_USERS,
    BLOCKS,
    LIVE,
    PERSONALISED,
    TRAINED,
    WITHOUT_STARTS,
    checkerboard,
    fitted,
    genres,
    item,
    live,
    missing_item,
    user,
)
from tests.support.datasets import ALL_TIME, context, dataset, index_of
from tests.support.postgres import Templates
from tests.support.tiny import key

HISTORIES = checkerboard()
STRANGER, UNKNOWN_ITEM, NEW_ITEM = key(1), key(2), key(3)
# The same users have both items, each as often before the other as after it: they are indistinguishable.
TWINS = (item(0, 0), item(0, 1))
# More than any part of the code reads at once.
LONG = 5_000


@pytest.fixture(scope="module")
def data() -> Dataset:
    return dataset(HISTORIES)


@pytest.fixture(scope="module")
def index(data: Dataset) -> CatalogIndex:
    return index_of(data, others=[NEW_ITEM], genres=genres)


@pytest.fixture(scope="module", params=[LIVE, *TRAINED])
def model(request: pytest.FixtureRequest, data: Dataset) -> Iterator[Scorer]:
    if request.param != LIVE:
        yield fitted(request.param, data)
        return
    with ExitStack() as stack:
        server = request.getfixturevalue("server")
        urls = stack.enter_context(Templates(server, "contract").create())
        yield stack.enter_context(live(urls, HISTORIES))


@pytest.fixture(scope="module")
def personal(model: Scorer) -> Scorer:
    """Return the model, or skip the test if it scores the same for every user."""
    if model.name not in PERSONALISED:
        pytest.skip(f"{model.name} scores the same for every user")
    return model


@pytest.fixture(params=TRAINED)
def trained(request: pytest.FixtureRequest, data: Dataset) -> TrainableModel:
    return fitted(request.param, data)


def score(model: Scorer, users: Sequence[UserContext], index: CatalogIndex) -> list[ItemScores]:
    scores = list(model.score(users, index, Deadline.after(60)))
    assert len(scores) == len(users)
    for each in scores:
        assert (np.asarray(each.values) >= 0).all()
        if each.item_idx is not None:
            assert len(each.item_idx) == len(each.values) == len(set(each.item_idx.tolist()))
    return scores


def explaining(model: Scorer) -> Explainer:
    """Return the model, or skip the test if it cannot explain."""
    if not isinstance(model, Explainer):
        pytest.skip(f"{model.name} explains nothing")
    return model


def comparing(model: Scorer) -> SimilarItems:
    """Return the model, or skip the test if it does not find similar items."""
    if not isinstance(model, SimilarItems):
        pytest.skip(f"{model.name} knows of no similar items")
    return model


def by_item(scores: ItemScores, index: CatalogIndex) -> dict[str, int]:
    """Return the scores above 0 by item."""
    idx = range(len(index.item_ids)) if scores.item_idx is None else scores.item_idx.tolist()
    found = zip(idx, scores.values.tolist(), strict=True)
    return {index.item_ids[position]: int(value) for position, value in found if value > 0}


def test_what_learning_takes_is_estimated(trained: TrainableModel, data: Dataset) -> None:
    estimate = trained.estimate(data)
    assert estimate.seconds > 0
    assert 0 < estimate.least_bytes <= estimate.memory_bytes


def scored(model: Scorer, who: UserContext, index: CatalogIndex) -> dict[str, int]:
    (scores,) = score(model, [who], index)
    return by_item(scores, index)


def ranked(model: Scorer, who: UserContext, index: CatalogIndex) -> list[str]:
    """Return all items with a score that the user has not seen, best first."""
    keys = np.zeros(len(index.item_ids), dtype=np.int64)
    for item_id, value in scored(model, who, index).items():
        keys[index.locate([item_id])[0]] = value
    eligible = ~index.mask(who.history.seen_ids) & (keys > 0)
    return [index.item_ids[idx] for idx in top_k(keys, eligible, len(keys)).tolist()]


def known_users() -> list[UserContext]:
    return [context(user_id, item_ids) for user_id, item_ids in HISTORIES.items()]


def test_names_are_those_of_the_registry(trained: TrainableModel) -> None:
    assert set(TRAINED) == set(MODELS)
    assert MODELS[trained.name].load_class() is type(trained)


def test_the_checkerboard_is_solved(personal: Scorer, index: CatalogIndex) -> None:
    """The best unseen item is the one of the block that all others of the block have."""
    for block in range(BLOCKS):
        for number in range(BLOCK_USERS):
            who = user(block, number)
            assert ranked(personal, context(who, HISTORIES[who]), index)[:1] == [missing_item(block, number)]


def test_training_does_not_change_the_dataset(trained: TrainableModel) -> None:
    histories = dataset(HISTORIES)
    before = histories.item_idx.tolist(), histories.values.tolist(), histories.liked.tolist()
    trained.fit(histories)
    assert (histories.item_idx.tolist(), histories.values.tolist(), histories.liked.tolist()) == before


def test_batch_scores_equal_single_scores(model: Scorer, index: CatalogIndex) -> None:
    users = [*known_users(), context(STRANGER, []), context(STRANGER, [item(0, 0)])]
    for who, scores in zip(users, score(model, users, index), strict=True):
        (single,) = score(model, [who], index)
        assert by_item(single, index) == by_item(scores, index)
        assert single.steps == scores.steps


def test_the_same_input_gives_the_same_answer(model: Scorer, index: CatalogIndex) -> None:
    first, second = (score(model, known_users(), index) for _ in range(2))
    assert [by_item(one, index) for one in first] == [by_item(other, index) for other in second]


def test_new_users_are_scored_from_their_history(personal: Scorer, index: CatalogIndex) -> None:
    best = ranked(personal, context(STRANGER, [item(2, 0), item(2, 1)]), index)
    assert set(best[: BLOCK_ITEMS - 2]) == {item(2, number) for number in range(2, BLOCK_ITEMS)}


def test_unknown_items_in_a_history_have_no_effect(personal: Scorer, index: CatalogIndex) -> None:
    known = [item(1, 0), item(1, 3)]
    for unknown in (UNKNOWN_ITEM, NEW_ITEM):
        assert scored(personal, context(STRANGER, [unknown]), index) == {}
        assert ranked(personal, context(STRANGER, [*known, unknown]), index) == ranked(
            personal, context(STRANGER, known), index
        )


def test_an_empty_history_gives_no_scores(personal: Scorer, index: CatalogIndex) -> None:
    assert scored(personal, context(STRANGER, []), index) == {}


def test_a_history_of_one_item_is_enough(personal: Scorer, index: CatalogIndex) -> None:
    best = ranked(personal, context(STRANGER, [item(3, 2)]), index)
    assert set(best[: BLOCK_ITEMS - 1]) == {item(3, number) for number in range(BLOCK_ITEMS) if number != 2}


def test_a_very_long_history_is_read(model: Scorer, index: CatalogIndex) -> None:
    others = [key(10_000_000 + number) for number in range(LONG)]
    assert ranked(model, context(STRANGER, [item(0, 4), *others]), index) == ranked(
        model, context(STRANGER, [item(0, 4)]), index
    )


@pytest.mark.parametrize("name", TRAINED)
def test_indistinguishable_items_have_equal_scores_and_rank_by_id(name: str) -> None:
    others = [item(0, number) for number in range(2, BLOCK_ITEMS)]
    # Each of the two comes first equally often.
    own = {
        user(0, number): [*TWINS[:: (1, -1)[number // len(others)]], others[number % len(others)]]
        for number in range(BLOCK_USERS)
    }
    data = dataset({**HISTORIES, **own})
    model, index = fitted(name, data), index_of(data, genres=genres)
    who = context(STRANGER, others[:1])
    values = scored(model, who, index)
    assert values[TWINS[0]] == values[TWINS[1]] > 0
    assert ranked(model, who, index)[:2] == sorted(TWINS)


def test_only_arrays_and_json_are_saved(trained: TrainableModel, tmp_path: Path) -> None:
    """Other files in a version's folder would never be removed."""
    trained.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}


def test_the_same_data_in_another_order_gives_the_same_model(trained: TrainableModel, tmp_path: Path) -> None:
    again = fitted(trained.name, dataset(dict(reversed(HISTORIES.items()))))
    for model, folder in ((trained, tmp_path / "one"), (again, tmp_path / "other")):
        folder.mkdir()
        model.save(folder)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes(), path.name


def test_a_saved_model_scores_the_same(trained: TrainableModel, index: CatalogIndex, tmp_path: Path) -> None:
    trained.save(tmp_path)
    loaded = type(trained).load(tmp_path)
    assert loaded.config == trained.config
    assert loaded.sizes == trained.sizes
    for before, after in zip(
        score(trained, known_users(), index), score(loaded, known_users(), index), strict=True
    ):
        assert by_item(before, index) == by_item(after, index)
        assert before.steps == after.steps


def test_contributions_of_the_history_add_up_to_the_score(model: Scorer, index: CatalogIndex) -> None:
    explainer = explaining(model)
    for who in known_users():
        (scores,) = score(model, [who], index)
        found = by_item(scores, index)
        item_idx = index.locate(list(found))
        explained = explainer.explain(who, scores, item_idx, index, len(index.item_ids))
        for value, contributions in zip(found.values(), explained.contributions, strict=True):
            assert contributions.values.sum() == pytest.approx(value / scores.steps, rel=1e-5)
            assert (np.diff(contributions.values) <= 0).all()
            named = [index.item_ids[idx] for idx in contributions.item_idx.tolist()]
            assert set(named) <= set(who.history.positive_ids)
            assert len(named) == len(set(named))


def test_a_limit_keeps_the_largest_contributions(model: Scorer, index: CatalogIndex) -> None:
    explainer = explaining(model)
    who = context(STRANGER, [item(1, 0), item(1, 1), item(1, 2)])
    (scores,) = score(model, [who], index)
    item_idx = index.locate([item(1, 5), item(2, 0)])
    whole, few = (explainer.explain(who, scores, item_idx, index, top_k) for top_k in (10, 2))
    assert [each.item_idx.tolist() for each in few.contributions] == [
        each.item_idx.tolist()[:2] for each in whole.contributions
    ]
    assert len(few.contributions[0].item_idx) == 2
    assert not (few.contributions[1].values > 0.0).any()


def test_items_of_a_block_are_similar_and_no_others(model: Scorer, index: CatalogIndex) -> None:
    similarities = comparing(model)
    similar = similarities.similar_items(item(1, 2), index, ALL_TIME, Deadline.after(60))
    assert ((similar.similarities >= 0) & (similar.similarities <= 1)).all()
    found = {index.item_ids[idx] for idx in similar.item_idx[similar.similarities > 0].tolist()}
    assert found - {item(1, 2)} == {item(1, number) for number in range(BLOCK_ITEMS) if number != 2}


@pytest.mark.parametrize("item_id", [UNKNOWN_ITEM, NEW_ITEM])
def test_an_unknown_item_has_no_similar_items(model: Scorer, index: CatalogIndex, item_id: str) -> None:
    similarities = comparing(model)
    assert not similarities.similar_items(item_id, index, ALL_TIME, Deadline.after(60)).similarities.any()


def put(place: Any, value: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        changed = array.copy()
        changed[place] = value
        return changed

    return change


DAMAGES: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "one fewer": lambda array: array[:-1],
    "none": lambda array: array[:0],
    "one more": lambda array: np.concatenate((array, array[-1:])),
    "another dimension": lambda array: array[None],
    "another type": lambda array: np.zeros(array.shape, dtype=np.complex128),
    "beyond every range": lambda array: (
        put(0, np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max)(array)
        if array.dtype.kind in "fi"
        else array[:0]
    ),
    "below every range": lambda array: (
        put(-1, -np.inf if array.dtype.kind == "f" else np.iinfo(array.dtype).min)(array)
        if array.dtype.kind in "fi"
        else array[:0]
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_array_is_refused(trained: TrainableModel, tmp_path: Path, damage: str) -> None:
    trained.save(tmp_path)
    for path in sorted(tmp_path.glob("*.npy")):
        original = path.read_bytes()
        np.save(path, DAMAGES[damage](np.load(path)))
        with pytest.raises(ArtifactError):
            type(trained).load(tmp_path)
        path.write_bytes(original)
    type(trained).load(tmp_path)


def test_starts_that_decrease_are_refused(trained: TrainableModel, tmp_path: Path) -> None:
    trained.save(tmp_path)
    starts = sorted(tmp_path.glob("*_start.npy"))
    assert bool(starts) != (trained.name in WITHOUT_STARTS)
    for path in starts:
        original = np.load(path)
        np.save(path, put(len(original) // 2, 0)(original))
        with pytest.raises(ArtifactError):
            type(trained).load(tmp_path)
        np.save(path, original)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array", None])
def test_a_file_that_is_cut_or_missing_is_refused(
    trained: TrainableModel, tmp_path: Path, content: bytes | None
) -> None:
    trained.save(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        if path.suffix != ".npy":
            continue
        original = path.read_bytes()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(ArtifactError) as caught:
            type(trained).load(tmp_path)
        assert str(tmp_path) not in str(caught.value)
        path.write_bytes(original)


@pytest.mark.parametrize("content", ["{", "[]", '{"no_such_thing": 1}'])
def test_invalid_hyperparameters_are_refused(trained: TrainableModel, tmp_path: Path, content: str) -> None:
    trained.save(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ArtifactError):
        type(trained).load(tmp_path)
