"""The log of promotions: the versions that `MODEL=auto` has served, for rollbacks."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from recommender.model_store.artifact import CURRENT
from recommender.model_store.currents import VersionRef
from recommender.model_store.folders import replace_text
from recommender.system.clock import utc_now

# Beside the folders of models, none of which may have this name.
_FILE = "promotions.json"
_KEPT = 1_000


class PromotionReason(StrEnum):
    """How a version became the current one.

    `found`: it was current when another one was promoted, but missing from the log.
    """

    PUBLISHED = "published"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    FOUND = "found"


class Promotion(BaseModel):
    """A version that became the current one of all models. `at`: ISO 8601 in UTC.

    Fields that a newer release added are kept.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str
    version: str
    at: str
    how: PromotionReason

    @property
    def ref(self) -> VersionRef:
        """The version."""
        return VersionRef(self.model, self.version)


# Entries that are not understood, as those of a newer release, are kept as they are.
_Entry = Annotated[Promotion | JsonValue, Field(union_mode="left_to_right")]
_READER = TypeAdapter(tuple[_Entry, ...])


def read_promotions(folder: Path) -> list[Promotion]:
    """Return the promotions that this release knows, the latest last; none if the log is missing or damaged.

    Raises:
        OSError: the log cannot be read.
    """
    return _known(_read(folder))


def promotions_until(folder: Path, current: VersionRef | None) -> list[Promotion]:
    """Return the promotions, that of the current version last, even if the log lacks it.

    Raises:
        OSError: the log cannot be read.
    """
    return _known(_with_found(_read(folder), current, _set_at(folder)))


def _read(folder: Path) -> Sequence[_Entry]:
    try:
        return _READER.validate_json((folder / _FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return ()


def _known(log: Sequence[_Entry]) -> list[Promotion]:
    return [each for each in log if isinstance(each, Promotion)]


def _set_at(folder: Path) -> datetime | None:
    """Return when `current` of all models was set; None if there is none."""
    try:
        return datetime.fromtimestamp((folder / CURRENT).lstat().st_mtime, UTC)
    except OSError:
        return None


@contextlib.contextmanager
def logged_promotion(
    folder: Path, before: VersionRef | None, ref: VersionRef, how: PromotionReason
) -> Iterator[None]:
    """Add a promotion to the log, and take it back if what is done meanwhile fails.

    The store's lock must be held.

    Args:
        folder: of all models.
        before: the version that was current until now, which the log may lack.
        ref: the version that becomes current.
        how: how it does.

    Raises:
        OSError: the log cannot be read, or the folder cannot be written.
    """
    log = _with_found(_read(folder), before, _set_at(folder))
    _write(folder, [*log, _promotion(ref, how)])
    try:
        yield
    except BaseException:
        # Without space for that, `_with_found` leaves the promotion out.
        with contextlib.suppress(OSError):
            _write(folder, log)
        raise


def _write(folder: Path, log: Sequence[_Entry]) -> None:
    text = _READER.dump_json(tuple(log[-_KEPT:]), indent=1).decode()
    replace_text(folder / _FILE, text + "\n")


def _with_found(log: Sequence[_Entry], current: VersionRef | None, set_at: datetime | None) -> list[_Entry]:
    """Return the log so that it ends with the current version, which is added if it is missing.

    If the version before the last one is current, and was so before the last one was logged, the last one is
    left out: a kill or a power cut came before the links were set. Otherwise people set the link back.

    Args:
        log: as it was read.
        current: the current version of all models.
        set_at: when the link to it was set; None if there is no link.
    """
    known = _known(log)
    if current is None or (known and known[-1].ref == current):
        return list(log)
    if len(known) > 1 and known[-2].ref == current and not _is_before(known[-1].at, set_at):
        return [each for each in log if each is not known[-1]]
    return [*log, _promotion(current, PromotionReason.FOUND)]


def _is_before(at: str, moment: datetime | None) -> bool:
    """Return whether a logged time is before a moment; false for text that is not such a time."""
    try:
        return moment is not None and datetime.fromisoformat(at) < moment
    except (TypeError, ValueError):
        return False


def _promotion(ref: VersionRef, how: PromotionReason) -> Promotion:
    return Promotion(model=ref.model, version=ref.version, at=utc_now().isoformat(), how=how)


def versions_before(log: Sequence[Promotion]) -> list[VersionRef]:
    """Return the versions for rollbacks, the nearest first.

    A rollback drops the later versions, so that two rollbacks go back two versions.
    """
    kept: list[VersionRef] = []
    for each in log:
        if each.how is PromotionReason.ROLLED_BACK:
            while kept and kept[-1] != each.ref:
                kept.pop()
        if not kept or kept[-1] != each.ref:
            kept.append(each.ref)
    return kept[-2::-1]


def last_champions(log: Sequence[Promotion]) -> set[VersionRef]:
    """Return the version for a rollback, and the one that was current before the present one."""
    earlier = [each.ref for each in log if each.ref != log[-1].ref]
    return {*earlier[-1:], *versions_before(log)[:1]}
