"""What a model is given while it learns: a bound on memory, and a place to say how far it is."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from recommender.errors import TrainingMemoryError

_MEGABYTE = 1 << 20


class Estimate(NamedTuple):
    """Roughly what learning takes.

    `seconds`: on this machine. `memory_bytes`: at the peak, in addition to the dataset. `needed_bytes`: what
    a model that learns fewer items where memory is short cannot do without; None for other models.
    """

    seconds: float
    memory_bytes: int
    needed_bytes: int | None = None

    @property
    def least_bytes(self) -> int:
        """With less memory than that, learning is refused."""
        return self.memory_bytes if self.needed_bytes is None else self.needed_bytes


def _ignore(share: float) -> None:
    """Report to no one."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """The conditions of one training run.

    `memory_bytes`: how much a model may take in addition to the dataset. `report`: called now and then with
    the share of the time that has passed, from 0 to 1, as far as the model can tell.
    """

    memory_bytes: int = sys.maxsize
    report: Callable[[float], None] = _ignore

    def refuse_beyond(self, name: str, memory_bytes: int) -> None:
        """Refuse to begin what would need more memory.

        Raises:
            TrainingMemoryError: `name` needs more than is allowed.
        """
        if memory_bytes > self.memory_bytes:
            raise TrainingMemoryError(
                f"{name} needs some {memory_bytes / _MEGABYTE:,.0f} MB to learn from this dataset, and "
                f"TRAINING_MEMORY_MB allows {self.memory_bytes / _MEGABYTE:,.0f}."
            )


UNBOUNDED = Fitting()
