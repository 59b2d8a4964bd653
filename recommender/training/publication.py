"""What was published, for those who keep a record of it elsewhere than in the folder of models."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from recommender.data.dataset import Dataset
from recommender.model_store.artifact import Metadata
from recommender.models.base import TrainableModel


class Publication(NamedTuple):
    """A version that has just become the current one of its model.

    `data`: what the model was fitted to. `versions`: of the model, all that are kept, this one included.
    """

    model: TrainableModel
    data: Dataset
    metadata: Metadata
    versions: Sequence[str]


class Record(Protocol):
    """Keeps a record of what is published; it raises nothing, as that must not stop the publishing."""

    def __call__(self, publication: Publication) -> None:
        """Note what was published."""
        ...


def record_nothing(publication: Publication) -> None:
    """Keep no record."""
