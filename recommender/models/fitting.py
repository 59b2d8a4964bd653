"""The conditions of learning: a memory limit, and a function for progress reports."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from recommender.errors import TrainingMemoryError

_MEGABYTE = 1 << 20


class Estimate(NamedTuple):
    """Rough estimates of learning.

    `seconds`: on this machine. `memory_bytes`: peak memory, in addition to the dataset. `needed_bytes`: the
    minimum of a model that learns fewer items when memory is short; None for other models.
    """

    seconds: float
    memory_bytes: int
    needed_bytes: int | None = None

    @property
    def least_bytes(self) -> int:
        """The bytes below which learning is refused."""
        return self.memory_bytes if self.needed_bytes is None else self.needed_bytes


def _ignore(share: float) -> None:
    """Ignore a report."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """The conditions of one training run.

    `memory_bytes`: the limit for a model, in addition to the dataset. `report`: called repeatedly with an
    estimate of the completed share, from 0 to 1.
    """

    memory_bytes: int = sys.maxsize
    report: Callable[[float], None] = _ignore

    def refuse_beyond(self, name: str, memory_bytes: int) -> None:
        """Refuse learning that needs more memory than the limit.

        Raises:
            TrainingMemoryError: the model `name` needs more than allowed.
        """
        if memory_bytes > self.memory_bytes:
            raise TrainingMemoryError(
                f"{name} needs about {memory_bytes / _MEGABYTE:,.0f} MB to learn from this dataset, but "
                f"TRAINING_MEMORY_MB allows {self.memory_bytes / _MEGABYTE:,.0f}."
            )


UNBOUNDED = Fitting()
