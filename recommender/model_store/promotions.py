"""The log of promotions: the versions that `MODEL=auto` has served, for rollbacks."""

import contextlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

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
    """A version that became the current one of all models. `at`: ISO 8601 in UTC."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    at: str
    how: PromotionReason

    @property
    def ref(self) -> VersionRef:
        """The version."""
        return VersionRef(self.model, self.version)


_READER = TypeAdapter(tuple[Promotion, ...])


def read_promotions(folder: Path) -> tuple[Promotion, ...]:
    """Return the promotions, the latest last; none if the log is missing or damaged."""
    try:
        return _READER.validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError):
        return ()


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
        OSError: the folder cannot be written.
    """
    log = with_found(read_promotions(folder), before)
    _write(folder, [*log, _promotion(ref, how)])
    try:
        yield
    except BaseException:
        # Without space for that, `with_found` leaves the promotion out.
        with contextlib.suppress(OSError):
            _write(folder, log)
        raise


def _write(folder: Path, log: Sequence[Promotion]) -> None:
    text = _READER.dump_json(tuple(log[-_KEPT:]), indent=1).decode()
    replace_text(folder / _FILE, text + "\n")


def with_found(log: Sequence[Promotion], current: VersionRef | None) -> list[Promotion]:
    """Return the log so that it ends with the current version, which is added if it is missing.

    If the version before the last one is current, the last one is left out: its promotion was logged, but a
    kill or a power cut came before the links were set.
    """
    if current is None or (log and log[-1].ref == current):
        return list(log)
    if len(log) > 1 and log[-2].ref == current:
        return list(log[:-1])
    return [*log, _promotion(current, PromotionReason.FOUND)]


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
