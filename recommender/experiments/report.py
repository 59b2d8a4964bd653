"""Compute the results of an experiment from interactions."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from recommender.data.interactions import InteractionKind
from recommender.databases.engagement_db import Exposure, InteractionArrays
from recommender.experiments.definitions import Experiment
from recommender.experiments.statistics import (
    IntervalEstimate,
    Power,
    joint_confidence,
    preference,
    preference_power,
    share_difference,
    share_power,
    shares_test,
    sign_test,
    wilson,
)
from recommender.experiments.tokens import Placement, TokenSigner

# The app's clock may be slower by this much.
_CLOCKS_DIFFER_S = 300.0
_POSITIVE_KINDS = (InteractionKind.LIKE, InteractionKind.WATCH)


@dataclass(frozen=True, slots=True)
class InterleavingReport:
    """The result of an interleaving experiment.

    `credits`: items that users liked or watched, by team. `wins`: users with more items of the first team,
    and of the second. `refused`: interactions whose token is forged, altered, or of another user, item or
    time. `preference`: of the second ranking over the first, from -0.5 to 0.5. `p_value`: probability of such
    wins without a difference.
    """

    teams: tuple[str, str]
    credits: tuple[int, int]
    wins: tuple[int, int]
    ties: int
    refused: int
    preference: IntervalEstimate
    power: Power
    p_value: float

    @property
    def users(self) -> int:
        """Return the number of users who liked or watched an item of the lists."""
        return sum(self.wins) + self.ties


@dataclass(frozen=True, slots=True)
class VariantReport:
    """A variant of an A/B test.

    `users`: how many have interactions from before the test. `positive_users`, `rate`: how many of them, and
    which share, liked or watched something since. `new_positive_users`: how many users without earlier
    interactions did; those who did nothing are unknown. `difference`, `power`: against the first variant;
    None for the first itself.
    """

    name: str
    users: int
    positive_users: int
    new_positive_users: int
    rate: IntervalEstimate
    difference: IntervalEstimate | None = None
    power: Power | None = None


@dataclass(frozen=True, slots=True)
class AbReport:
    """The result of an A/B test.

    `confidence`: of the interval of each difference, such that all of them are right in 95 % of experiments.
    `users_p_value`: the probability of user counts at least as far from the shares of the variants. Nothing
    that users do changes these counts, so a small value means that users were assigned in another way.
    `new_p_value`: the same for new users with a like or watch, if no variant had an effect on them.
    """

    variants: Sequence[VariantReport]
    confidence: float
    users_p_value: float
    new_p_value: float


class _Credit(NamedTuple):
    happened_at: float
    team: str


def read_interleaving(
    experiment: Experiment,
    exposures: Iterable[Exposure],
    signer: TokenSigner,
    positive_types: Collection[str],
) -> InterleavingReport:
    """Count liked and watched items by team. An item counts once for each user, by the first interaction.

    Args:
        experiment: of kind interleaving.
        exposures: interactions with tokens, of any experiment.
        signer: has the keys.
        positive_types: the types of interactions that count.
    """
    first, second = (variant.name for variant in experiment.variants)
    credited: dict[tuple[str, str], _Credit] = {}
    refused = 0
    for exposure in exposures:
        placement = signer.read(exposure.token)
        if placement is None or not _fits(placement, exposure):
            refused += 1
            continue
        is_ours = placement.experiment == experiment.name and placement.team in (first, second)
        if is_ours and exposure.type in positive_types:
            key = (exposure.user_id, exposure.item_id)
            credit = _Credit(exposure.happened_at, placement.team)
            credited[key] = min(credit, credited.get(key, credit))
    balances: Counter[str] = Counter()
    teams: Counter[str] = Counter()
    for (user_id, _), credit in credited.items():
        teams[credit.team] += 1
        balances[user_id] += 1 if credit.team == second else -1
    signs = Counter(int(np.sign(balance)) for balance in balances.values())
    wins = (signs[-1], signs[1])
    return InterleavingReport(
        teams=(first, second),
        credits=(teams[first], teams[second]),
        wins=wins,
        ties=signs[0],
        refused=refused,
        preference=preference(wins, signs[0]),
        power=preference_power(wins, signs[0]),
        p_value=sign_test(wins),
    )


def read_ab(experiment: Experiment, users: Iterable[InteractionArrays], since_s: float) -> AbReport:
    """Return how many users of each variant liked or watched an item since a time.

    Only users known before are a share of all: to be known by a first like is an outcome itself.

    Args:
        experiment: of kind ab.
        users: all interactions of each user, whose id decides the variant.
        since_s: in seconds since 1970 UTC.
    """
    known: Counter[str] = Counter()
    positive: Counter[str] = Counter()
    new: Counter[str] = Counter()
    for user in users:
        variant = experiment.variant_for(user.user_id)
        if variant is None:
            continue
        is_since = user.times >= since_s
        is_positive = bool((np.isin(user.kinds, _POSITIVE_KINDS) & is_since).any())
        if is_since.all():
            new[variant.name] += is_positive
        else:
            known[variant.name] += 1
            positive[variant.name] += is_positive
    shares = {variant.name: variant.share for variant in experiment.variants}
    first, *others = (
        VariantReport(name, known[name], positive[name], new[name], wilson(positive[name], known[name]))
        for name in shares
    )
    confidence = joint_confidence(len(others))
    return AbReport(
        [first, *(_compared(first, other, confidence) for other in others)],
        confidence,
        shares_test([known[name] for name in shares], list(shares.values())),
        shares_test([new[name] for name in shares], list(shares.values())),
    )


def _compared(first: VariantReport, other: VariantReport, confidence: float) -> VariantReport:
    """Return the report of the other variant with its difference from the first."""
    hits, trials = (first.positive_users, other.positive_users), (first.users, other.users)
    return replace(
        other,
        difference=share_difference(hits, trials, confidence),
        power=share_power(hits, trials, confidence),
    )


def _fits(placement: Placement, exposure: Exposure) -> bool:
    """Return whether the interaction matches the token's user and item, and is not older than the token."""
    return (
        placement.user_id == exposure.user_id
        and placement.item_id == exposure.item_id
        and exposure.happened_at >= placement.given_at - _CLOCKS_DIFFER_S
    )
