"""Load the published model, check it, and swap it in; live SQL answers if there is none."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from recommender.catalog.index import CatalogIndex
from recommender.data.forgotten import MADE_BEFORE_FORGETTING, ForgottenUsers
from recommender.entities import Blend
from recommender.errors import ArtifactError
from recommender.model_store import artifact
from recommender.model_store.artifact import Metadata
from recommender.model_store.currents import VersionRef, is_for_all, linked_version
from recommender.model_store.retries import Retries
from recommender.model_store.selection import LiveModel, ModelState, Refusal, Selection
from recommender.model_store.shrinkage import find_loss
from recommender.model_store.trials import Trials, try_out
from recommender.models.base import TrainableModel
from recommender.models.names import AUTO
from recommender.models.registry import MODELS
from recommender.system.background import Pause, RepeatingThread

logger = logging.getLogger(__name__)

_POLL_S = 1.0
# Short, because requests wait, too, while a model waits for the first catalog index.
_WAITING_POLL_S = 0.1
# A model was trained on other databases, or too long ago, if a smaller share of its items is in the catalog,
# and it knows a smaller share of what is watched there. Where items expire, models know many that are gone.
_KNOWN_SHARE, _COVERED_SHARE = 0.5, 0.25


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A checked model of a version."""

    model: TrainableModel
    metadata: Metadata

    @property
    def key(self) -> "_Key":
        return self.metadata.model, self.metadata.version

    def fits(self, index: CatalogIndex) -> bool | None:
        """Return whether the model knows enough of the catalog; None until popularity has been counted."""
        items = self.model.items
        if items.known_share(index) >= _KNOWN_SHARE:
            return True
        return items.covered_share(index) >= _COVERED_SHARE if index.popularity.known else None


# The name of a model, and its version.
_Key = tuple[str, str]


class _Published(NamedTuple):
    """The published version of a model; None if it cannot be read, and `fault` says why."""

    model: str
    version: str | None
    fault: str = ""


