"""Compute the fingerprint of a dataset, which shows whether two trainings used the same data."""

import hashlib
from datetime import UTC, datetime, timedelta

import numpy as np

from recommender.data.dataset import Dataset
from recommender.model_store.artifact import Fingerprint

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fingerprint_of(data: Dataset) -> Fingerprint:
    """Return the time span of a dataset, and a checksum of its ids."""
    digest = hashlib.sha256()
    for ids in (data.user_ids, data.item_ids):
        for text in ids:
            digest.update(text.encode())
            digest.update(b"\n")
        digest.update(b"\0")
    times = data.times[np.isfinite(data.times)]
    span = (None, None) if not len(times) else (_iso(float(times.min())), _iso(float(times.max())))
    return Fingerprint(*span, ids_checksum=digest.hexdigest())


def _iso(seconds: float) -> str | None:
    """Return a moment as ISO 8601; None if it is out of range for Python's datetime."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return None
