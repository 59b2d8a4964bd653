"""What the workers' counts and gauges are written down as, and how those of all become one."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import orjson

_BOUND = "le"


class MergedSample(NamedTuple):
    """A sample of a family of metrics."""

    family: str
    name: str
    labels: dict[str, str]
    value: float


def pack_series(family: str, name: str, labels: Mapping[str, str]) -> bytes:
    """The key of a series of a counter or histogram; the same for the same labels, in one line."""
    return orjson.dumps([family, name.removeprefix(family), labels], option=orjson.OPT_SORT_KEYS)


def merge_counts(counts: Iterable[tuple[bytes, float]]) -> Iterator[MergedSample]:
    """Samples of counters and histograms from the counts by series of all workers.

    An observation is counted in one bucket of its histogram; Prometheus wants each with those below it.
    """
    totals: defaultdict[bytes, float] = defaultdict(float)
    for key, value in counts:
        totals[key] += value
    histograms: defaultdict[tuple[str, bytes], dict[str, float]] = defaultdict(dict)
    for key, value in totals.items():
        family, suffix, labels = orjson.loads(key)
        if _BOUND in labels:
            bound = labels.pop(_BOUND)
            histograms[family, orjson.dumps(labels)][bound] = value
        else:
            yield MergedSample(family, f"{family}{suffix}", labels, value)
    for (family, packed), buckets in histograms.items():
        labels, total = orjson.loads(packed), 0.0
        for bound in sorted(buckets, key=float):
            total += buckets[bound]
            yield MergedSample(family, f"{family}_bucket", {**labels, _BOUND: bound}, total)
        yield MergedSample(family, f"{family}_count", labels, total)


def pack_gauges(gauges: Iterable[tuple[str, Mapping[str, str], float]]) -> bytes:
    """Name, labels and value of each gauge of a worker."""
    return orjson.dumps(list(gauges))


def merge_gauges(
    workers: Iterable[bytes], merges: Mapping[str, Callable[[list[float]], float]]
) -> Iterator[MergedSample]:
    """Samples of the gauges of all workers; `merges`: what those of a name become, if not their sum."""
    found: defaultdict[tuple[str, bytes], list[float]] = defaultdict(list)
    for packed in workers:
        for name, labels, value in orjson.loads(packed):
            found[name, orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)].append(value)
    for (name, labels_packed), each in found.items():
        yield MergedSample(name, name, orjson.loads(labels_packed), merges.get(name, sum)(each))
