"""Train the factors of the peer `als_redis`, with the library `implicit`."""

from pathlib import Path

import numpy as np

from benchmarks.dataset import BenchmarkData
from config.settings import load_settings
from recommender.data.dataset import Dataset, dataset_of
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.patient import patient_database
from recommender.entities import DatabaseName

_FACTORS = 64
# How good the factors are makes no difference to how fast they are read.
_ITERATIONS = 3
_ALL_TIME = "-infinity"


def train_als(data: BenchmarkData, folder: Path) -> None:
    """Write factors, ids and histories into a folder, unless they are there."""
    if (folder / "item_factors.npy").exists():
        return
    # Compiled code, which is slow to load.
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415 - see above

    dataset = _read(data)
    library = AlternatingLeastSquares(factors=_FACTORS, iterations=_ITERATIONS, random_state=0)
    library.fit(dataset.matrix(np.ones(len(dataset.item_idx), dtype=np.float32)), show_progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "user_ids.npy", np.array(dataset.user_ids, dtype=np.bytes_))
    np.save(folder / "item_ids.npy", np.array(dataset.item_ids, dtype=np.bytes_))
    np.save(folder / "user_start.npy", dataset.user_start)
    np.save(folder / "item_idx.npy", dataset.item_idx)
    np.save(folder / "user_factors.npy", library.user_factors)
    np.save(folder / "item_factors.npy", library.item_factors)


def _read(data: BenchmarkData) -> Dataset:
    settings = load_settings()
    databases = settings.databases.with_urls(data.urls)
    with patient_database(DatabaseName.ENGAGEMENT, databases) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        return dataset_of(engagement_db.stream_positive_histories(_ALL_TIME), _ALL_TIME)
