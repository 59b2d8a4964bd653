"""Describe a publication, for records outside of the folder of models."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from recommender.data.dataset import Dataset
from recommender.model_store.artifact import Metadata
from recommender.models.base import TrainableModel


class Publication(NamedTuple):
    """A version that was just published.

    `data`: what the model was fitted to. `versions`: all kept versions of the model, this one included.
    `is_current`: it is the current one of its model; False if people chose another one meanwhile.
    """

    model: TrainableModel
    data: Dataset
    metadata: Metadata
    versions: Sequence[str]
    is_current: bool


class RecordPublication(Protocol):
    """Record publications; must not raise, as that would stop the publishing."""

    def __call__(self, publication: Publication, /) -> bool:
        """Record a publication; return whether that succeeded."""
        ...


def record_nothing(_publication: Publication) -> bool:
    """Keep no record, which always succeeds."""
    return True
