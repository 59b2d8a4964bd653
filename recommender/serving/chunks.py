"""Reads the users of a request in chunks; for a batch, the next chunk while the last one is ranked."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from recommender.catalog.index import CatalogIndex, window_start
from recommender.catalog.refresh import CatalogRefresher
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.user_db import UserDatabase
from recommender.deadline import ENGAGEMENT_DB_SHARE, INDEX_SHARE, USER_DB_SHARE, Deadline
from recommender.domains.base import Verbs
from recommender.entities import History, Options, Page
from recommender.experiments.selection import ExperimentSelection
from recommender.models.base import ModelSelector, UserContext, Window
from recommender.serving.failures import Failures
from recommender.system.background import Ahead
from recommender.system.clock import Clock
from recommender.texts.names import distinct_names

CHUNK_USERS = 100
# A chunk gets the time budget once more for each further 25 users.
_USERS_A_BUDGET = 25
_NO_HISTORY = History()


@dataclass(frozen=True, slots=True)
class Request:
    """The parameters and models of a request, the same for all its users."""

    page: Page
    options: Options
    window_days: int
    models: ModelSelector
    experiments: ExperimentSelection | None
    verbs: Verbs


@dataclass(frozen=True, slots=True)
class Chunk:
    """Index, deadline and failures for up to `CHUNK_USERS` users of a request.

    Windows end at `now`: a long list of users outlives several catalog indexes, whose windows move.
    """

    request: Request
    now: datetime
    index: CatalogIndex
    deadline: Deadline
    failures: Failures

    def window_of(self, user_id: str) -> Window:
        """Return the window of a user: the requested one, unless an experiment sets another."""
        request, days = self.request, None
        if request.experiments is not None:
            days = request.experiments.window_days(user_id)
        days = request.window_days if days is None else days
        return Window(days, window_start(days, self.now))


class ReadChunk(NamedTuple):
    """A chunk and its users. `seconds`: how long reading took. `read_at`: its end, by the monotonic clock."""

    chunk: Chunk
    users: Sequence[UserContext]
    seconds: float
    read_at: float


class ChunkReader:
    """Reads users, with a number of statements that is fixed for each chunk."""

    def __init__(
        self,
        *,
        user_db: UserDatabase,
        engagement_db: EngagementDatabase,
        catalog: CatalogRefresher,
        time_budget_s: float,
        clock: Clock,
    ) -> None:
        """Keep the parts to read with.

        Args:
            user_db, engagement_db, catalog: sources of data.
            time_budget_s: total time that a request for one user may wait for databases.
            clock: gives the present.
        """
        self._user_db = user_db
        self._engagement_db = engagement_db
        self._catalog = catalog
        self._time_budget_s = time_budget_s
        self._clock = clock

    def begin(self, request: Request, users: int, asked_at: float) -> Chunk:
        """Begin a chunk. Wait for the first catalog index, if none is loaded.

        Raises:
            NothingToRecommendFromError: none was loaded in time.
        """
        budget_s = self._time_budget_s * (1 + (users - 1) / _USERS_A_BUDGET)
        deadline = Deadline(asked_at, asked_at + budget_s)
        index = self._catalog.current(deadline.share(INDEX_SHARE), request.options.index_version)
        return Chunk(request, self._clock.now(), index, deadline, Failures())

    def read(self, user_ids: Iterator[str], request: Request, asked_at: float) -> Iterator[ReadChunk]:
        """Yield chunk after chunk, each read when it is asked for.

        The time budget of the first begins at `asked_at`, that of another when it is asked for.

        Raises:
            NothingToRecommendFromError: as `begin`.
        """
        while ids := _next_ids(user_ids):
            yield self._read(ids, request, asked_at)
            asked_at = time.monotonic()

    def read_ahead(self, user_ids: Iterator[str], request: Request, asked_at: float) -> Iterator[ReadChunk]:
        """Yield the same. While the caller works on a chunk, a thread reads the next if connections are free.

        For callers who ask for the next chunk as soon as they can: otherwise, histories would be old. The
        time budget of a chunk that is read ahead begins with its reading, and pauses until it is asked for.

        Raises:
            NothingToRecommendFromError: as `begin`.
        """
        ids, ahead = _next_ids(user_ids), None
        while ids:
            read = self._read(ids, request, asked_at) if ahead is None else _taken(ahead)
            ids, ahead = _next_ids(user_ids), None
            if ids and self._engagement_db.has_connections_to_spare:
                ahead = Ahead("read ahead", partial(self._read, ids, request))
            yield read
            asked_at = time.monotonic()

    def _read(self, user_ids: Sequence[str], request: Request, asked_at: float | None = None) -> ReadChunk:
        """Read one chunk. Its time budget begins at `asked_at`, or now."""
        started_at = time.monotonic()
        chunk = self.begin(request, len(user_ids), started_at if asked_at is None else asked_at)
        users = self._read_contexts(user_ids, chunk)
        read_at = time.monotonic()
        return ReadChunk(chunk, users, read_at - started_at, read_at)

    def _read_contexts(self, user_ids: Sequence[str], chunk: Chunk) -> list[UserContext]:
        """Read contexts: one statement of user_db, and meanwhile one of engagement_db per window."""
        deadline = chunk.deadline
        preferences: Mapping[str, Sequence[str]] = {}
        histories: dict[str, History] = {}
        windows = {user_id: chunk.window_of(user_id) for user_id in user_ids}
        until = deadline.share(USER_DB_SHARE)
        with self._user_db.sending_genre_preferences(user_ids, until) as receive_preferences:
            for window in dict.fromkeys(windows.values()):
                own = [user_id for user_id in user_ids if windows[user_id] == window]
                with chunk.failures:
                    until = deadline.share(ENGAGEMENT_DB_SHARE)
                    histories |= self._engagement_db.fetch_histories(own, window.start, until)
            with chunk.failures:
                preferences = receive_preferences()
        own_histories = [histories.get(user_id, _NO_HISTORY) for user_id in user_ids]
        located = chunk.index.locate_histories(own_histories)
        return [
            UserContext(user_id, distinct_names(preferences.get(user_id)), history, windows[user_id], found)
            for user_id, history, found in zip(user_ids, own_histories, located, strict=True)
        ]


def _next_ids(user_ids: Iterator[str]) -> list[str]:
    return list(itertools.islice(user_ids, CHUNK_USERS))


def _taken(ahead: Ahead[ReadChunk]) -> ReadChunk:
    """Wait for a chunk that is read ahead, and return it with the rest of its budget."""
    read = ahead.result()
    waited_s = time.monotonic() - read.read_at
    return read._replace(chunk=replace(read.chunk, deadline=read.chunk.deadline.later_by(waited_s)))
