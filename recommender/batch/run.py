"""Run a job: begin or resume it, recommend to its users, and save its progress."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from recommender.batch.journal import JobFolder, JobOptions, JobProgress, Journal
from recommender.batch.users import InvalidIds, read_list, write_list
from recommender.batch.writers import Safe, Writer
from recommender.catalog.status import CatalogStatus
from recommender.entities import DatabaseName, UserRecommendations
from recommender.errors import BatchError, EmptyCatalogError, NothingToRecommendFromError

ALL_USERS = "all users"
# Jobs with another text, as of an earlier version, are not resumed: their output would be mixed.
DEFUSED, AS_THEY_ARE = "defused in every cell", "as they are"
# Users per call of the service.
_USERS_AT_ONCE = 100

# A comma between parts of a ranking's description; values in parentheses have their own.
_PART_OF_RANKING = re.compile(r", (?![^()]*\))")

_EMPTY = "the catalog is empty: catalog_db answers but holds no media"
_NO_ANSWER = "catalog_db does not answer, or no database does"

Recommend = Callable[[Iterable[str]], Iterator[UserRecommendations]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a job writes, and whether it begins anew in place of an existing output or unfinished job."""

    writer: Writer
    folder: JobFolder
    overwrite: bool


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The state after a run, and why it stopped before the end, if it did.

    `grown`: the catalog was incomplete when the run began.
    """

    journal: Journal
    stopped: str | None
    grown: bool = False


@dataclass(slots=True)
class CatalogUse:
    """The size of the catalog while users were answered.

    `read_status`: returns the current status. `max_loss`: the share of items that may be missing.
    """

    read_status: Callable[[], CatalogStatus | None]
    max_loss: float
    smallest: int | None = None
    largest: int = 0

    def note(self) -> bool:
        """Record the catalog's size, and return whether a load is held back."""
        status = self.read_status()
        if status is None:
            return False
        self.smallest = status.item_count if self.smallest is None else min(self.smallest, status.item_count)
        self.largest = max(self.largest, status.item_count)
        return status.held_back is not None

    @property
    def grown(self) -> bool:
        """Whether the catalog of the first users was much smaller than later ones."""
        return self.smallest is not None and self.smallest < (1 - self.max_loss) * self.largest


def begin(options: JobOptions, user_ids: Iterable[str], target: Target, invalid: InvalidIds) -> Journal:
    """Resume an earlier run of the same job, or begin anew; opens the output for writing.

    Args:
        options: options of the job.
        user_ids: the users, read only if a list must be written or compared.
        target: where the job writes.
        invalid: collects the invalid ids of `user_ids`.

    Raises:
        BatchError: another output or job is in the way.
        DatabaseUnavailableError: the users cannot be read.
        OSError: files cannot be read or written.
    """
    folder = target.folder
    left = _earlier_journal(options, target)
    if left is None or options.users_from != ALL_USERS:
        draft = folder.user_list.with_suffix(".draft")
        user_list = write_list(user_ids, draft, invalid)
        if left is None:
            # In this order a kill leaves either no job and no output, or a job to resume.
            folder.forget()
            draft.replace(folder.user_list)
            return _created(Journal(options, user_list, JobProgress()), target)
        if left.user_list.digest != user_list.digest:
            raise _another_job(target, "for other users: the ids have changed")
        draft.unlink()
    safe = Safe(left.progress.position, left.progress.fingerprint)
    target.writer.resume(safe, folder.saved_at())
    return left


