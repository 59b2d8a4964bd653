"""A comparison as lines of text."""

from collections.abc import Iterator

from recommender.cli.columns import columns
from recommender.evaluation.results import ALL_USERS, Evaluation, VariantResult
from recommender.evaluation.shown_metrics import shown_difference, shown_metric

_HEAD = ("", "{metric}", "95 %", "against popularity", "against the default", "coverage", "personalized")
# With fewer users, intervals are too wide to distinguish most variants.
_FEW_USERS = 100


def lines_of(evaluation: Evaluation) -> Iterator[str]:
    """Yield lines for a terminal: the data, a table, and notes."""
    yield from _described(evaluation)
    yield ""
    yield from columns([_head(evaluation), *(_row(evaluation, each) for each in evaluation.measured)])
    for each in evaluation.refused:
        yield f"{each.name}: not measured. {each.refused}"
    yield ""
    yield from _by_group(evaluation)
    yield ""
    users = evaluation.of_group(evaluation.measured[0]).users
    if users < _FEW_USERS:
        group = "" if evaluation.group == ALL_USERS else f" {evaluation.group}"
        yield (
            f"Only {users:,} users{group}: too few to tell much. A split by each user's own "
            "history (--split last-part) tests on more."
        )
    yield (
        "better, worse: the 95 % interval of the paired differences excludes 0, and if fewer than 30 users "
        "differ, a sign test agrees. Interactions favor what was shown."
    )


def _described(evaluation: Evaluation) -> Iterator[str]:
    about = evaluation.description
    span = f", from {about.moment}" if about.moment else ""
    span += f" to {about.until}" if about.until else ""
    window = f"the {about.window_days:,} days" if about.window_days else "all time"
    yield (
        f"{about.source}: {about.train_users:,} users and {about.train_pairs:,} pairs to learn from, "
        f"{about.items:,} items to rank, {about.test_users:,} users to test on."
    )
    yield (
        f"Split: {about.split}{span}; relevant: {about.relevant}; window: {window} before the test; "
        f"stated genres: {about.stated}."
    )


def _head(evaluation: Evaluation) -> list[str]:
    return [word.format(metric=shown_metric(evaluation.metric)) for word in _HEAD]


def _row(evaluation: Evaluation, variant: VariantResult) -> list[str]:
    group = evaluation.of_group(variant)
    interval = group.metrics[evaluation.metric]
    k = evaluation.metric.partition("@")[2]
    differences = [
        shown_difference(group.against[baseline][evaluation.metric]) if baseline != variant.name else ""
        for baseline in evaluation.baselines
    ]
    differences += [""] * (2 - len(differences))
    return [
        variant.name,
        f"{interval.mean:.4f}",
        f"[{interval.low:.4f}, {interval.high:.4f}]",
        *differences,
        f"{variant.beyond[f'coverage@{k}']:.1%}",
        f"{variant.personalised or 0.0:.0%}",
    ]


def _by_group(evaluation: Evaluation) -> Iterator[str]:
    """Yield the main metric of each group of users."""
    measured = evaluation.measured
    names = list(measured[0].groups)
    head = [
        f"{shown_metric(evaluation.metric)} of",
        *(f"{name} ({measured[0].groups[name].users:,})" for name in names),
    ]
    rows = [
        [each.name, *(f"{each.groups[name].metrics[evaluation.metric].mean:.4f}" for name in names)]
        for each in measured
    ]
    yield from columns([head, *rows])
