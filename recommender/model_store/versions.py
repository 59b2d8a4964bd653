"""Names of versions, ascending times across all models, and their folders."""

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recommender.errors import ArtifactError
from recommender.model_store.artifact import METADATA, OWN_SUFFIXES, VERSION, current_version
from recommender.model_store.folders import is_draft, replace_text
from recommender.models.registry import MODELS
from recommender.system.clock import utc_now

PARTIAL_SUFFIX = ".partial"
# Names of the folders in which versions are written, and which killed runs leave.
PARTIAL = re.compile(rf"\.{VERSION.pattern}{re.escape(PARTIAL_SUFFIX)}")

_FORMAT = "%Y%m%dT%H%M%S.%fZ"
# File with the latest reserved name, whose folder may be gone.
_HIGHEST = ".highest"
_TICK = timedelta(microseconds=1)
# At the root of a volume with ext4, a folder that only root may list.
_LOST_AND_FOUND = "lost+found"


def is_version(name: str) -> bool:
    """Return whether a name has the form of a version's; other folders are never read or removed."""
    return VERSION.fullmatch(name) is not None and _time_of(name) is not None


def model_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders that may hold versions, each once, also of models that this release does not know.

    A link may lead to a model's folder on another disk.

    Args:
        folder: of all models.

    Raises:
        OSError: it cannot be read.
    """
    seen = set()
    for home in sorted(folder.iterdir(), key=lambda path: (path.is_symlink(), path.name not in MODELS)):
        real = home.resolve()
        # The links that name the current versions lead to versions.
        is_other = home.name == _LOST_AND_FOUND or is_version(real.name)
        if home.is_dir() and not is_other and real not in seen:
            seen.add(real)
            yield home


def versions_of(home: Path) -> list[str]:
    """Return the versions of a model that have a folder, the earliest first.

    Args:
        home: the model's folder; a missing one has no versions.
    """
    try:
        names = [path.name for path in home.iterdir() if path.is_dir() and not path.is_symlink()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if is_version(name))


def reserve_version(folder: Path) -> str:
    """Return a name later than all that are or were in the store; the store's lock must be held.

    Args:
        folder: of all models.

    Raises:
        ArtifactError: the latest possible name is taken.
        OSError: the folder cannot be written.
    """
    name = _name_after(folder)
    replace_text(folder / _HIGHEST, name + "\n")
    return name


def _name_after(folder: Path) -> str:
    moment = utc_now()
    for name, where in _taken(folder):
        earlier = _time_of(name)
        try:
            moment = moment if earlier is None else max(moment, earlier + _TICK)
        except OverflowError:
            raise ArtifactError(
                f"{where}: its name is the latest that is possible. Remove it and train again."
            ) from None
    return moment.strftime(_FORMAT)


def _taken(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield names that are taken, with the file or folder that shows it."""
    # A lost or damaged file does no harm: the folders are read, too.
    with contextlib.suppress(OSError, UnicodeDecodeError):
        name = (folder / _HIGHEST).read_text().strip()
        if is_version(name):
            yield name, folder / _HIGHEST
    for model in MODELS:
        home = folder / model
        for name in (*versions_of(home), *_partial(home)):
            yield name, home / name
        with contextlib.suppress(ArtifactError):
            current = current_version(folder, model)
            if current is not None and is_version(current):
                yield current, home / current


def _partial(home: Path) -> Iterator[str]:
    """Yield the names of versions that are being written."""
    with contextlib.suppress(OSError):
        for path in home.glob(f".*{PARTIAL_SUFFIX}"):
            name = path.name.removeprefix(".").removesuffix(PARTIAL_SUFFIX)
            if is_version(name):
                yield name


def _time_of(name: str) -> datetime | None:
    try:
        return datetime.strptime(name, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def remove_version(home: Path) -> bool:
    """Remove a version's files, and its folder if nothing else is in it.

    If the folder is a link, the files behind it are removed, then the link. Files that a process has mapped
    stay readable for it until it unmaps them.

    Returns:
        Whether anything was removed; False if only other files are left.

    Raises:
        OSError: a file cannot be removed.
    """
    own = [file for file in home.iterdir() if file.suffix in OWN_SUFFIXES or is_draft(file.name, METADATA)]
    for file in own:
        file.unlink()
    if home.is_symlink():
        home.unlink()
        return True
    if not any(home.iterdir()):
        home.rmdir()
        return True
    return bool(own)