def work(
    journal: Journal,
    recommend: Recommend,
    target: Target,
    *,
    catalog: CatalogUse,
    stop_asked: Callable[[], bool],
    show: Callable[[int], None],
) -> BatchOutcome:
    """Recommend to the remaining users, until the end or an interruption.

    Args:
        journal: as returned by `begin`.
        recommend: returns the service's answers for some users.
        target: where to write.
        catalog: checked after every one hundred users.
        stop_asked: whether to stop; called before every one hundred users.
        show: called with the number of users done.
    """
    done, stopped = journal.progress, None
    with closing(target.writer):
        try:
            for user_ids, list_bytes in read_list(target.folder.user_list, done.list_bytes, _USERS_AT_ONCE):
                if stop_asked():
                    stopped = "interrupted"
                    break
                try:
                    answers = _ask(recommend, user_ids)
                except NothingToRecommendFromError as exc:
                    stopped = _EMPTY if isinstance(exc, EmptyCatalogError) else _NO_ANSWER
                    break
                target.writer.write(answers)
                done = _advanced(done, answers, list_bytes, held_back=catalog.note())
                show(done.users)
                if target.writer.due:
                    journal = _committed(journal, done, target)
            journal = _committed(journal, done, target)
        except OSError as exc:
            # The last write may be incomplete: the next run cuts it off.
            return BatchOutcome(journal, f"{exc.strerror or exc}")
    if stopped is None:
        target.folder.forget()
    catalog.note()
    return BatchOutcome(journal, stopped, catalog.grown)


def _earlier_journal(options: JobOptions, target: Target) -> Journal | None:
    """Return the journal of an earlier run of the same job; None to begin anew.

    Raises:
        BatchError: another job or output is there, and `overwrite` is false; or the output cannot be one.
    """
    exists = target.writer.exists()
    if target.overwrite:
        # Continued, an unfinished job would answer the users of its own day.
        return None
    left = target.folder.load()
    if left is None:
        if exists:
            raise BatchError("the output exists already; --overwrite replaces it")
        return None
    for name in ("users_from", "format", "formulas", "limit"):
        before, now = getattr(left.options, name), getattr(options, name)
        if before != now:
            raise _another_job(target, f"with {name.replace('_', ' ')} {before}, not {now}")
    if left.options.ranking != options.ranking:
        raise _another_job(target, f"with {_difference(left.options.ranking, options.ranking)}")
    return left


def _difference(before: str, now: str) -> str:
    """Return what differs between two descriptions of a ranking: settings, else what is no setting."""
    parts = [_PART_OF_RANKING.split(ranking) for ranking in (before, now)]
    old, new = (dict(part.split("=", 1) for part in each if "=" in part) for each in parts)
    found = []
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            was = f"{name}={old[name]}" if name in old else f"the default {name}"
            found.append(f"{was}, not {new.get(name, 'the default')}")
    return "; ".join(found) or "other attributes or experiments"


def _created(journal: Journal, target: Target) -> Journal:
    """Save a new job, then begin its output.

    Raises:
        OSError: one of them cannot be written. There is then no job.
    """
    target.folder.save(journal)
    try:
        target.writer.create()
    except OSError:
        target.folder.forget()
        raise
    return journal


def _another_job(target: Target, difference: str) -> BatchError:
    return BatchError(
        f"there is an unfinished job {difference} ({target.folder.path}); "
        "repeat its command, or start again with --overwrite"
    )


def _ask(recommend: Recommend, user_ids: Iterable[str]) -> list[UserRecommendations]:
    """Return the answers for some users.

    Raises:
        NothingToRecommendFromError: too many databases failed for meaningful answers.
    """
    answers = list(recommend(user_ids))
    if any(map(_is_meaningless, answers)):
        raise NothingToRecommendFromError
    return answers


def _is_meaningless(answer: UserRecommendations) -> bool:
    """Whether the answer is the same for all users, or empty only because catalog_db failed."""
    return len(answer.degraded) == len(DatabaseName) or (
        not answer.items and DatabaseName.CATALOG in answer.degraded
    )


def _advanced(
    done: JobProgress, answers: list[UserRecommendations], list_bytes: int, *, held_back: bool
) -> JobProgress:
    return replace(
        done,
        users=done.users + len(answers),
        list_bytes=list_bytes,
        recommendations=done.recommendations + sum(len(answer.items) for answer in answers),
        degraded=done.degraded + sum(bool(answer.degraded) for answer in answers),
        held_back=done.held_back + (len(answers) if held_back else 0),
    )


def _committed(journal: Journal, done: JobProgress, target: Target) -> Journal:
    """Commit the output, then save the journal: the next run cuts off what the journal does not cover."""
    position, fingerprint = target.writer.commit()
    safe = replace(journal, progress=replace(done, position=position, fingerprint=fingerprint))
    target.folder.save(safe)
    return safe
