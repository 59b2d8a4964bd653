"""Where Gunicorn's workers count, for whichever of them is asked to add up."""

from recommender.api.metrics_memory import CountsMemory

# More than there are workers: at a reload old and new ones live side by side, and reloads may follow quickly.
_LEAST_SLOTS = 64
_SLOTS_A_WORKER = 4

_made: list[CountsMemory | None] = []


def shared_counts(workers: int) -> CountsMemory | None:
    """The memory of this start, made at the first call; None where that fails, and each worker counts alone.

    A reload, which runs the configuration again, keeps it: its old workers still count there.
    """
    if not _made:
        try:
            _made.append(CountsMemory(max(_LEAST_SLOTS, workers * _SLOTS_A_WORKER)))
        except OSError:
            _made.append(None)
    return _made[0]
