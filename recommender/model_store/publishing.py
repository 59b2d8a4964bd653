"""Publish trained models: one writer at a time, whole versions, ascending names."""

import contextlib
import json
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from recommender import __version__
from recommender.data.dataset import Dataset
from recommender.data.forgotten import read_forgotten
from recommender.errors import ArtifactError
from recommender.model_store.artifact import (
    CURRENT,
    KNOWN_ITEMS,
    METADATA,
    VERSION,
    Metadata,
    Provenance,
    checksums_of,
    current_version,
    read_metadata,
)
from recommender.model_store.currents import (
    CurrentVersions,
    PromotionScope,
    VersionRef,
    is_linked,
    is_of_newer_release,
    point_model_to,
    read_currents,
    refuse_unless_links,
    refuse_without_links,
    remove_links_to,
)
from recommender.model_store.fingerprints import fingerprint_of
from recommender.model_store.folders import make_readable
from recommender.model_store.locks import model_lock, store_lock
from recommender.model_store.promotions import PromotionReason
from recommender.model_store.store import KEPT_VERSIONS, make_current, prune_model
from recommender.model_store.versions import (
    PARTIAL,
    PARTIAL_SUFFIX,
    remove_version,
    reserve_version,
    versions_of,
)
from recommender.models.base import TrainableModel
from recommender.system.clock import utc_now
from recommender.system.syncing import sync

_NEW_LINK = re.compile(rf"\.{CURRENT}\.{VERSION.pattern}")
# When publishing gives up, what was learned is lost.
_PUBLISHING_PATIENCE_S = 600.0


class ForgottenMeanwhileError(ArtifactError):
    """Users were forgotten after the data for a version was read."""


class Publisher:
    """Write versions of a model into its folder, `home`; made by `publishing`, which holds the lock."""

    def __init__(self, home: Path, kept_versions: int) -> None:
        self._home = home
        self._kept_versions = kept_versions

    def former(self) -> Metadata | None:
        """Return the metadata of the current version, or else of the newest readable one."""
        folder, model = self._home.parent, self._home.name
        newest_first = versions_of(self._home)[::-1]
        current = current_version(folder, model)
        for version in [current, *newest_first] if current else newest_first:
            with contextlib.suppress(ArtifactError):
                return read_metadata(folder, model, version)
        return None

    def current(self) -> Metadata | None:
        """Return the metadata of the current version; None if there is none, or it cannot be read."""
        with contextlib.suppress(ArtifactError):
            version = current_version(self._home.parent, self._home.name)
            if version is not None:
                return read_metadata(self._home.parent, self._home.name, version)
        return None

    def versions(self) -> list[str]:
        """Return the versions that have a folder, the earliest first."""
        return versions_of(self._home)

    def is_current(self, version: str) -> bool:
        """Return whether a version is the current one of the model."""
        with contextlib.suppress(ArtifactError):
            return current_version(self._home.parent, self._home.name) == version
        return False

    def withdraw(self) -> None:
        """Remove the model's `current` link, and that of all models if it names this model.

        Raises:
            ArtifactError: another process is changing the models.
            OSError: the folder cannot be written.
        """
        folder = self._home.parent
        with store_lock(folder):
            remove_links_to(folder, self._home.name)

    def remove(self, version: str) -> None:
        """Remove a version; see `remove_version`.

        Raises:
            OSError: a file cannot be removed.
        """
        remove_version(self._home / version)

    def remove_unfinished(self) -> None:
        """Remove unfinished versions of killed runs.

        Raises:
            OSError: a file cannot be removed.
        """
        for path in _unfinished(self._home):
            remove_version(path)

    def publish(
        self,
        model: TrainableModel,
        data: Dataset,
        provenance: Provenance,
        *,
        shrinkage_accepted: bool = False,
        promotion: PromotionScope = PromotionScope.ALL,
        since: CurrentVersions | None = None,
    ) -> Metadata:
        """Write a version aside, make it the current one by a single rename, and remove old ones.

        Args:
            model: fitted to `data`.
            provenance: how the model was made.
            shrinkage_accepted: it may replace a model of far more users.
            promotion: which `current` links it gets.
            since: what was in use when the decision for this version began. A link that was changed since
                then keeps its new target, as does that of all models to a version of a newer release. Then
                the version is marked as not for all users.

        Raises:
            OSError: the folder cannot be written, or a link not set; the current version stays.
            ArtifactError: an existing version has the latest possible name.
            ForgottenMeanwhileError: the data includes a forgotten user. Nothing is published.
        """
        folder, name = self._home.parent, self._home.name
        with _patient_store_lock(folder):
            version = reserve_version(folder)
            aside = self._home / f".{version}{PARTIAL_SUFFIX}"
            aside.mkdir()
        try:
            model.save(aside)
            # Load it as servers will: an unusable model is not published, and kernels are compiled.
            type(model).load(aside)
            ref = VersionRef(name, version)
            metadata = _metadata_of(model, data, provenance, aside, ref)
            # Takes seconds for gigabytes: before the lock.
            for path in aside.iterdir():
                sync(path)
            with _patient_store_lock(folder):
                # A `forget` after this look sees the files aside, and waits until this run ends.
                self._refuse_forgotten(data)
                allowed = self._allowed(promotion, since)
                for_all = provenance.for_all and allowed is promotion
                provenance = replace(provenance, for_all=for_all)
                metadata = replace(metadata, provenance=provenance, shrinkage_accepted=shrinkage_accepted)
                self._put_in_place(aside, metadata)
                self._link(ref, allowed)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        return metadata

    def _refuse_forgotten(self, data: Dataset) -> None:
        if read_forgotten(self._home.parent).state != data.forgotten:
            raise ForgottenMeanwhileError(
                f"{self._home.name}: users were forgotten while it was trained. Nothing is published. Train "
                "again."
            )

    def _allowed(self, promotion: PromotionScope, since: CurrentVersions | None) -> PromotionScope:
        """Return which links a version gets: not those that changed meanwhile; the store's lock is held."""
        folder, name = self._home.parent, self._home.name
        if since is None or promotion is PromotionScope.NONE:
            return promotion
        now_in_use = read_currents(folder)
        serving = now_in_use.serving
        is_ours = serving is None or not is_of_newer_release(folder, serving)
        if promotion is PromotionScope.ALL and serving == since.serving and is_ours:
            return PromotionScope.ALL
        stays = now_in_use.of_model(name) == since.of_model(name)
        return PromotionScope.MODEL if stays else PromotionScope.NONE

    def _put_in_place(self, aside: Path, metadata: Metadata) -> None:
        """Rename a version's folder so that after a power cut no link names one that is not complete."""
        (aside / METADATA).write_text(json.dumps(asdict(metadata), indent=2))
        for path in (*aside.iterdir(), aside):
            make_readable(path)
        sync(aside / METADATA)
        sync(aside)
        aside.rename(self._home / metadata.version)
        sync(self._home)

    def _link(self, ref: VersionRef, promotion: PromotionScope) -> None:
        """Set the links to a version, else remove it, and remove old ones; the store's lock is held."""
        folder = self._home.parent
        try:
            if promotion is PromotionScope.ALL:
                make_current(folder, ref, PromotionReason.PUBLISHED)
            elif promotion is PromotionScope.MODEL:
                point_model_to(folder, ref)
        except BaseException:
            # Each retry would leave a version more. If it is not known whether a link names it, it stays.
            with contextlib.suppress(ArtifactError, OSError):
                if not is_linked(folder, ref):
                    self.remove(ref.version)
            raise
        # It is published: what cannot be removed now is removed at the next publication.
        with contextlib.suppress(OSError):
            prune_model(folder, ref.model, self._kept_versions)