class ModelWatcher:
    """Look for newly published models and swap in the one that answers; requests never wait for it.

    The current version of all models answers, or else the version published last. It is loaded and checked,
    then judged: it must not have lost too much against the model in use, and must know the items of the
    catalog index. A refused version is tried again. A request keeps its selection to the end, so that it
    never mixes two models.
    """

    def __init__(
        self,
        live: LiveModel,
        folder: Path,
        *,
        wanted: str,
        window_days: int,
        current_index: Callable[[], CatalogIndex | None],
        forgotten: ForgottenUsers,
        blend: Blend,
        may_learn_blend: bool = True,
        min_history: int = 0,
        overrides: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Watch a folder.

        Args:
            live: the model that answers without a trained one.
            folder: of the models, each in a folder of its name.
            wanted: the current version of all models (`AUTO`), always the live model (`LIVE`), or the name of
                a model.
            window_days: of the window that models are trained on.
            current_index: returns the catalog index to judge by.
            forgotten: the list in the same folder.
            blend: the configured one, for models without their own.
            may_learn_blend: whether a model's own blend is used instead.
            min_history: from this number of positive items on, a model that needs a history answers alone.
            overrides: hyperparameters that replace saved ones, by model; only those read when scoring.
        """
        self.wanted = wanted
        self._live = live
        self._folder = folder
        self._window_days = window_days
        self._follows_all = wanted == AUTO
        self._names = tuple(MODELS) if wanted == AUTO else (wanted,) if wanted in MODELS else ()
        self._current_index = current_index
        self._blend = blend
        self._may_learn_blend = may_learn_blend
        self._min_history = min_history
        self._overrides = overrides or {}
        self._forgotten = forgotten
        self._in_use: _Loaded | None = None
        # Loaded and checked; judging may still refuse them.
        self._candidates: dict[_Key, tuple[object, _Loaded]] = {}
        self._retries: dict[_Key, Retries] = {}
        self._trials = Trials()
        self._refused: Refusal | None = None
        self._is_missing = False
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
        """Wait until the published model is in use or refused, at most for `timeout_s` seconds.

        Without a catalog index, a model cannot be judged: then this waits only until it is loaded.
        """
        started = time.monotonic()
        self._looked.wait(timeout_s)
        if self._index_to_judge_by() is not None:
            self._decided.wait(max(0.0, timeout_s - (time.monotonic() - started)))

    def prepare(self, index: CatalogIndex) -> None:
        """Compute what the model in use needs of an index, before requests use that index."""
        in_use = self._in_use
        if in_use is not None:
            try:
                try_out(in_use.model, index)
            except ArtifactError as exc:
                # The next look refuses it. Until then, requests get the live model.
                logger.warning("model %s fails with a new catalog index: %s", in_use.model.name, exc)

    def selection(self) -> Selection:
        """Return the selection for a new request, without models that hold forgotten users."""
        in_use = self._usable()
        if in_use is None:
            return Selection(self._live, None, self._window_days, self._blend, self._blend)
        return Selection(
            self._live,
            in_use.model,
            self._window_days,
            self._blend_of(in_use),
            self._blend,
            self._min_history if MODELS[in_use.model.name].mixes_similar_users else 0,
        )

    def state(self) -> ModelState:
        """Return the model that answers, and the published model that was refused."""
        in_use = self._usable()
        if in_use is None:
            return ModelState(self._live.name, self._live.version, None, self._refused)
        built_at = datetime.fromisoformat(in_use.metadata.built_at)
        return ModelState(in_use.model.name, in_use.model.version, built_at, self._refused)

    @property
    def is_missing(self) -> bool:
        """Whether a trained model is wanted and none was published at the last look."""
        return self._is_missing

    def _usable(self) -> _Loaded | None:
        """Return the model in use, unless it was made before a user was forgotten.

        Checked for each request: until the thread looks again, answers would include the user.
        """
        in_use = self._in_use
        if in_use is None or not self._forgotten.are_left_out(in_use.metadata.forgotten):
            return None
        return in_use

    def _blend_of(self, loaded: _Loaded) -> Blend:
        """Return the blend that a model was chosen with, unless a blend is configured."""
        learned = loaded.metadata.provenance.blend
        return self._blend if learned is None or not self._may_learn_blend else learned

    def _look(self) -> Pause:
        index = self._index_to_judge_by()
        if self._usable() is None:
            self._in_use = None
        if self._in_use is not None and index is not None and not self._still_works(self._in_use, index):
            # `_use` refuses it if it is still the published one; catalog or memory may recover.
            key = self._in_use.key
            self._candidates[key] = artifact.signature(self._folder, *key), self._in_use
            self._in_use = None
        published = self._published()
        self._is_missing = bool(self._names) and not published
        is_decided = self._follow(published, index)
        self._looked.set()
        if is_decided:
            self._decided.set()
            return Pause(_POLL_S, _POLL_S)
        return Pause(_WAITING_POLL_S, _WAITING_POLL_S)

    def _still_works(self, loaded: _Loaded, index: CatalogIndex) -> bool:
        return loaded.fits(index) is not False and self._trials.pass_again(loaded.model, index)

    def _published(self) -> Sequence[_Published]:
        """Return the published versions of models, the one to use first.

        The current version of all models comes first, then the latest that may serve all users. If the
        version of the model in use cannot be read, that comes first: an older one must not replace it.
        """
        of_models = self._published_by_models()
        if not self._follows_all:
            return of_models
        of_models = [
            each
            for each in of_models
            if each.version is None or is_for_all(self._folder, VersionRef(each.model, each.version))
        ]
        try:
            linked = linked_version(self._folder)
        except ArtifactError as exc:
            return [_Published(AUTO, None, str(exc)), *of_models]
        if linked is None:
            return of_models
        return [_Published(*linked), *(each for each in of_models if each[:2] != linked)]

    def _published_by_models(self) -> list[_Published]:
        in_use = None if self._in_use is None else self._in_use.model.name
        found: list[_Published] = []
        for name in self._names:
            try:
                version = artifact.current_version(self._folder, name)
            except ArtifactError as exc:
                found.append(_Published(name, None, str(exc)))
            else:
                if version is not None:
                    found.append(_Published(name, version))
                elif name == in_use:
                    found.append(_Published(name, None, f"{artifact.CURRENT} is gone"))
        return sorted(found, key=lambda each: (each[:2] == (in_use, None), each.version or ""), reverse=True)

    def _follow(self, published: Sequence[_Published], index: CatalogIndex | None) -> bool:
        """Use the first published model. If it is refused and no model is in use, use the next one.

        Returns:
            False while it waits for an index to judge by.
        """
        keys = {(name, version) for name, version, _ in published}
        self._candidates = {key: loaded for key, loaded in self._candidates.items() if key in keys}
        self._retries = {key: retries for key, retries in self._retries.items() if key in keys}
        refusal: Refusal | None = None
        for name, version, fault in published:
            cause: BaseException | None = None
            try:
                if version is None:
                    raise ArtifactError(fault)
                is_decided = self._use(name, version, index)
            except ArtifactError as exc:
                reason, cause = str(exc), exc.__cause__
            else:
                faults = [Refusal(*each) for each in published if each.version is None]
                self._refused = refusal or next(iter(faults), None)
                return is_decided
            refusal = refusal or self._refuse(Refusal(name, version, reason), cause)
            if self._in_use is not None:
                return True
        self._refused = refusal
        return True

    def _use(self, name: str, version: str, index: CatalogIndex | None) -> bool:
        """Use a published version; return false while it waits for an index to judge by.

        Raises:
            ArtifactError: the version is refused.
        """
        if not artifact.is_there(self._folder, name, version):
            raise ArtifactError(f"{artifact.CURRENT} names a version that is not there")
        loaded = self._checked(name, version)
        if loaded is self._in_use:
            return True
        if index is None or loaded.fits(index) is None:
            return False
        self._judge(loaded, index)
        self._trials.begin(loaded.model, index)
        self._in_use = loaded
        self._candidates.clear()
        logger.info("model %s %s answers from now on", name, version)
        return True

    def _checked(self, name: str, version: str) -> _Loaded:
        """Return the checked model of a version, from memory if it is loaded.

        Raises:
            ArtifactError: it is damaged.
        """
        key = (name, version)
        if self._in_use is not None and self._in_use.key == key:
            return self._in_use
        # Its metadata may have changed since it was refused.
        signature = artifact.signature(self._folder, name, version)
        if key not in self._candidates or self._candidates[key][0] != signature:
            self._candidates.pop(key, None)
            retries = self._retries.setdefault(key, Retries())
            self._candidates[key] = signature, retries.run(lambda: self._load(name, version), signature)
        return self._candidates[key][1]

    def _load(self, name: str, version: str) -> _Loaded:
        started = time.monotonic()
        home = self._folder / name / version
        try:
            metadata = artifact.read_metadata(self._folder, name, version)
            artifact.verify(home, metadata)
            model = MODELS[name].load_class().load(home, **self._overrides.get(name, {}))
            for what, count in model.sizes.items():
                if metadata.counts.get(what) != count:
                    raise ArtifactError(
                        f"metadata.json says {metadata.counts.get(what)} {what}, but there are {count}"
                    )
        except ArtifactError:
            raise
        except Exception as exc:
            # Catch all: the thread must survive any content of a folder, as the next version may be good.
            raise ArtifactError(f"it cannot be loaded ({type(exc).__name__})") from exc
        model.version = version
        logger.info("model %s %s loaded in %.1f s", name, version, time.monotonic() - started)
        return _Loaded(model, metadata)

    def _judge(self, loaded: _Loaded, index: CatalogIndex) -> None:
        """Refuse a model by its content.

        Raises:
            ArtifactError: it was trained on other databases, has lost too much against the model in use, or
                was made before a user was forgotten.
        """
        if not self._forgotten.are_left_out(loaded.metadata.forgotten):
            raise ArtifactError(MADE_BEFORE_FORGETTING)
        if not loaded.fits(index):
            items = loaded.model.items
            raise ArtifactError(
                f"only {items.known_share(index):.1%} of its media are in the catalog, and it knows only "
                f"{items.covered_share(index):.1%} of what is liked and watched there: was it trained on "
                "other databases?"
            )
        if self._in_use is not None and not loaded.metadata.shrinkage_accepted:
            lost = find_loss(loaded.model.name, loaded.metadata.counts, self._in_use.metadata)
            if lost is not None:
                raise ArtifactError(f"it has {lost} than the model in use")

    def _refuse(self, refusal: Refusal, cause: BaseException | None) -> Refusal:
        if refusal != self._refused:
            logger.error(
                "model %s refused, %s stays: %s",
                f"{refusal.model} {refusal.version}" if refusal.version else refusal.model,
                self.state().name,
                refusal.reason,
                exc_info=cause,
            )
        self._refused = refusal
        return refusal

    def _index_to_judge_by(self) -> CatalogIndex | None:
        """Return the catalog index; None if there is none or it is empty."""
        index = self._current_index()
        return index if index is not None and index.item_ids else None
