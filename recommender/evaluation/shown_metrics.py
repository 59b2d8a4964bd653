"""Metrics and their differences as text."""

from recommender.evaluation.results import MetricDifference, Verdict

_WORDS = {Verdict.BETTER: "better", Verdict.WORSE: "worse", Verdict.UNCLEAR: "unclear"}


def shown_metric(name: str) -> str:
    """Return a metric's display name: `NDCG@10`."""
    metric, _, k = name.partition("@")
    words = {"ndcg": "NDCG", "map": "MAP", "mrr": "MRR", "hit_rate": "Hit rate"}
    return f"{words.get(metric, metric.capitalize())}@{k}"


def shown_difference(difference: MetricDifference) -> str:
    """Return a difference with its interval and verdict."""
    return (
        f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}] {_WORDS[difference.verdict]}"
    )
