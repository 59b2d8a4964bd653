"""Count the cores that this process may use: in a container, fewer than the machine has."""

import contextlib
import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from recommender.system.control_groups import ROOT, groups

# What OpenBLAS and OpenMP read when they are loaded; the latter counts for both.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def limit_library_threads(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let libraries of linear algebra that are loaded later, also by child processes, use the usable cores.

    They know affinities, but no quotas: with one thread per core of the machine, they would use up the quota
    at once, and all threads of the process would wait for the next period. Variables that are set stay.
    """
    if not any(environment.get(name) for name in _THREADS):
        environment[_THREADS[-1]] = str(usable_cores())


def usable_cores(root: Path = ROOT) -> int:
    """Return how many cores this process may use, by its affinity and the CPU quotas of its control groups.

    Args:
        root: of the file system, where the limits of control groups are read.
    """
    # Not every operating system has affinities.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quotas of the control groups of this process, in cores."""
    for group in groups("cpu", root):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            # Version 2: "max 100000" without a limit.
            quota, period = (group / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            # Version 1: -1 without a limit.
            quota_us = int((group / "cpu.cfs_quota_us").read_text())
            if quota_us > 0:
                yield quota_us / int((group / "cpu.cfs_period_us").read_text())
