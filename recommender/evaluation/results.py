"""What an evaluation found, as it is written to JSON and shown."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from recommender.model_store.runs import Interval, VariantRecord

ALL_USERS = "all"
WITH_HISTORY = "with history"
NEW_USERS = "new"
# Below and from MIN_HISTORY items on.
SHORT_HISTORY = "short history"
LONGER_HISTORY = "longer history"
# A baseline that each blend has of its own.
THE_MODEL_ALONE = "the model alone"


class Verdict(StrEnum):
    """What an interval of differences allows to say."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "no clear difference"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(Interval):
    """A mean of paired differences per user; above 0 is in favour."""

    verdict: Verdict

    @classmethod
    def of(cls, mean: float, low: float, high: float) -> "Difference":
        """Return the difference with what may be said of it: only an interval without 0 says anything."""
        verdict = Verdict.BETTER if low > 0 else Verdict.WORSE if high < 0 else Verdict.UNCLEAR
        return cls(mean=mean, low=low, high=high, verdict=verdict)


class GroupResult(_Result):
    """Accuracy for some users. `metrics`: by `ndcg@10` and the like; `against`: by baseline first."""

    users: int
    metrics: Mapping[str, Interval]
    against: Mapping[str, Mapping[str, Difference]]


class VariantResult(VariantRecord):
    """What was measured of one way of ranking. `beyond`: metrics beside accuracy, of all users.

    `personalised`: the share of users whose ranking rests on more than popularity.
    """

    fit_seconds: float | None = None
    groups: Mapping[str, GroupResult] = {}
    beyond: Mapping[str, float] = {}
    personalised: float | None = None


class Description(_Result):
    """What was evaluated on, in numbers and words.

    `moment`: ISO 8601, of a split in time. `stated`: where stated genres come from.
    """

    source: str
    split: str
    moment: str | None
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
    """A comparison. `group`: the users that are spoken of first; `metric`: the one that decides."""

    description: Description
    group: str
    metric: str
    baselines: tuple[str, ...]
    variants: tuple[VariantResult, ...]

    def of_group(self, variant: VariantResult) -> GroupResult:
        """Return what a measured variant came to for the users that are spoken of first."""
        return variant.groups[self.group]

    @property
    def measured(self) -> list[VariantResult]:
        """The variants that were measured, the best first."""
        found = [each for each in self.variants if each.refused is None]
        return sorted(found, key=lambda each: (-self.of_group(each).metrics[self.metric].mean, each.name))

    @property
    def refused(self) -> list[VariantResult]:
        """The variants that could not be measured."""
        return [each for each in self.variants if each.refused is not None]
