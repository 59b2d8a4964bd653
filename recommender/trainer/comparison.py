"""Compare variants in a training run: search on earlier data, then compare once on the test data."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from recommender.data.dataset import Dataset
from recommender.entities import Blend
from recommender.errors import EvaluationError
from recommender.evaluation.ranking import Report, ShortHistory
from recommender.evaluation.results import Evaluation
from recommender.evaluation.runner import MAIN_K, Plan, describe, evaluate_part
from recommender.evaluation.sources import Source
from recommender.evaluation.splits import SplitKind, splits_of
from recommender.evaluation.training_part import TestUsers, choose_relevant, prepare
from recommender.evaluation.tuning import Candidate, choose, search
from recommender.evaluation.variants import POPULARITY, RankingVariant
from recommender.models.fitting import Fitting
from recommender.trainer.candidates import Pinned, suited_fits
from recommender.trainer.champion import challenger_of

# How many users are drawn for the search, and for the comparison.
SEARCH_USERS, TEST_USERS = 1_000, 5_000
# With fewer users, a confidence interval says little.
LEAST_TEST_USERS = 30


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a comparison.

    `default`: the default formula, as configured. `fixed`: the only allowed blend; None if it is learned.
    `pinned`: hyperparameters that the settings fix. `short`: how users with short histories are scored.
    `seed`: of the draw of users.
    """

    champion: RankingVariant
    default: RankingVariant
    fixed: Blend | None
    pinned: Pinned
    short: ShortHistory
    memory_bytes: int
    seed: int


class Comparison(NamedTuple):
    """The result of a comparison.

    `searched`: the variants tried in the search for the challenger. `left_out`: those that were not tried,
    and why.
    """

    challenger: RankingVariant
    evaluation: Evaluation
    searched: tuple[Candidate, ...]
    left_out: tuple[str, ...]


def compare(source: Source, data: Dataset, conditions: Conditions, report: Report) -> Comparison:
    """Choose a challenger on earlier data, and compare it with the champion on the last stretch of time.

    Args:
        source: all interactions.
        data: the dataset that a model learns from them.
        conditions: of the comparison.
        report: called with the step, how much of it is done, and of how much.

    Raises:
        EvaluationError: there are too few users to choose by or to compare on.
    """
    splits = splits_of(source, SplitKind.TIME)
    plan = Plan(
        ks=(MAIN_K,),
        relevant=choose_relevant(source, [splits.validation, splits.test]),
        max_users=SEARCH_USERS,
        seed=conditions.seed,
        short=conditions.short,
        fitting=Fitting(conditions.memory_bytes),
    )
    part = prepare(source, splits.validation, plan.relevant, plan.max_users, plan.seed)
    _refuse_few(part.users)
    suited = suited_fits(data, conditions.memory_bytes, conditions.pinned)
    found = search(part, suited.fits, plan, report, conditions.fixed)
    chosen = choose(found.variants, found.candidates)
    del part
    challenger = challenger_of(chosen, conditions.champion, learns_blend=conditions.fixed is None)
    compared = {each.name: each for each in (POPULARITY, conditions.default, conditions.champion, challenger)}
    baselines = (conditions.champion, conditions.default, POPULARITY)
    plan = replace(plan, max_users=TEST_USERS, baselines=baselines)
    part = prepare(source, splits.test, plan.relevant, plan.max_users, plan.seed)
    _refuse_few(part.users)
    description = describe(source, splits.test, part, plan)
    evaluation = evaluate_part(part, list(compared.values()), plan, description, report)
    left_out = (*(f"{model}: {reason}" for model, reason in suited.left_out.items()), *found.refused)
    return Comparison(challenger, evaluation, tuple(found.candidates), left_out)


def _refuse_few(users: TestUsers) -> None:
    """Refuse to decide by few users; those without a history do not count if others have one.

    Raises:
        EvaluationError: there are too few.
    """
    count = int(users.compared.sum())
    if count < LEAST_TEST_USERS:
        raise EvaluationError(f"there are {count} users to compare on, but {LEAST_TEST_USERS} are needed")
