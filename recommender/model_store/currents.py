"""Read and set the links to the versions in use: of each model, and of all models together.

`<model>/current` is a link to the version of the model that `MODEL=<name>` serves. `current` beside the
models is a link to `<model>/<version>`, which `MODEL=auto` serves.
"""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from config.setting_types import PROGRAM
from recommender.errors import ArtifactError, NewerReleaseError
from recommender.model_store.artifact import CURRENT, Metadata, current_version, is_there, read_metadata
from recommender.model_store.versions import is_version
from recommender.models.names import AUTO
from recommender.models.registry import MODELS
from recommender.system.syncing import sync

# `<model>/<version>`.
_PARTS = 2
# What file systems without symbolic links answer, as SMB without `mfsymlinks`, or FAT.
_NO_LINKS = frozenset({errno.EOPNOTSUPP, errno.EPERM, errno.ENOSYS})
# In place of a version, in the name of a link that is only tried.
_TRIED = "00000000T000000.000000Z"


class PromotionScope(Enum):
    """Which `current` links a new version gets.

    `ALL`: that of its model and that of all models. `MODEL`: that of its model only, as for an experiment.
    `NONE`: none; no server uses it.
    """

    ALL = auto()
    MODEL = auto()
    NONE = auto()


class VersionRef(NamedTuple):
    """A version of a model."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model} {self.version}"


class CurrentVersions(NamedTuple):
    """The versions in use at a moment: for `MODEL=auto`, if any, and of each model that has one."""

    serving: VersionRef | None
    of_models: frozenset[VersionRef]

    def after(self, ref: VersionRef) -> "CurrentVersions":
        """Return the versions in use after a version is published for all users."""
        others = {each for each in self.of_models if each.model != ref.model}
        return CurrentVersions(ref, frozenset({*others, ref}))

    def of_model(self, model: str) -> VersionRef | None:
        """Return the current version of a model, if any."""
        return next((each for each in self.of_models if each.model == model), None)


def linked_version(folder: Path) -> VersionRef | None:
    """Return the target of `current` of all models; None if there is none.

    Raises:
        NewerReleaseError: its model is unknown to this release.
        ArtifactError: it cannot be read, or is not a link to a version of a model.
    """
    ref = _named_version(folder)
    if ref is not None and ref.model not in MODELS:
        raise NewerReleaseError(f"{CURRENT} of all models names {ref}, which was made by a newer release")
    return ref


def _named_version(folder: Path) -> VersionRef | None:
    """Return the target of `current` of all models, also of an unknown model; None if there is none.

    Raises:
        ArtifactError: it cannot be read, or is not a link to a version of a model.
    """
    try:
        target = (folder / CURRENT).readlink()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ArtifactError(
            f"{CURRENT} of all models cannot be read as a symbolic link: {exc.strerror}"
        ) from None
    parts = target.parts
    if len(parts) != _PARTS or not is_version(parts[1]):
        raise ArtifactError(f"{CURRENT} of all models links to something that is not a version of a model")
    return VersionRef(*parts)


def serving_version(folder: Path) -> VersionRef | None:
    """Return the version for `MODEL=auto`: the linked one, else the last published for all, if any.

    The linked one may be of a model that only a newer release knows, and serves.
    """
    with contextlib.suppress(ArtifactError):
        linked = _named_version(folder)
        if linked is not None:
            return linked
    return next(iter(latest_for_all(folder)), None)


def latest_for_all(folder: Path) -> list[VersionRef]:
    """Return the current versions of models that may serve all users, the latest first."""
    refs = sorted(currents_of_models(folder), key=lambda ref: ref.version, reverse=True)
    return [ref for ref in refs if is_for_all(folder, ref)]


def latest_published(folder: Path, model: str) -> Metadata | None:
    """Return the metadata of the version that serves, or else of the version published last for all users.

    Args:
        folder: of all models.
        model: as in `MODEL`: `AUTO`, or the name of the only one that may answer.
    """
    refs = _serving_first(folder) if model == AUTO else currents_of_models(folder, (model,))
    for ref in refs:
        if ref.model in MODELS:
            with contextlib.suppress(ArtifactError):
                return read_metadata(folder, *ref)
    return None


def _serving_first(folder: Path) -> list[VersionRef]:
    serving = serving_version(folder)
    return ([] if serving is None else [serving]) + latest_for_all(folder)


def is_for_all(folder: Path, ref: VersionRef) -> bool:
    """Return whether a version may serve all users; also if it is unreadable, so that servers report it."""
    try:
        return read_metadata(folder, *ref).provenance.for_all
    except ArtifactError:
        return True


def currents_of_models(folder: Path, models: Iterable[str] = MODELS) -> list[VersionRef]:
    """Return the current version of each of these models that has one."""
    found = []
    for model in models:
        with contextlib.suppress(ArtifactError):
            version = current_version(folder, model)
            if version is not None:
                found.append(VersionRef(model, version))
    return found


def is_of_newer_release(folder: Path, ref: VersionRef) -> bool:
    """Return whether a newer release made a version, which that release may serve; false if it is gone."""
    if not is_there(folder, *ref):
        return False
    try:
        read_metadata(folder, *ref)
    except NewerReleaseError:
        return True
    except ArtifactError:
        pass
    return ref.model not in MODELS


def refuse_newer(folder: Path, model: str) -> None:
    """Require that this release made the version in use, so that a training may replace it.

    Args:
        folder, model: as in `latest_published`.

    Raises:
        NewerReleaseError: a newer release made it.
    """
    refs = [serving_version(folder)] if model == AUTO else currents_of_models(folder, (model,))
    for ref in refs:
        if ref is not None and is_of_newer_release(folder, ref):
            raise NewerReleaseError(
                f"{ref} was made by a newer release, and stays: this release cannot compare models with it. "
                f"`{PROGRAM} models rollback` or `models promote` replaces it."
            )


def read_currents(folder: Path) -> CurrentVersions:
    """Return the versions that are in use now."""
    return CurrentVersions(serving_version(folder), frozenset(currents_of_models(folder)))


def current_faults(folder: Path) -> Iterator[str]:
    """Yield descriptions of the faults of all `current` links."""
    refs = []
    try:
        refs.append(linked_version(folder))
    except ArtifactError as exc:
        yield str(exc)
    for model in MODELS:
        try:
            version = current_version(folder, model)
        except ArtifactError as exc:
            yield f"{model}: {exc}"
        else:
            refs.append(None if version is None else VersionRef(model, version))
    for ref in dict.fromkeys(refs):
        if ref is not None and not is_there(folder, *ref):
            yield f"{CURRENT} names {ref}, which does not exist"


def refuse_unless_links(folder: Path, model: str) -> None:
    """Require that the `current` of a model and that of all models may be replaced.

    Raises:
        ArtifactError: one is something other than a link.
    """
    for current in (folder / model / CURRENT, folder / CURRENT):
        _refuse_unless_link(current)


def _refuse_unless_link(path: Path) -> None:
    if path.exists() and not path.is_symlink():
        raise ArtifactError(f"{path} is not a symbolic link. Remove it and try again.")


def refuse_without_links(folder: Path) -> None:
    """Require that symbolic links can be made in a folder, by making one.

    Raises:
        OSError: the folder cannot be written, or its file system does not support them.
    """
    link = folder / f".{CURRENT}.{_TRIED}"
    try:
        link.symlink_to(_TRIED)
    except FileExistsError:
        # Another process tries it, too, or was killed meanwhile.
        pass
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        # The system's own words do not name the cause.
        reason = f"the file system of MODEL_PATH does not support symbolic links ({exc.strerror})"
        raise OSError(exc.errno, reason, str(folder)) from exc
    link.unlink(missing_ok=True)


def is_linked(folder: Path, ref: VersionRef) -> bool:
    """Return whether the `current` of its model, or that of all models, names a version.

    Raises:
        ArtifactError: one of them cannot be read, or is not a link to a version.
    """
    return current_version(folder, ref.model) == ref.version or _named_version(folder) == ref


def remove_links_to(folder: Path, model: str) -> None:
    """Remove the `current` of a model, and that of all models if it names the model; the lock must be held.

    Raises:
        OSError: a folder cannot be written.
    """
    current = folder / CURRENT
    # By its first part alone: whatever else it names, another model's version stays in use.
    if current.is_symlink() and current.readlink().parts[:1] == (model,):
        current.unlink()
    (folder / model / CURRENT).unlink(missing_ok=True)


def point_to(folder: Path, ref: VersionRef) -> None:
    """Make a version the current one, first of its model, then of all models; each by a single rename.

    Raises:
        ArtifactError: a `current` exists that is not a link.
        OSError: a folder cannot be written.
    """
    refuse_unless_links(folder, ref.model)
    # Both links are made before either is put in place: what a full disk prevents changes nothing.
    of_model = _make_link(folder / ref.model, Path(ref.version), ref.version)
    of_all = _make_link(folder, Path(ref.model, ref.version), ref.version)
    of_model.replace(folder / ref.model / CURRENT)
    of_all.replace(folder / CURRENT)
    sync(folder / ref.model)
    sync(folder)


def point_model_to(folder: Path, ref: VersionRef) -> None:
    """Make a version the current one of its model, by a single rename.

    Raises:
        ArtifactError: a `current` exists that is not a link.
        OSError: the folder cannot be written.
    """
    current = folder / ref.model / CURRENT
    _refuse_unless_link(current)
    _make_link(folder / ref.model, Path(ref.version), ref.version).replace(current)
    sync(folder / ref.model)


def _make_link(home: Path, target: Path, version: str) -> Path:
    """Make the link that is to replace `current`; `publishing` removes what a killed process leaves."""
    link = home / f".{CURRENT}.{version}"
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link
