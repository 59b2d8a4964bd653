"""Makes a user's list: the page of one ranking, or of two that team drafting interleaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.entities import Page
from recommender.experiments.interleaving import team_draft
from recommender.models.base import Choice, ItemScores, UserContext
from recommender.serving.hydration import ItemScope
from recommender.serving.ranker import RankedPage, Ranker

# How many items are drafted; what follows them is of the first ranking, without a team.
DRAFTED_ITEMS = 200
_NO_TEAM = -1


class Scored(NamedTuple):
    """A choice, and the scores of its model."""

    choice: Choice
    scores: ItemScores


class Entry(NamedTuple):
    """An entry of a list: the index of its page, its rank in that page, and its team, if it has one."""

    page: int
    rank: int
    team: int | None


@dataclass(frozen=True, slots=True)
class UserList:
    """A user's list: `entries` in order. `pages`: its items by ranking, of which there are one or two."""

    pages: Sequence[RankedPage]
    entries: Sequence[Entry]

    @property
    def shown_idx(self) -> NDArray[np.intp]:
        """The items of the list, and those that its explanations name."""
        return np.concatenate([page.shown_idx for page in self.pages])


def list_for(
    ranker: Ranker, user: UserContext, scored: Sequence[Scored], *, scope: ItemScope, page: Page, day: str
) -> UserList:
    """Return a user's list.

    Args:
        ranker: of the request.
        user: whose list.
        scored: the user's choice; in a draft, also the second one.
        scope: which items may be ranked.
        page: which part of the list.
        day: of the request, YYYY-MM-DD; a part of the seed of a draft, which changes daily.
    """
    if len(scored) == 1:
        ranked = ranker.rank(user, *scored[0], scope, page)
        return UserList([ranked], [Entry(0, rank, None) for rank in range(len(ranked.item_idx))])
    rankings = [ranker.ranking(user, *each, scope) for each in scored]
    end = page.offset + page.limit
    tops = [ranking.items(Page(end)) for ranking in rankings]
    draft = scored[0].choice.draft
    experiment = "" if draft is None else draft.experiment
    item_idx, teams = _drafted(tops, end, f"{experiment}\0{user.user_id}\0{day}")
    item_idx, teams = item_idx[page.offset : end], teams[page.offset : end]
    # Items without a team are of the first ranking.
    owners = np.maximum(teams, 0)
    pages = [ranking.describe(item_idx[owners == page_idx]) for page_idx, ranking in enumerate(rankings)]
    return UserList(pages, list(_entries(owners.tolist(), teams.tolist())))


def _drafted(
    tops: Sequence[NDArray[np.intp]], end: int, seed: str
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the list up to `end`, and each item's team. A longer list begins with the shorter one."""
    first, second = (top[:DRAFTED_ITEMS].tolist() for top in tops)
    drafted = team_draft(first, second, min(end, DRAFTED_ITEMS), seed)
    item_idx = np.array([each.item for each in drafted], dtype=np.intp)
    teams = np.array([each.team for each in drafted], dtype=np.int64)
    if end > DRAFTED_ITEMS:
        rest = tops[0][~np.isin(tops[0], item_idx)]
        item_idx = np.concatenate((item_idx, rest))[:end]
        teams = np.concatenate((teams, np.full(len(item_idx) - len(teams), _NO_TEAM)))
    return item_idx, teams


def _entries(owners: Sequence[int], teams: Sequence[int]) -> Iterator[Entry]:
    ranks = [0, 0]
    for owner, team in zip(owners, teams, strict=True):
        yield Entry(owner, ranks[owner], None if team == _NO_TEAM else team)
        ranks[owner] += 1
