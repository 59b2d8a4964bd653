"""Compile the kernels of models before the first training.

Compiling takes as long on a small data set as on a large one, and is kept on disk. So it can run before
there is any data.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recommender.data.dataset import Dataset
from recommender.models.registry import DEFAULT_MODEL, MODELS
from recommender.ranking.warm_up import warm_up_ranking
from recommender.texts import id_table

_USERS, _ITEMS, _ITEMS_OF_USER = 40, 10, 3


def compile_models(names: Iterable[str] = MODELS) -> None:
    """Compile loops of ids, ranking and models: a model is fitted to a few made-up users, saved and loaded.

    The model that is trained first is compiled first.

    Raises:
        OSError: there is no room for temporary files.
    """
    id_table.warm_up()
    warm_up_ranking()
    data = _made_up()
    able = [name for name in names if MODELS[name].missing_package() is None]
    for name in sorted(able, key=lambda name: name != DEFAULT_MODEL):
        model = MODELS[name].make({})
        model.fit(data)
        with tempfile.TemporaryDirectory(prefix="marquee-") as folder:
            model.save(Path(folder))
            type(model).load(Path(folder))


def _made_up() -> Dataset:
    """Return users who each have a few items, assigned cyclically."""
    pairs = np.arange(_USERS)[:, None] + np.arange(_ITEMS_OF_USER)
    entries = pairs.size
    return Dataset(
        user_ids=[f"{user:04}" for user in range(_USERS)],
        item_ids=[f"{item:04}" for item in range(_ITEMS)],
        user_start=np.arange(_USERS + 1, dtype=np.int64) * _ITEMS_OF_USER,
        item_idx=(pairs % _ITEMS).astype(np.int32).ravel(),
        values=np.ones(entries),
        liked=np.ones(entries, dtype=np.bool_),
        times=np.arange(entries, 0, -1, dtype=np.float64),
        window_start="-infinity",
    )
