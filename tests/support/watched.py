"""A watcher of published models, and models to publish."""

from collections.abc import Iterable
from pathlib import Path

from recommender.catalog.index import CatalogIndex, build_index
from recommender.catalog.popularity import UNKNOWN_POPULARITY, Popularity
from recommender.data.forgotten import ForgottenUsers, read_forgotten
from recommender.entities import Blend, CatalogEntry, Weights
from recommender.model_store.publishing import publishing
from recommender.model_store.selection import Refusal
from recommender.model_store.watcher import ModelWatcher
from recommender.models.item_knn import ItemKnn
from recommender.models.names import AUTO
from recommender.models.user_knn.trained import UserKnn
from recommender.training.train import BY_COMMAND
from tests.support.datasets import dataset
from tests.support.scorers import EmptyScorer
from tests.support.training import NAME
from tests.support.waiting import wait_until


class Watched:
    """A watcher of a folder, and the catalog index that it judges by."""

    def __init__(
        self,
        folder: Path,
        index: CatalogIndex | None,
        *,
        wanted: str = AUTO,
        may_learn_blend: bool = True,
    ) -> None:
        self.index = index
        self.watcher = ModelWatcher(
            EmptyScorer(),
            folder,
            wanted=wanted,
            window_days=90,
            current_index=lambda: self.index,
            forgotten=ForgottenUsers(folder),
            blend=Blend(Weights(0.4, 0.6)),
            may_learn_blend=may_learn_blend,
        )

    @property
    def state(self) -> tuple[str | None, Refusal | None]:
        state = self.watcher.state()
        return state.version, state.refused

    def uses(self, version: str | None) -> None:
        wait_until(lambda: self.state == (version, None))

    def refuses(self, version: str | None, reason: str, *, using: str | None) -> None:
        def found() -> bool:
            state = self.watcher.state()
            if state.refused is None or reason not in state.refused.reason:
                return False
            return (state.refused.version, state.version) == (version, using)

        wait_until(found)


def index_of(items: Iterable[int], *, counted: bool = True) -> CatalogIndex:
    """Return a catalog index of items that have one user each, if they are counted."""
    entries = [CatalogEntry((None, None, None), f"{n:04}", n.to_bytes(8)) for n in items]
    users = Popularity.of({entry.item_id: 1 for entry in entries}, 1)
    return build_index(entries, users if counted else UNKNOWN_POPULARITY)


def publish(folder: Path, users: int = 100, *, items: range = range(20), accepted: bool = False) -> str:
    data = read_forgotten(folder).leave_out(
        dataset(
            {
                f"{user:04}": [f"{items[(user * 3 + n) % len(items)]:04}" for n in range(5)]
                for user in range(users)
            }
        )
    )
    model = UserKnn()
    model.fit(data)
    with publishing(folder, NAME) as publisher:
        return publisher.publish(model, data, BY_COMMAND, shrinkage_accepted=accepted).version


def publish_items(folder: Path) -> str:
    data = dataset({f"{user:04}": [f"{(user + n) % 20:04}" for n in range(5)] for user in range(100)})
    model = ItemKnn()
    model.fit(data)
    with publishing(folder, ItemKnn.name) as publisher:
        return publisher.publish(model, data, BY_COMMAND).version


def watching(folder: Path, wanted: str, *, may_learn_blend: bool = True) -> Watched:
    """Return a watcher of the models that a setting names."""
    return Watched(folder, index_of(range(20)), wanted=wanted, may_learn_blend=may_learn_blend)
