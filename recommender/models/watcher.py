"""Which model answers: the published artefact where there is one, live SQL where there is not."""

import logging
import threading
import time
from pathlib import Path

from recommender.background import Pause, RepeatingThread
from recommender.errors import ArtefactError
from recommender.models import artefact
from recommender.models.base import NEIGHBOURS, CollaborativeModel
from recommender.models.neighbours_arrays import ARRAY_NAMES

logger = logging.getLogger(__name__)

_POLL_S = 1.0


class ModelWatcher:
    """Looks for a newly published artefact and swaps the model whole; requests never wait for it.

    A request keeps the model it has asked for, so that none mixes two.
    """

    def __init__(self, live: CollaborativeModel, folder: Path, similar_users: int) -> None:
        self.live = live
        self._model = live
        self._folder = folder
        self._similar_users = similar_users
        self._seen: str | None = None
        self._looked = threading.Event()
        self._thread = RepeatingThread("model", self._look, _POLL_S)

    def open(self) -> None:
        """Start looking in the background."""
        self._thread.open()

    def close(self) -> None:
        """Stop looking."""
        self._thread.close()

    def wait_for_first_look(self, timeout_s: float) -> None:
        """Wait until it is known what has been published, and that is loaded or refused, or for so long."""
        self._looked.wait(timeout_s)

    def current(self) -> CollaborativeModel:
        """The model to ask now."""
        return self._model

    def _look(self) -> Pause:
        version = artefact.current_version(self._folder, NEIGHBOURS)
        if version is not None and version != self._seen:
            self._seen = version
            self._swap(version)
        self._looked.set()
        return Pause(_POLL_S, _POLL_S)

    def _swap(self, version: str) -> None:
        # The compiler behind it takes its time to import, and memory: only where there is a model to serve.
        from recommender.models.neighbours import NeighboursModel  # noqa: PLC0415 - see above

        started = time.monotonic()
        try:
            loaded = artefact.load(self._folder, NEIGHBOURS, version, ARRAY_NAMES)
            model = NeighboursModel(loaded, self._similar_users)
            model.warm_up()
        except ArtefactError as exc:
            logger.error("model %s refused, %s stays: %s", version, self._model.name, exc)
            return
        except Exception:
            # The thread must outlive whatever an artefact holds: the next one may be sound.
            logger.exception("model %s refused, %s stays", version, self._model.name)
            return
        self._model = model
        logger.info("model %s %s in %.1f s", NEIGHBOURS, version, time.monotonic() - started)
