"""Compute the fingerprint of a dataset, which shows whether two trainings used the same data."""

import hashlib

import numpy as np

from recommender.data.dataset import Dataset
from recommender.model_store.artifact import Fingerprint
from recommender.system.clock import iso_of


def fingerprint_of(data: Dataset) -> Fingerprint:
    """Return the time span of a dataset, and a checksum of its ids."""
    digest = hashlib.sha256()
    for ids in (data.user_ids, data.item_ids):
        for text in ids:
            digest.update(text.encode())
            digest.update(b"\n")
        digest.update(b"\0")
    times = data.times[np.isfinite(data.times)]
    span = (None, None) if not len(times) else (iso_of(float(times.min())), iso_of(float(times.max())))
    return Fingerprint(*span, ids_checksum=digest.hexdigest())
