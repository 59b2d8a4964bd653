"""A model that cannot be trained again is removed by `forget`, and the others go on."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recommender.model_store.artifact import current_version
from recommender.models.item_knn import ItemKnn
from tests.support.commands import Run
from tests.support.training import change_metadata

pytestmark = pytest.mark.slow


def without_a_package(_folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "implicit.cpu.als", None)


def of_another_program(folder: Path, _patch: pytest.MonkeyPatch) -> None:
    change_metadata((folder / "item_knn" / "current").resolve(), hyperparameters={"neighbors": 5})


def without_memory(_folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ItemKnn, "fit", _raising(MemoryError()))


def without_a_solution(_folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ItemKnn, "fit", _raising(np.linalg.LinAlgError("the matrix is singular")))


def _raising(exc: Exception) -> Callable[..., None]:
    def fit(*_: object) -> None:
        raise exc

    return fit


@pytest.mark.parametrize(
    ("model", "spoil", "reason"),
    [
        ("als", without_a_package, "als learns with implicit, which is not installed"),
        (
            "item_knn",
            of_another_program,
            "its hyperparameters are not valid: neighbors: ",
        ),
        ("item_knn", without_memory, "there is not enough memory"),
        ("item_knn", without_a_solution, "learning failed: LinAlgError: the matrix is singular"),
    ],
)
def test_the_others_are_trained(
    run_on_models: Run,
    folder: Path,
    user: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    model: str,
    spoil: Callable[[Path, pytest.MonkeyPatch], None],
    reason: str,
) -> None:
    for name in (model, "neighbours"):
        assert run_on_models("train", name).status == 0
    before = current_version(folder, "neighbours")
    spoil(folder, monkeypatch)
    result = run_on_models("forget", user)
    assert result.status == 3
    assert f"{model} is removed until it is trained again ({reason}" in result.out
    assert current_version(folder, model) is None
    version = current_version(folder, "neighbours")
    assert version != before
    assert f"neighbours {version} is trained without them" in result.out
    assert run_on_models("forget", user).status == 0, "nothing is left to do"


def test_without_memory_for_the_data_models_use_their_own_rows(
    run_on_models: Run, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("item_knn", "neighbours"):
        assert run_on_models("train", name).status == 0
    monkeypatch.setattr("recommender.cli.forget.read_dataset", _raising(MemoryError()))
    result = run_on_models("forget", user)
    assert result.status == 3
    assert "item_knn is removed until it is trained again (there is not enough memory)" in result.out
    assert "without theirs, as it could not be trained again (there is not enough memory)" in result.out
