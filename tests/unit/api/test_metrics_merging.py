"""The metrics of several workers are merged into one."""

from recommender.api.metrics_merging import merge_counts, merge_gauges, pack_gauges, pack_series


def test_counters_are_summed_by_their_labels_in_any_order() -> None:
    first = pack_series("hits", "hits_total", {"a": "1", "b": "2"})
    same = pack_series("hits", "hits_total", {"b": "2", "a": "1"})
    other = pack_series("hits", "hits_total", {"a": "2", "b": "1"})
    merged = list(merge_counts([(first, 1.0), (other, 5.0), (same, 2.0)]))
    assert merged == [
        ("hits", "hits_total", {"a": "1", "b": "2"}, 3.0),
        ("hits", "hits_total", {"a": "2", "b": "1"}, 5.0),
    ]


def test_buckets_are_cumulative_in_any_order_of_opening() -> None:
    def bucket(bound: str) -> bytes:
        return pack_series("took", "took_bucket", {"stage": "x", "le": bound})

    counts = [(bucket(bound), value) for bound, value in (("+Inf", 4.0), ("10.0", 2.0), ("9.0", 1.0))]
    counts += [(bucket("10.0"), 1.0), (pack_series("took", "took_sum", {"stage": "x"}), 7.5)]
    assert list(merge_counts(counts)) == [
        ("took", "took_sum", {"stage": "x"}, 7.5),
        ("took", "took_bucket", {"stage": "x", "le": "9.0"}, 1.0),
        ("took", "took_bucket", {"stage": "x", "le": "10.0"}, 4.0),
        ("took", "took_bucket", {"stage": "x", "le": "+Inf"}, 8.0),
        ("took", "took_count", {"stage": "x"}, 8.0),
    ]


def test_gauges_are_summed_unless_declared_otherwise() -> None:
    workers = [pack_gauges([("up", {"status": "a"}, 1.0), ("age", {}, age)]) for age in (3.0, 9.0, 5.0)]
    assert list(merge_gauges(workers, {"age": max})) == [
        ("up", "up", {"status": "a"}, 3.0),
        ("age", "age", {}, 9.0),
    ]
