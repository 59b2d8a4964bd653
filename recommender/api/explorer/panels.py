"""Gathers what the page shows of a user: profile, ranking, popular items, and milliseconds by stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from recommender.api.concurrency import ConcurrencyLimiter
from recommender.api.explorer.baseline import decode_ranks, encode_ranking, key_of
from recommender.api.explorer.tuning import Tuning
from recommender.databases.recording import SCORING, StatementRun, recorded_statements, stage_seconds
from recommender.entities import (
    DatabaseName,
    Options,
    Page,
    PopularItemsPage,
    Recommendation,
    SimilarItemsPage,
    UserRecommendations,
)
from recommender.errors import NothingToRecommendFromError
from recommender.observability.telemetry import SERVICE_STAGE, current_trace
from recommender.serving.items import ItemService
from recommender.serving.profiles import FoundUsers, Profile, ProfileReader
from recommender.serving.recommendations import RecommendationService

T = TypeVar("T")

SHOWN_INTERACTIONS = 15
FOUND_USERS = 8
POPULAR_ITEMS = 12
SIMILAR_ITEMS = 12


@dataclass(frozen=True, slots=True)
class Card:
    """A recommendation at its rank. `baseline_rank`: its rank in the baseline; 0 if it is not in it."""

    rank: int
    item: Recommendation
    baseline_rank: int


@dataclass(frozen=True, slots=True)
class RankingPanel:
    """A user's recommendations, and popular items to compare.

    `result`, `popular`: None if catalog_db does not answer and the cache is empty. `timings`: ms by stage.
    `baseline`: the ranking by the configuration, as `baseline.encode_ranking` returns it.
    """

    tuning: Tuning
    result: UserRecommendations | None
    cards: tuple[Card, ...]
    popular: PopularItemsPage | None
    timings: Mapping[str, float]
    baseline: str

    @property
    def ranks(self) -> dict[str, int]:
        """Return the rank of each recommended item, by id."""
        return {card.item.details.id: card.rank for card in self.cards}

    @property
    def degraded(self) -> tuple[DatabaseName, ...]:
        """Return the databases that did not answer for the recommendations."""
        return () if self.result is None else self.result.degraded


class PanelReader:
    """Gathers what the page shows. Each step waits for a permit of `limiter`."""

    def __init__(
        self,
        *,
        service: RecommendationService,
        items: ItemService,
        profiles: ProfileReader,
        limiter: ConcurrencyLimiter,
    ) -> None:
        self._service = service
        self._items = items
        self._profiles = profiles
        self._limiter = limiter

    def search(self, prefix: str) -> FoundUsers:
        """Return the first users whose id begins with a prefix."""
        return self._in_turn(lambda: self._profiles.search(prefix, FOUND_USERS))

    def random_user_id(self) -> str | None:
        """Return the id of a random user; None if there are no interactions."""
        return self._in_turn(self._profiles.random_user_id)

    def user(self, user_id: str, tuning: Tuning, defaults: Tuning) -> tuple[Profile, RankingPanel]:
        """Return a user's profile and ranking, compared with the ranking that is served."""
        profile = self._in_turn(lambda: self._profiles.read(user_id, SHOWN_INTERACTIONS))
        served = replace(defaults, limit=tuning.limit)
        baseline = "" if tuning == served else self._baseline(user_id, served, defaults)
        return profile, self.ranking(user_id, tuning, defaults, baseline)

    def ranking(self, user_id: str, tuning: Tuning, defaults: Tuning, baseline: str) -> RankingPanel:
        """Return a user's ranking, compared with `baseline`, or with itself if that is empty."""
        timings: dict[str, float] = {}
        result = self._recommend(user_id, tuning, defaults, timings)
        items = () if result is None else result.items
        baseline = baseline or encode_ranking(item.details.id for item in items)
        baseline_ranks = decode_ranks(baseline)
        return RankingPanel(
            tuning=tuning,
            result=result,
            cards=tuple(
                Card(rank, item, baseline_ranks.get(key_of(item.details.id), 0))
                for rank, item in enumerate(items, start=1)
            ),
            popular=self._popular(tuning),
            timings=timings,
            baseline=baseline,
        )

    def similar(self, item_id: str) -> SimilarItemsPage:
        """Return the items most similar to one.

        Raises:
            UnknownItemError: the catalog does not have the item.
        """
        return self._in_turn(lambda: self._items.similar(item_id, Page(SIMILAR_ITEMS)))

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._limiter.limit():
            return work()

    def _baseline(self, user_id: str, tuning: Tuning, defaults: Tuning) -> str:
        result = self._recommend(user_id, tuning, defaults, {})
        return "" if result is None else encode_ranking(item.details.id for item in result.items)

    def _recommend(
        self, user_id: str, tuning: Tuning, defaults: Tuning, timings: dict[str, float]
    ) -> UserRecommendations | None:
        """Return a user's recommendations; put the milliseconds of each stage into `timings`."""
        options = Options(
            filters=tuning.filters,
            explained=True,
            # None, so that an experiment's weights apply, as in the API.
            weights=None if tuning.weights == defaults.weights else tuning.weights,
            window_days=tuning.window_days,
        )
        before_s = _service_s()
        with recorded_statements() as runs:
            try:
                found = self._service.recommend([user_id], Page(tuning.limit), options)
                with self._limiter.limit():
                    (result,) = found
            except NothingToRecommendFromError:
                return None
        timings.update(_timings_ms(runs, _service_s() - before_s))
        return result

    def _popular(self, tuning: Tuning) -> PopularItemsPage | None:
        try:
            return self._in_turn(
                lambda: self._items.popular(Page(POPULAR_ITEMS), tuning.filters, tuning.window_days)
            )
        except NothingToRecommendFromError:
            return None


def _service_s() -> float:
    """Return the seconds that the service has spent on this request so far."""
    trace = current_trace()
    return 0.0 if trace is None else trace.stages.get(SERVICE_STAGE, 0.0)


def _timings_ms(runs: Sequence[StatementRun], service_s: float) -> dict[str, float]:
    """Return milliseconds by database, in the order of the statements, and the rest as scoring."""
    seconds = stage_seconds(runs, service_s)
    names = (DatabaseName.USER.value, DatabaseName.ENGAGEMENT.value, DatabaseName.CATALOG.value, SCORING)
    return {name: seconds.get(name, 0.0) * 1000 for name in names}
