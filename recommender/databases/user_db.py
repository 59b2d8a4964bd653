"""Read stated preferences from user_db."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

from recommender.databases.database import Database
from recommender.deadline import Deadline


class UserDatabase:
    """Read user_db."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def sending_genre_preferences(
        self, user_ids: Sequence[str], deadline: Deadline
    ) -> Iterator[Callable[[], dict[str, list[str]]]]:
        """Send `fetch_genre_preferences`; yield a function that waits for it, to be called once."""
        with self._database.sending("fetch_genre_preferences", deadline, user_ids=list(user_ids)) as rows:
            yield lambda: dict(rows())

    def fetch_genre_preferences(self, user_ids: Sequence[str], deadline: Deadline) -> dict[str, list[str]]:
        """Return stated genres as written, by user; users without any are absent."""
        return dict(self._database.fetch("fetch_genre_preferences", deadline, user_ids=list(user_ids)))

    def stream_users(self) -> Generator[str]:
        """Yield all users in the order of their ids, a few hundred at a time."""
        for (user_id,) in self._database.stream("stream_users"):
            yield user_id

    def search_users(self, prefix: str, top_k: int, deadline: Deadline) -> list[str]:
        """Return the first users whose id begins with `prefix` (any text), in order."""
        rows = self._database.fetch("search_users", deadline, prefix=prefix, top_k=top_k)
        return [user_id for (user_id,) in rows]
