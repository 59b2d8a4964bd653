"""Which model answers: the published artefact where there is a good one, live SQL where there is not."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from recommender.background import Pause, RepeatingThread
from recommender.catalogue.index import CatalogueIndex
from recommender.errors import ArtefactError
from recommender.models import artefact
from recommender.models.base import NEIGHBOURS, CollaborativeModel, Refusal
from recommender.models.neighbours_arrays import ARRAY_NAMES
from recommender.models.neighbours_checks import check_arrays
from recommender.models.retries import Retries
from recommender.models.shrinkage import find_shrinkage

if TYPE_CHECKING:
    from recommender.models.neighbours import NeighboursModel

logger = logging.getLogger(__name__)

_POLL_S = 1.0
# While a model waits for the first catalogue index, requests do so too.
_WAITING_POLL_S = 0.1
# With fewer of its media in the catalogue, a model is hardly of these databases.
_KNOWN_SHARE = 0.5


class ModelWatcher:
    """Looks for a newly published artefact and swaps the model whole; requests never wait for it.

    What is published is loaded and checked first, and then judged: against the model in use, of which it must
    not have lost too much, and against the catalogue index, which must know its media. What is refused is
    looked at again. A request keeps the model it has asked for, so that none mixes two.
    """

    def __init__(
        self,
        live: CollaborativeModel,
        folder: Path,
        similar_users: int,
        current_index: Callable[[], CatalogueIndex | None],
    ) -> None:
        self.live = live
        self._folder = folder
        self._similar_users = similar_users
        self._current_index = current_index
        self._in_use: NeighboursModel | None = None
        # Loaded and sound, though perhaps refused for what it is made of.
        self._candidate: NeighboursModel | None = None
        self._refused: Refusal | None = None
        self._retries: tuple[str | None, Retries] = (None, Retries())
        self._looked = threading.Event()
        self._decided = threading.Event()
        self._thread = RepeatingThread("model", self._look, _POLL_S)

    def open(self) -> None:
        """Start looking in the background."""
        self._thread.open()

    def close(self) -> None:
        """Stop looking."""
        self._thread.close()

    def wait_for_first_look(self, timeout_s: float) -> None:
        """Wait until what has been published is in use or refused, at most for `timeout_s` seconds.

        Without a catalogue index there is nothing to judge a model by: then only loading is waited for.
        """
        started = time.monotonic()
        self._looked.wait(timeout_s)
        if self._index_to_judge_by() is not None:
            self._decided.wait(max(0.0, timeout_s - (time.monotonic() - started)))

    def current(self) -> CollaborativeModel:
        """The model to ask now."""
        return self._in_use or self.live

    def refused(self) -> Refusal | None:
        """What is published and not used, if anything."""
        return self._refused

    def _look(self) -> Pause:
        index = self._index_to_judge_by()
        if self._in_use is not None and index is not None and not _is_of(self._in_use, index):
            # As `_judge` will say of it where it is still the published one.
            self._in_use = None
        version = None
        try:
            version = artefact.current_version(self._folder, NEIGHBOURS)
            is_decided = self._follow(version, index)
        except ArtefactError as exc:
            self._refuse(Refusal(version, str(exc)), exc.__cause__)
            is_decided = True
        else:
            self._refused = None
        self._looked.set()
        if is_decided:
            self._decided.set()
            return Pause(_POLL_S, _POLL_S)
        return Pause(_WAITING_POLL_S, _WAITING_POLL_S)

    def _follow(self, version: str | None, index: CatalogueIndex | None) -> bool:
        """Use what is published; false while that waits for an index to be judged by.

        Raises:
            ArtefactError: it is refused.
        """
        if version is None:
            self._candidate = None
            if self._in_use is not None:
                raise ArtefactError(f"{artefact.CURRENT} is gone")
            return True
        if not artefact.is_there(self._folder, NEIGHBOURS, version):
            raise ArtefactError(f"{artefact.CURRENT} names a version that is not there")
        model = self._sound(version)
        if model is self._in_use:
            return True
        if index is None:
            return False
        self._judge(model, index)
        self._in_use = model
        logger.info("model %s %s", NEIGHBOURS, version)
        return True

    def _sound(self, version: str) -> "NeighboursModel":
        """The model of a version, from memory where that has been loaded.

        Raises:
            ArtefactError: it is not sound.
        """
        for known in (self._in_use, self._candidate):
            if known is not None and known.version == version:
                return known
        self._candidate = None
        if self._retries[0] != version:
            self._retries = (version, Retries())
        signature = artefact.signature(self._folder, NEIGHBOURS, version)
        self._candidate = self._retries[1].run(lambda: self._load(version), signature)
        return self._candidate

    def _load(self, version: str) -> "NeighboursModel":
        # The compiler behind it takes its time to import, and memory: only where there is a model to serve.
        from recommender.models.neighbours import NeighboursModel  # noqa: PLC0415 - see above

        started = time.monotonic()
        try:
            loaded = artefact.load(self._folder, NEIGHBOURS, version, ARRAY_NAMES)
            check_arrays(loaded.arrays, loaded.metadata.counts)
            model = NeighboursModel(loaded, self._similar_users)
            model.warm_up()
        except ArtefactError:
            raise
        except Exception as exc:
            # The thread must outlive whatever an artefact holds: the next one may be sound.
            raise ArtefactError(f"it cannot be loaded ({type(exc).__name__})") from exc
        logger.info("model %s %s loaded in %.1f s", NEIGHBOURS, version, time.monotonic() - started)
        return model

    def _judge(self, model: "NeighboursModel", index: CatalogueIndex) -> None:
        """Refuse a model for what it is made of.

        Raises:
            ArtefactError: it is of other databases, or has lost too much compared with the one in use.
        """
        if not _is_of(model, index):
            raise ArtefactError(
                f"only {model.known_share(index):.1%} of its media are in the catalogue: was it trained on "
                "other databases?"
            )
        if self._in_use is not None and not model.metadata.shrinkage_accepted:
            lost = find_shrinkage(model.metadata.counts, self._in_use.metadata.counts)
            if lost is not None:
                raise ArtefactError(f"it has {lost} than the model in use")

    def _refuse(self, refusal: Refusal, cause: BaseException | None) -> None:
        if refusal != self._refused:
            logger.error(
                "model %s refused, %s stays: %s",
                refusal.version or NEIGHBOURS,
                self.current().name,
                refusal.reason,
                exc_info=cause,
            )
        self._refused = refusal

    def _index_to_judge_by(self) -> CatalogueIndex | None:
        """The catalogue index; None where an empty one knows no model's media."""
        index = self._current_index()
        return index if index is not None and index.media_ids else None


def _is_of(model: "NeighboursModel", index: CatalogueIndex) -> bool:
    return model.known_share(index) >= _KNOWN_SHARE
