"""From a user's list to the result that is handed out."""

from collections.abc import Iterator, Mapping
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
class Shown:
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


def result_of(listed: UserList, choice: Choice, shown: Shown) -> UserRecommendations:
    """Return a user's result: the items of the list whose details can be had.

    Args:
        listed: the list.
        choice: how it was ranked; with a draft, its first ranking.
        shown: what it has in common with the other results.
    """
    explainers = [_explainer(page, shown) for page in listed.pages]
    first, explainer = listed.pages[0], explainers[0]
    by_page = [_recommendations(*each, shown) for each in zip(listed.pages, explainers, strict=True)]
    items = [by_page[entry.page][entry.rank] for entry in listed.entries]
    if choice.draft is not None and shown.signer is not None:
        tokens = _tokens(listed, choice.draft, shown.signer, shown)
        items = [
            item if item is None or token is None else replace(item, token=token)
            for item, token in zip(items, tokens, strict=True)
        ]
    return UserRecommendations(
        user_id=first.user.user_id,
        items=tuple(item for item in items if item is not None),
        strategy=first.strategy,
        degraded=shown.degraded,
        model=choice.scorer.name,
        model_version=choice.scorer.version,
        index_version=shown.index.version,
        basis=None if explainer is None else explainer.basis(),
        variants=choice.variants,
    )


def _explainer(page: RankedPage, shown: Shown) -> PageExplainer | None:
    if page.explanation is None:
        return None
    return PageExplainer(page, page.explanation, shown.details, index=shown.index, verbs=shown.verbs)


def _recommendations(
    page: RankedPage, explainer: PageExplainer | None, shown: Shown
) -> list[Recommendation | None]:
    """Return the items of a page by rank; None where the details of one cannot be had."""
    item_ids = shown.index.item_ids.texts_at(page.item_idx.tolist())
    scores = (page.recommendation.tolist(), page.content.tolist(), page.collaborative.tolist())
    found: list[Recommendation | None] = []
    for rank, (item_id, score, content, collaborative) in enumerate(zip(item_ids, *scores, strict=True)):
        details = shown.details.get(item_id)
        if details is None:
            found.append(None)
            continue
        explanation = None if explainer is None else explainer.explain(rank, details)
        found.append(Recommendation(details, score, content, collaborative, explanation))
    return found


def _tokens(listed: UserList, draft: Draft, signer: TokenSigner, shown: Shown) -> Iterator[str | None]:
    """Yield a token for each entry of a list; None for one that is not of a team."""
    for rank, entry in enumerate(listed.entries, start=shown.offset + 1):
        page = listed.pages[entry.page]
        if entry.team is None:
            yield None
            continue
        placement = Placement(
            experiment=draft.experiment,
            team=draft.teams[entry.team],
            user_id=page.user.user_id,
            item_id=shown.index.item_ids[page.item_idx[entry.rank]],
            rank=rank,
            given_at=int(shown.given_at.timestamp()),
        )
        yield signer.sign(placement)