@contextlib.contextmanager
def _patient_store_lock(folder: Path) -> Iterator[None]:
    """Hold the store's lock, for which a training that took hours waits longer than a command.

    Raises:
        ArtifactError: another process has held it for some minutes.
        OSError: the folder cannot be written.
    """
    until = time.monotonic() + _PUBLISHING_PATIENCE_S
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(store_lock(folder))
                break
            except ArtifactError:
                if time.monotonic() >= until:
                    raise
        yield


def _metadata_of(
    model: TrainableModel, data: Dataset, provenance: Provenance, home: Path, ref: VersionRef
) -> Metadata:
    """Describe a version whose files are in a folder."""
    return Metadata(
        model=ref.model,
        version=ref.version,
        built_at=utc_now().isoformat(),
        window_start=data.window_start,
        counts={**data.counts, KNOWN_ITEMS: len(model.items)},
        libraries={"numpy": np.__version__},
        checksums=checksums_of(home),
        hyperparameters=model.config.model_dump(mode="json"),
        fingerprint=fingerprint_of(data),
        code_version=__version__,
        provenance=provenance,
        host=socket.gethostname(),
        forgotten=data.forgotten,
    )


@contextlib.contextmanager
def publishing(
    folder: Path, model: str, *, kept_versions: int = KEPT_VERSIONS, wait_s: float = 0.0
) -> Iterator[Publisher]:
    """Yield a publisher that holds the lock of the model's folder; remove files of killed runs first.

    Args:
        folder: of all models.
        model: its name.
        kept_versions: how many of its versions are kept.
        wait_s: how many seconds to wait for another publisher to end.

    Raises:
        ArtifactError: another process is publishing there, or a `current` is not a replaceable link.
        OSError: the folder cannot be made or written, or cannot hold symbolic links.
    """
    home = folder / model
    with model_lock(home, wait_s):
        refuse_unless_links(folder, model)
        for path in _unfinished(home):
            with contextlib.suppress(OSError):
                remove_version(path)
        # A promotion holds only this lock between making a link and putting it in place.
        with store_lock(folder):
            for each in (home, folder):
                _remove_links(each)
            refuse_without_links(folder)
        yield Publisher(home, kept_versions)


def _unfinished(home: Path) -> list[Path]:
    """Return unfinished versions of killed runs; the model's lock is held, so none of them is in use."""
    found = [path for path in home.iterdir() if PARTIAL.fullmatch(path.name)]
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _remove_links(folder: Path) -> None:
    """Remove temporary links of killed runs that were to replace `current`; the store's lock is held."""
    for path in folder.iterdir():
        if path.is_symlink() and _NEW_LINK.fullmatch(path.name):
            path.unlink(missing_ok=True)
