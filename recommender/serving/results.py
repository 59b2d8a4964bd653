"""Builds a user's result from the list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from recommender.catalog.index import CatalogIndex
from recommender.domains.base import Verbs
from recommender.entities import DatabaseName, Item, Recommendation, UserRecommendations
from recommender.experiments.tokens import Placement, TokenSigner
from recommender.models.base import Choice, Draft
from recommender.serving.drafts import UserList
from recommender.serving.explanations import PageExplainer
from recommender.serving.ranker import RankedPage


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultContext:
    """What the results of a request have in common.

    `details`: by item id, of all that is shown. `degraded`: the databases that did not answer. `signer`: of
    the tokens of interleaved lists. `given_at`: the moment. `offset`: of the page.
    """

    index: CatalogIndex
    details: Mapping[str, Item]
    degraded: tuple[DatabaseName, ...]
    verbs: Verbs
    signer: TokenSigner | None
    given_at: datetime
    offset: int


def result_of(listed: UserList, choices: Sequence[Choice], context: ResultContext) -> UserRecommendations:
    """Return a user's result: the items of the list whose details are known.

    Args:
        listed: the list.
        choices: how it was ranked; of a draft, both rankings.
        context: what it shares with the other results.
    """
    choice = choices[0]
    explainers = [_explainer(page, context) for page in listed.pages]
    first, explainer = listed.pages[0], explainers[0]
    by_page = [_recommendations(*each, context) for each in zip(listed.pages, explainers, strict=True)]
    items = [by_page[entry.page][entry.rank] for entry in listed.entries]
    if choice.draft is not None and context.signer is not None and _are_as_named(choices, choice.draft):
        tokens = _tokens(listed, choice.draft, context.signer, context)
        items = [
            item if item is None or token is None else replace(item, token=token)
            for item, token in zip(items, tokens, strict=True)
        ]
    return UserRecommendations(
        user_id=first.user.user_id,
        items=tuple(item for item in items if item is not None),
        strategy=first.strategy,
        degraded=context.degraded,
        model=choice.scorer.name,
        model_version=choice.scorer.version,
        index_version=context.index.version,
        basis=None if explainer is None else explainer.basis(),
        variants=choice.variants,
    )


def _explainer(page: RankedPage, context: ResultContext) -> PageExplainer | None:
    if page.explanation is None:
        return None
    return PageExplainer(page, page.explanation, context.details, index=context.index, verbs=context.verbs)


def _recommendations(
    page: RankedPage, explainer: PageExplainer | None, context: ResultContext
) -> list[Recommendation | None]:
    """Return the items of a page by rank; None for an item without known details."""
    item_ids = context.index.item_ids.texts_at(page.item_idx.tolist())
    scores = (page.recommendation.tolist(), page.content.tolist(), page.collaborative.tolist())
    found: list[Recommendation | None] = []
    for rank, (item_id, score, content, collaborative) in enumerate(zip(item_ids, *scores, strict=True)):
        details = context.details.get(item_id)
        if details is None:
            found.append(None)
            continue
        explanation = None if explainer is None else explainer.explain(rank, details)
        found.append(Recommendation(details, score, content, collaborative, explanation))
    return found


def _are_as_named(choices: Sequence[Choice], draft: Draft) -> bool:
    """Return whether each team's items are those of the model that its variant names.

    They are not if the model is not published yet, fails, or has no history to rank by. Tokens would then
    credit it for the items of live SQL.
    """
    named = zip(choices, draft.models, strict=True)
    return all(model is None or model == choice.scorer.name for choice, model in named)


def _tokens(
    listed: UserList, draft: Draft, signer: TokenSigner, context: ResultContext
) -> Iterator[str | None]:
    """Yield a token for each entry of a list; None for one that is not of a team."""
    for rank, entry in enumerate(listed.entries, start=context.offset + 1):
        page = listed.pages[entry.page]
        if entry.team is None:
            yield None
            continue
        placement = Placement(
            experiment=draft.experiment,
            team=draft.teams[entry.team],
            user_id=page.user.user_id,
            item_id=context.index.item_ids[page.item_idx[entry.rank]],
            rank=rank,
            given_at=int(context.given_at.timestamp()),
        )
        yield signer.sign(placement)
