"""Results of an evaluation, as written to JSON and shown."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from recommender.model_store.runs import MetricInterval, VariantRecord

ALL_USERS = "all"
WITH_HISTORY = "with history"
NEW_USERS = "new"
# Users with fewer than MIN_HISTORY items, and the others.
SHORT_HISTORY = "short history"
LONGER_HISTORY = "longer history"
# The baseline of a blend: its model without content.
THE_MODEL_ALONE = "the model alone"


class Verdict(StrEnum):
    """The conclusion from differences per user."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "no clear difference"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricDifference(MetricInterval):
    """A mean of paired differences per user; above 0 is better than the baseline."""

    verdict: Verdict

    @classmethod
    def of(cls, mean: float, low: float, high: float, *, confirmed: bool) -> "MetricDifference":
        """Return the difference with its verdict: unclear if the interval includes 0.

        Args:
            mean: of the differences.
            low: the lower end of the interval.
            high: the upper end.
            confirmed: whether the interval is enough to tell, see `DifferenceIntervals`.
        """
        verdict = Verdict.UNCLEAR
        if confirmed and (low > 0 or high < 0):
            verdict = Verdict.BETTER if low > 0 else Verdict.WORSE
        return cls(mean=mean, low=low, high=high, verdict=verdict)


class GroupResult(_Result):
    """Accuracy for a group of users. `metrics`: by name, like `ndcg@10`; `against`: by baseline and name.

    `joint`: the differences of the main metric by baseline, with intervals that hold for all variants
    together. Empty in older results.
    """

    users: int
    metrics: Mapping[str, MetricInterval]
    against: Mapping[str, Mapping[str, MetricDifference]]
    joint: Mapping[str, MetricDifference] = {}

    def as_best(self, baseline: str, metric: str) -> MetricDifference:
        """Return the difference of the best variant: its interval allows for choosing it among all."""
        return self.joint.get(baseline) or self.against[baseline][metric]


class VariantResult(VariantRecord):
    """The measurements of one variant. `beyond`: metrics beside accuracy, over all users.

    `personalised`: the share of users ranked by more than popularity.
    """

    fit_seconds: float | None = None
    groups: Mapping[str, GroupResult] = {}
    beyond: Mapping[str, float] = {}
    personalised: float | None = None


class Description(_Result):
    """The data of an evaluation, in numbers and words.

    `moment`, `until`: where the test of a split in time starts and ends, ISO 8601; earlier releases did not
    store the end. `stated`: the source of stated genres.
    """

    source: str
    split: str
    moment: str | None
    until: str | None = None
    window_days: int
    relevant: str
    stated: str
    items: int
    train_users: int
    train_pairs: int
    test_users: int
    seed: int
    ks: tuple[int, ...]


class Evaluation(_Result):
    """A comparison. `group`: the main group of users; `metric`: the one that decides."""

    description: Description
    group: str
    metric: str
    baselines: tuple[str, ...]
    variants: tuple[VariantResult, ...]

    def of_group(self, variant: VariantResult) -> GroupResult:
        """Return the results of a variant for the main group of users."""
        return variant.groups[self.group]

    @property
    def measured(self) -> list[VariantResult]:
        """The variants that were measured, best first."""
        found = [each for each in self.variants if each.refused is None]
        return sorted(found, key=lambda each: (-self.of_group(each).metrics[self.metric].mean, each.name))

    @property
    def refused(self) -> list[VariantResult]:
        """The variants that could not be measured."""
        return [each for each in self.variants if each.refused is not None]
