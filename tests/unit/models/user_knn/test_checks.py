"""The checks of the neighbours model accept built arrays, and refuse those that would mislead the kernels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.errors import ArtifactError
from recommender.models.files import Arrays
from recommender.models.user_knn import checks
from recommender.models.user_knn.build import ARRAY_NAMES, build_arrays
from recommender.models.user_knn.checks import check_arrays
from tests.support.datasets import dataset

Change = Callable[[NDArray[Any]], NDArray[Any]]

HISTORIES = st.dictionaries(
    st.integers(0, 40), st.sets(st.integers(0, 25), min_size=1, max_size=8), min_size=1, max_size=30
)


def built(histories: dict[int, set[int]]) -> dict[str, NDArray[Any]]:
    return dict(
        build_arrays(
            dataset(
                {f"{user:04}": [f"{item:03}" for item in sorted(items)] for user, items in histories.items()}
            )
        )
    )


def refuses(arrays: Arrays) -> str:
    with pytest.raises(ArtifactError) as caught:
        check_arrays(arrays)
    return str(caught.value)


@pytest.fixture(scope="module")
def arrays() -> dict[str, NDArray[Any]]:
    """Build arrays in which half of the media are popular and have bits."""
    rng = np.random.default_rng(5)
    made = built(
        {user: {int(item) for item in rng.integers(0, 10, size=4)} | {10 + user % 40} for user in range(200)}
    )
    for array in made.values():
        # Every test changes a copy.
        array.setflags(write=False)
    return made


@pytest.fixture(params=[1, 7, 1 << 19])
def stretch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Check the arrays in slices of different lengths."""
    size: int = request.param
    monkeypatch.setattr(checks, "_CHUNK", size)
    return size


@pytest.mark.usefixtures("stretch")
@settings(max_examples=30)
@given(histories=HISTORIES)
def test_built_arrays_pass(histories: dict[int, set[int]]) -> None:
    arrays = built(histories)
    check_arrays(arrays)


@pytest.mark.usefixtures("stretch")
def test_the_unchanged_arrays_pass(arrays: dict[str, NDArray[Any]]) -> None:
    check_arrays(arrays)


def put(place: Any, value: Any) -> Change:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        changed = array.copy()
        changed[place] = value
        return changed

    return change


def swap(first: int, second: int) -> Change:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        changed = array.copy()
        changed[[first, second]] = array[[second, first]]
        return changed

    return change


CHANGES: list[tuple[str, Change]] = [
    *((name, lambda array: array[:-1]) for name in ARRAY_NAMES),
    *((name, lambda array: array[:0]) for name in ARRAY_NAMES),
    *((name, lambda array: array[None]) for name in ARRAY_NAMES),
    *((name, lambda array: array.reshape(-1)[0]) for name in ARRAY_NAMES),
    *((name, lambda array: np.concatenate((array, array[:1]))) for name in ARRAY_NAMES),
    *((name, lambda array: array.astype(np.complex128)) for name in ARRAY_NAMES if not name.endswith("ids")),
    *(
        (name, lambda array: array.astype(array.dtype.newbyteorder(">")))
        for name in ARRAY_NAMES
        if not name.endswith("ids")
    ),
    *((name, lambda array: array.astype(np.str_)) for name in ("user_ids", "media_ids")),
    ("user_ids", swap(0, 1)),
    ("user_ids", put(1, b"0000")),
    ("media_ids", put(1, b"000")),
    ("media_ids", put(0, b"\xff")),
    *((name, put(0, -1)) for name in ("user_start", "media_start")),
    *((name, put(0, 1)) for name in ("user_start", "media_start")),
    *((name, put(-1, 10**12)) for name in ("user_start", "media_start")),
    *((name, put(-1, 1)) for name in ("user_start", "media_start")),
    *((name, put(5, 10**15)) for name in ("user_start", "media_start")),
    *((name, put(5, -(2**63))) for name in ("user_start", "media_start")),
    *((name, put(5, 0)) for name in ("user_start", "media_start")),
    *((name, put(7, 2**31 - 1)) for name in ("media_of_user", "users_of_media")),
    *((name, put(7, -1)) for name in ("media_of_user", "users_of_media")),
    ("media_of_user", put(7, 50)),
    ("media_of_user", put(slice(0, 2), 0)),
    ("media_of_user", swap(0, 20)),
    ("users_of_media", put(7, 200)),
    ("users_of_media", swap(0, 1)),
    ("users_of_media", put(1, 0)),
    *(("values", put(3, value)) for value in (np.nan, np.inf, -np.inf, 1e300, -1e300)),
    *(("idf_weights", put(2, value)) for value in (-1, 0, 2**31 - 1)),
    *(("inverse_norms", put(2, value)) for value in (np.nan, np.inf, -1.0, 0.0, 1e30)),
    ("bits_row", put(0, 10**6)),
    ("bits_row", put(0, -2)),
    ("bits_row", put(slice(None), 0)),
    ("bits_row", put(slice(None), -1)),
    ("user_bits", lambda array: ~array),
    ("user_bits", lambda array: array ^ np.uint16(1)),
    ("user_bits", lambda array: array[:, :-1]),
    ("user_bits", lambda array: array[:, :0]),
    ("user_bits", lambda array: np.concatenate((array, array), axis=1)),
    ("user_bits", lambda array: np.roll(array, 1, axis=0)),
    ("user_bits", lambda array: np.roll(array, 1, axis=1)),
    ("user_bits", np.asfortranarray),
]


@pytest.mark.usefixtures("stretch")
@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_an_array_that_does_not_fit_is_refused(
    arrays: dict[str, NDArray[Any]], name: str, change: Change
) -> None:
    changed = change(arrays[name])
    with pytest.raises(ArtifactError):
        check_arrays({**arrays, name: changed})


@pytest.fixture(scope="module")
def few_arrays() -> dict[str, NDArray[Any]]:
    return built({user: {user % 5, user % 7 + 5, user % 11 + 12} for user in range(40)})


@settings(max_examples=3 * settings().max_examples)
@given(data=st.data())
def test_no_byte_of_the_structure_can_be_changed_unnoticed(
    few_arrays: dict[str, NDArray[Any]], data: st.DataObject
) -> None:
    """Only values, and ids that stay sorted and distinct, may change. All else follows from the pairs."""
    name = data.draw(
        st.sampled_from([name for name in ARRAY_NAMES if name not in ("values", "user_ids", "media_ids")])
    )
    raw = bytearray(few_arrays[name].tobytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    changed = np.frombuffer(bytes(raw), dtype=few_arrays[name].dtype).reshape(few_arrays[name].shape)
    refuses({**few_arrays, name: changed})


def test_arrays_without_users_are_refused() -> None:
    assert "no users" in refuses(built({}))


def test_two_consistently_wrong_arrays_are_refused(arrays: dict[str, NDArray[Any]]) -> None:
    """One medium more for one user and one less for another, so that the total counts are right."""
    items_of_user = arrays["media_of_user"].copy()
    first, last = items_of_user[:5], items_of_user[-5:]
    only_first, only_last = np.setdiff1d(first, last)[0], np.setdiff1d(last, first)[0]
    first[first == only_first], last[last == only_last] = only_last, only_first
    assert "same pairs" in refuses({**arrays, "media_of_user": items_of_user})
