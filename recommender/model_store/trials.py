"""Try models out with a made-up user, so that no request is the first to find out that one cannot score."""

import time
import weakref

from recommender.catalog.index import CatalogIndex
from recommender.deadline import Deadline
from recommender.entities import ANONYMOUS_USER_ID, History
from recommender.errors import ArtifactError
from recommender.models.base import TrainableModel, UserContext, Window

# The length of the history that a model is tried out with, and the time limit in seconds.
_TRIED_ITEMS, _TRIED_S = 10, 10.0
# A trial takes some milliseconds.
_PAUSE_S = 60.0


class Trials:
    """Try out the model in use with each new index, and at intervals; for one thread."""

    def __init__(self) -> None:
        # Not the index itself, which takes much memory and may have been replaced.
        self._index: weakref.ref[CatalogIndex] | None = None
        self._due_at = 0.0

    def begin(self, model: TrainableModel, index: CatalogIndex) -> None:
        """Try out a model that is to be used.

        Raises:
            ArtifactError: it cannot score.
        """
        try_out(model, index)
        self._index = weakref.ref(index)
        self._due_at = time.monotonic() + _PAUSE_S

    def pass_again(self, model: TrainableModel, index: CatalogIndex) -> bool:
        """Return whether the model in use can score, as of its last trial if no new one is due."""
        if self._index is not None and self._index() is index and time.monotonic() < self._due_at:
            return True
        try:
            self.begin(model, index)
        except ArtifactError:
            return False
        return True


def try_out(model: TrainableModel, index: CatalogIndex) -> None:
    """Score a made-up user.

    Raises:
        ArtifactError: it cannot score.
    """
    item_ids = index.item_ids[:_TRIED_ITEMS]
    count = len(item_ids)
    history = History(item_ids, item_ids, [1] * count, [True] * count)
    user = UserContext(ANONYMOUS_USER_ID, {}, history, Window(0, "-infinity"))
    try:
        model.score([user], index, Deadline.after(_TRIED_S))
    except Exception as exc:
        raise ArtifactError(f"it cannot score ({type(exc).__name__})") from exc
