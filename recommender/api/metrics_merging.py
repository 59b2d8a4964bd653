"""Encodes the counts and gauges of workers, and merges those of all workers."""

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
    """Return the key of a series of a counter or histogram: one line, the same for the same labels."""
    return orjson.dumps([family, name.removeprefix(family), labels], option=orjson.OPT_SORT_KEYS)


def merge_counts(counts: Iterable[tuple[bytes, float]]) -> Iterator[MergedSample]:
    """Yield samples of counters and histograms from the counts of all workers.

    Workers count an observation in one bucket; Prometheus expects cumulative buckets.
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
    """Encode name, labels and value of each gauge of a worker."""
    return orjson.dumps(list(gauges))


def merge_gauges(
    workers: Iterable[bytes], merges: Mapping[str, Callable[[list[float]], float]]
) -> Iterator[MergedSample]:
    """Yield the gauges of all workers, summed by name and labels, or merged by `merges[name]`."""
    found: defaultdict[tuple[str, bytes], list[float]] = defaultdict(list)
    for packed in workers:
        for name, labels, value in orjson.loads(packed):
            found[name, orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)].append(value)
    for (name, labels_packed), each in found.items():
        yield MergedSample(name, name, orjson.loads(labels_packed), merges.get(name, sum)(each))
