"""`recommend`: show one user's recommendations."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.setting_types import PROGRAM
from config.settings import load_settings
from recommender.cli.common import check_limit, opened
from recommender.cli.epilog import epilog
from recommender.cli.output import plain
from recommender.domains.attributes import Attribute, AttributeKind
from recommender.domains.base import Domain
from recommender.entities import (
    DatabaseName,
    ExplanationContext,
    Options,
    Page,
    Recommendation,
    UserRecommendations,
)
from recommender.errors import NothingToRecommendFromError
from recommender.results.serializers import rounded, variants_of
from recommender.texts.ids import IdForm
from recommender.texts.labels import LACKS, STRATEGIES

# For a pipe or a file, which has no width.
_WIDTH = 160


class _Column(NamedTuple):
    header: str
    cell: Callable[[Recommendation], str]
    is_number: bool = False


_TITLE = _Column("title", lambda item: item.details.title or item.details.id)
_SCORES = (
    _Column("score", lambda item: _score(item.recommendation_score), is_number=True),
    _Column("content", lambda item: _score(item.content_score), is_number=True),
    _Column("collaborative", lambda item: _score(item.collaborative_score), is_number=True),
)
_WHY = _Column("why", lambda item: item.explanation.reason if item.explanation else "")


def _columns(domain: Domain, *, explained: bool) -> Sequence[_Column]:
    """Return the columns of the table; reasons replace names."""
    named = [attribute for attribute in domain.shown if attribute.kind is not AttributeKind.TEXT]
    if explained:
        numbers = [_column(attribute) for attribute in named if attribute.kind is AttributeKind.NUMBER]
        return (_TITLE, *numbers, *_SCORES, _WHY)
    return (_TITLE, *map(_column, named), *_SCORES)


def _column(attribute: Attribute) -> _Column:
    def cell(item: Recommendation) -> str:
        value = item.details.attributes[attribute.name]
        if value is None:
            return ""
        return ", ".join(value) if isinstance(value, tuple) else str(value)

    return _Column(attribute.label, cell, is_number=attribute.kind is AttributeKind.NUMBER)


@click.command(
    epilog=epilog(
        "recommend 770b13a5-a0a3-4f45-83b2-712fc40ecc19",
        "recommend 770b13a5-a0a3-4f45-83b2-712fc40ecc19 --limit 50",
        "recommend 770b13a5-a0a3-4f45-83b2-712fc40ecc19 --explain",
        statuses={
            0: "recommendations are shown, even if a database does not answer",
            1: "there are no recommendations, or no database answers",
            2: "the command is wrong",
        },
    )
)
@click.argument("user")
@click.option("--limit", type=int, help="Number of recommendations. Default 10, at most MAX_LIMIT.")
@click.option("--explain", is_flag=True, help="Explain each recommendation.")
def recommend(*, user: str, limit: int | None, explain: bool) -> int:
    """Show a user's recommendations and their scores.

    Shows what the service would answer, without starting it, and how it was ranked. USER is an id as in the
    databases; unknown users get popular items.

    If a database does not answer, the command ranks without it and says what is missing.
    """
    settings = load_settings()
    page = Page(check_limit(settings.requests, limit))
    form = IdForm.of_pattern(settings.requests.id_pattern)
    user_id = form.canonical(user)
    if user_id is None:
        raise click.BadParameter(f"must be {form.words}, got {user!r}", param_hint="USER")
    waiting = Console(stderr=True)
    with waiting.status("Loading the catalog …"), opened(settings) as container:
        (answer,) = container.service.recommend([user_id], page, Options(explained=explain))
    if not answer.items and DatabaseName.CATALOG in answer.degraded:
        raise NothingToRecommendFromError
    if not answer.items:
        raise click.ClickException(
            "there is nothing to recommend: the catalog is empty, or this user has seen all of it. "
            f"`{PROGRAM} check` says what the databases hold"
        )
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(_table(answer, _columns(container.domain, explained=explain)))
    for line in _notes(answer):
        console.print(Text(plain(line)))
    return 0


def _table(answer: UserRecommendations, columns: Sequence[_Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column.header, justify="right" if column.is_number else "left")
    for item in answer.items:
        table.add_row(*(Text(plain(column.cell(item))) for column in columns))
    return table


def _notes(answer: UserRecommendations) -> Iterator[str]:
    """Yield lines on how the ranking was made and what it lacks."""
    version = f" {answer.model_version}" if answer.model_version else ""
    yield (
        f"{answer.strategy.value}: {STRATEGIES[answer.strategy]}. "
        f"Scored by the model {answer.model}{version}."
    )
    if answer.variants:
        yield f"Experiments: {variants_of(answer)}."
    if answer.basis is not None:
        yield from _basis_notes(answer.basis)
    for name in answer.degraded:
        yield f"{name} did not answer: {LACKS[name]}."
    if answer.degraded:
        yield f"`{PROGRAM} check` says what is wrong."


def _basis_notes(basis: ExplanationContext) -> Iterator[str]:
    """Yield lines on what explanations refer to."""
    genres = ", ".join(basis.stated_genres) or "none"
    window = f"the last {basis.window_days} days" if basis.window_days else "all time"
    similar = "" if basis.similar_users is None else f" Similar users: {basis.similar_users}, by {window}."
    yield f"Stated genres: {genres}.{similar}"
    weights = basis.weights
    yield f"score = {weights.content:g} × content + {weights.collaborative:g} × collaborative."


def _score(score: float) -> str:
    return f"{rounded(score):.4f}"
