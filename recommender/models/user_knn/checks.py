"""Check the arrays of user_knn for all that the kernels assume.

The kernels do not check bounds, so that an index out of range would read or write foreign memory. Large
arrays are checked in stretches, as copies of them could take more memory than a worker has.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ArtifactError
from recommender.models.files import Arrays
from recommender.models.user_knn.layout import words_of_row
from recommender.models.user_knn.similarity import DAMPING, idf_weight
from recommender.models.vocabulary import check_item_ids

# Entries that are checked together.
_CHUNK = 1 << 19
# Above any sum of interaction values, each below 1e100; sums of values below this stay finite.
_MAX_VALUE = 1e150

_IDS = ("user_ids", "media_ids")
_FORMS: Mapping[str, tuple[type[np.generic], int]] = {
    "user_start": (np.int64, 1),
    "media_of_user": (np.int32, 1),
    "values": (np.float64, 1),
    "media_start": (np.int64, 1),
    "users_of_media": (np.int32, 1),
    "idf_weights": (np.int32, 1),
    "inverse_norms": (np.float32, 1),
    "bits_row": (np.int32, 1),
    "user_bits": (np.uint16, 2),
}


def check_arrays(arrays: Arrays) -> None:
    """Refuse invalid arrays: types, lengths, ranges, and contradictions between arrays.

    Raises:
        ArtifactError: the message names the array and what is wrong.
    """
    _check_forms(arrays)
    _check_lengths(arrays)
    _check_starts("user_start", arrays["user_start"], len(arrays["values"]))
    _check_starts("media_start", arrays["media_start"], len(arrays["values"]))
    _check_range("media_of_user", arrays["media_of_user"], 0, len(arrays["media_ids"]))
    _check_range("users_of_media", arrays["users_of_media"], 0, len(arrays["user_ids"]))
    _check_ids(arrays)
    _check_values(arrays["values"])
    _check_directions(arrays)
    _check_weights(arrays)
    _check_bits(arrays)


def _refuse(name: str, fault: str) -> None:
    raise ArtifactError(f"{name}: {fault}")


def _check_forms(arrays: Arrays) -> None:
    for name in _IDS:
        if arrays[name].dtype.kind != "S" or arrays[name].ndim != 1:
            _refuse(name, "must be a list of byte strings")
    for name, (dtype, ndim) in _FORMS.items():
        array = arrays[name]
        if array.dtype != np.dtype(dtype) or array.ndim != ndim:
            _refuse(name, f"must be {np.dtype(dtype)} in {ndim} dimensions")
        if not (array.flags.c_contiguous and array.flags.aligned):
            _refuse(name, "must be aligned and in C order")


def _check_lengths(arrays: Arrays) -> None:
    users, items, pairs = (len(arrays[name]) for name in (*_IDS, "values"))
    for what, count in (("users", users), ("media", items), ("pairs", pairs)):
        if count == 0:
            raise ArtifactError(f"there are no {what} in it")
    expected = {
        "user_start": (users + 1,),
        "media_of_user": (pairs,),
        "media_start": (items + 1,),
        "users_of_media": (pairs,),
        "idf_weights": (items,),
        "inverse_norms": (users,),
        "bits_row": (items,),
        "user_bits": (len(arrays["user_bits"]), words_of_row(users)),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            _refuse(name, f"must be of shape {shape}, not {arrays[name].shape}")


def _check_starts(name: str, starts: NDArray[np.int64], pairs: int) -> None:
    if starts[0] != 0 or starts[-1] != pairs:
        _refuse(name, f"must begin with 0 and end with {pairs}")
    # Compare neighbours: differences could overflow.
    if any((starts[1:][part] < starts[:-1][part]).any() for part in _chunks(len(starts) - 1)):
        _refuse(name, "must not decrease")


def _check_range(name: str, array: NDArray[np.int32], low: int, high: int) -> None:
    if len(array) and (array.min() < low or array.max() >= high):
        _refuse(name, f"must be from {low} to below {high}")


def _check_ids(arrays: Arrays) -> None:
    user_ids = arrays["user_ids"]
    if any((user_ids[1:][part] <= user_ids[:-1][part]).any() for part in _chunks(len(user_ids) - 1)):
        _refuse("user_ids", "must be sorted and not repeat")
    check_item_ids("media_ids", arrays["media_ids"])


def _check_values(values: NDArray[np.float64]) -> None:
    for part in _chunks(len(values)):
        # False for NaN, too.
        if not (np.abs(values[part]) <= _MAX_VALUE).all():
            _refuse("values", f"must be finite, and at most {_MAX_VALUE:g}")


def _check_directions(arrays: Arrays) -> None:
    """Require that both directions hold the same pairs, and each pair once."""
    item_start, users_of_item = arrays["media_start"], arrays["users_of_media"]
    for part in _chunks(len(users_of_item) - 1):
        later = np.flatnonzero(users_of_item[1:][part] <= users_of_item[:-1][part]) + part.start + 1
        # Only where another item begins may users not increase.
        if (item_start[np.searchsorted(item_start, later)] != later).any():
            _refuse("users_of_media", "the users of an item must be sorted and not repeat")
    by_user = _digest(arrays["user_start"], arrays["media_of_user"], lambda user, item: (user, item))
    by_item = _digest(item_start, users_of_item, lambda item, user: (user, item))
    if by_user != by_item:
        _refuse("users_of_media", "must hold the same pairs as media_of_user")


def _check_weights(arrays: Arrays) -> None:
    users = len(arrays["user_ids"])
    sizes, place = np.unique(np.diff(arrays["media_start"]), return_inverse=True)
    weights = np.array([idf_weight(users, int(size)) for size in sizes], dtype=np.int64)
    if not np.array_equal(arrays["idf_weights"], weights[place]):
        _refuse("idf_weights", "must match the numbers of users")
    norms = (1 / np.sqrt(np.diff(arrays["user_start"]) + DAMPING)).astype(np.float32)
    if not np.array_equal(arrays["inverse_norms"], norms):
        _refuse("inverse_norms", "must match the numbers of items")


def _check_bits(arrays: Arrays) -> None:
    """Require that the rows of bits hold the same users as `users_of_media`."""
    rows, user_bits, item_start = arrays["bits_row"], arrays["user_bits"], arrays["media_start"]
    popular = np.flatnonzero(rows != -1)
    if not np.array_equal(np.sort(rows[popular]), np.arange(len(user_bits))):
        _refuse("bits_row", f"must be -1, or one of {len(user_bits)} rows, each once")
    words = user_bits.shape[1]
    for item in popular:
        users = arrays["users_of_media"][item_start[item] : item_start[item + 1]]
        row = user_bits[rows[item]]
        bit, word = np.divmod(users, words)
        are_set = row[word] >> bit.astype(np.uint16) & np.uint16(1)
        if not are_set.all() or np.bitwise_count(row).sum(dtype=np.int64) != len(users):
            _refuse("user_bits", "must match users_of_media")


def _digest(
    starts: NDArray[np.int64],
    members: NDArray[np.int32],
    pair_of: Callable[
        [NDArray[np.uint64], NDArray[np.uint64]], tuple[NDArray[np.uint64], NDArray[np.uint64]]
    ],
) -> int:
    """Return a hash of the set of pairs, independent of their order."""
    total = 0
    for first, last in _owner_stretches(starts):
        owners = np.repeat(np.arange(first, last, dtype=np.uint64), np.diff(starts[first : last + 1]))
        high, low = pair_of(owners, members[starts[first] : starts[last]].astype(np.uint64))
        total += int(_scramble(high << np.uint64(32) | low).sum(dtype=np.uint64))
    return total % (1 << 64)


def _scramble(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of each 64-bit number in place (the finalizer of splitmix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers ^= numbers >> np.uint64(shift)
        numbers *= np.uint64(factor)
    numbers ^= numbers >> np.uint64(31)
    return numbers


def _owner_stretches(starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of owners, first to below last, whose entries are about one stretch."""
    cuts = np.searchsorted(starts, np.arange(0, int(starts[-1]), _CHUNK))
    bounds = np.unique(np.concatenate((cuts, [0, len(starts) - 1])))
    for first, last in itertools.pairwise(bounds):
        yield int(first), int(last)


def _chunks(length: int) -> Iterator[slice]:
    for start in range(0, length, _CHUNK):
        yield slice(start, min(start + _CHUNK, length))
