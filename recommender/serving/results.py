"""From a user's list to the result that is handed out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from recommender.catalog.index import CatalogIndex
from recommender.domains.base import Verbs
from recommender.entities import DatabaseName, Item, Recommendation, UserRecommendations
from recommender.experiments.tokens import Placement, TokenSigner
from recommender.models.base import Choice
from recommender.serving.drafts import Place, UserList
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
    items = []
    for number, place in enumerate(listed.places, start=shown.offset + 1):
        item = _recommendation(listed.pages[place.page], place.rank, explainers[place.page], shown)
        if item is not None:
            items.append((number, place, item))
    return UserRecommendations(
        user_id=first.user.user_id,
        items=tuple(_signed(items, choice, first.user.user_id, shown)),
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


def _recommendation(
    page: RankedPage, rank: int, explainer: PageExplainer | None, shown: Shown
) -> Recommendation | None:
    """Return the item at a rank of a page; None where its details cannot be had."""
    details = shown.details.get(shown.index.item_ids[page.item_idx[rank]])
    if details is None:
        return None
    return Recommendation(
        details=details,
        recommendation_score=float(page.recommendation[rank]),
        content_score=float(page.content[rank]),
        collaborative_score=float(page.collaborative[rank]),
        explanation=None if explainer is None else explainer.explain(rank, details),
    )


def _signed(
    items: list[tuple[int, Place, Recommendation]], choice: Choice, user_id: str, shown: Shown
) -> Iterator[Recommendation]:
    """Yield the items, each with a token where it is of a team."""
    draft, signer = choice.draft, shown.signer
    for number, place, item in items:
        if draft is None or signer is None or place.team is None:
            yield item
            continue
        placement = Placement(
            experiment=draft.experiment,
            team=draft.teams[place.team],
            user_id=user_id,
            item_id=item.details.id,
            rank=number,
            given_at=int(shown.given_at.timestamp()),
        )
        yield replace(item, token=signer.sign(placement))
