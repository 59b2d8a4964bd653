"""Runs a job: begins it or takes it up, works through its users, and keeps what is done safe."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from recommender.batch.journal import JobFolder, JobOptions, Journal, Progress
from recommender.batch.users import InvalidIds, read_list, write_list
from recommender.batch.writers import Safe, Writer
from recommender.catalog.refresh import CatalogStatus
from recommender.entities import DatabaseName, UserRecommendations
from recommender.errors import BatchError, EmptyCatalogError, NothingToRecommendFromError

ALL_USERS = "all users"
DEFUSED, AS_THEY_ARE = "defused", "as they are"
# What the service works on at a time.
_USERS_AT_ONCE = 100

_EMPTY = "the catalog is empty: catalog_db answers, and holds no media"
_NO_ANSWER = "catalog_db does not answer, or no database does"

Recommend = Callable[[Iterable[str]], Iterator[UserRecommendations]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a job writes, and whether what is there may go."""

    writer: Writer
    folder: JobFolder
    overwrite: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a run has come, and why it went no further, if it did not.

    `grown`: the catalog was still being filled when it began.
    """

    journal: Journal
    stopped: str | None
    grown: bool = False


@dataclass(slots=True)
class CatalogUse:
    """What the catalog was like while users were answered.

    `read_status`: as known now. `max_loss`: the share of media that may be missing.
    """

    read_status: Callable[[], CatalogStatus | None]
    max_loss: float
    smallest: int | None = None
    largest: int = 0

    def note(self) -> bool:
        """Look at the catalog; whether a load of it is held back."""
        status = self.read_status()
        if status is None:
            return False
        self.smallest = status.media if self.smallest is None else min(self.smallest, status.media)
        self.largest = max(self.largest, status.media)
        return status.held_back is not None

    @property
    def grown(self) -> bool:
        """Whether the first users were answered from a part of what the catalog turned out to be."""
        return self.smallest is not None and self.smallest < (1 - self.max_loss) * self.largest


def begin(options: JobOptions, user_ids: Iterable[str], target: Target, invalid: InvalidIds) -> Journal:
    """Take up what an earlier run of the same job has left, or begin anew; the output can be written then.

    Args:
        options: of the job.
        user_ids: whom it is for; read where that has to be known.
        target: where it writes.
        invalid: what `user_ids` notes its invalid ids in.

    Raises:
        BatchError: another output or job is in the way.
        DatabaseUnavailableError: the users cannot be read.
        OSError: files cannot be read or written.
    """
    folder = target.folder
    left = _left_behind(options, target)
    if left is None or options.users_from != ALL_USERS:
        draft = folder.user_list.with_suffix(".draft")
        user_list = write_list(user_ids, draft, invalid)
        if left is not None and left.user_list.digest != user_list.digest:
            _refuse_unless_told(target, "for other users: the ids have changed")
            left = None
        if left is None:
            # In this order a kill leaves either no job and no output of its, or a job to take up.
            folder.forget()
            draft.replace(folder.user_list)
            return _created(Journal(options, user_list, Progress()), target)
        draft.unlink()
    return left if _resumed(left, target) else _created(replace(left, progress=Progress()), target)


def work(
    journal: Journal,
    recommend: Recommend,
    target: Target,
    *,
    catalog: CatalogUse,
    stop_asked: Callable[[], bool],
    show: Callable[[int], None],
) -> Outcome:
    """Recommend to the users that are left, until the end or until it cannot go on.

    Args:
        journal: from `begin`.
        recommend: the service's answers for some users.
        target: where to write.
        catalog: looked at after each one hundred users.
        stop_asked: asked between one hundred users and the next.
        show: is told how many users are done.
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
                    journal = _made_safe(journal, done, target)
            journal = _made_safe(journal, done, target)
        except OSError as exc:
            # Nothing is known of what was written last: the next run cuts it off.
            return Outcome(journal, f"{exc.strerror or exc}")
    if stopped is None:
        target.folder.forget()
    catalog.note()
    return Outcome(journal, stopped, catalog.grown)


def _left_behind(options: JobOptions, target: Target) -> Journal | None:
    """What there is to take up.

    Raises:
        BatchError: there is something else, and nobody said that it may go.
    """
    exists = target.writer.exists()
    try:
        left = target.folder.load()
    except BatchError:
        if target.overwrite:
            return None
        raise
    if left is None:
        if exists and not target.overwrite:
            raise BatchError("the output exists already; --overwrite replaces it")
        return None
    for name in ("users_from", "format", "formulas", "limit", "ranking"):
        before, now = getattr(left.options, name), getattr(options, name)
        if before != now:
            _refuse_unless_told(target, f"with {name.replace('_', ' ')} {before}, not {now}")
            return None
    return left


def _created(journal: Journal, target: Target) -> Journal:
    """Save a new job, then begin its output."""
    target.folder.save(journal)
    target.writer.create()
    return journal


def _resumed(journal: Journal, target: Target) -> bool:
    """Cut the output back to what the journal says is safe; False where it has to be begun again.

    Raises:
        BatchError: it is not what the journal says, and `overwrite` is false.
    """
    safe = Safe(journal.progress.position, journal.progress.fingerprint)
    try:
        target.writer.resume(safe)
    except BatchError:
        if not target.overwrite:
            raise
        return False
    return True


def _refuse_unless_told(target: Target, difference: str) -> None:
    if not target.overwrite:
        raise BatchError(
            f"a run was broken off here {difference} ({target.folder.path}); "
            "go on with what it was given, or start again with --overwrite"
        )


def _ask(recommend: Recommend, user_ids: Iterable[str]) -> list[UserRecommendations]:
    """Some users' answers.

    Raises:
        NothingToRecommendFromError: they would say nothing about the users.
    """
    answers = list(recommend(user_ids))
    if any(map(_says_nothing, answers)):
        raise NothingToRecommendFromError
    return answers


def _says_nothing(answer: UserRecommendations) -> bool:
    """Whether it is the same for everybody, or an empty list that nobody can tell the meaning of."""
    return len(answer.degraded) == len(DatabaseName) or (
        not answer.items and DatabaseName.CATALOG in answer.degraded
    )


def _advanced(
    done: Progress, answers: list[UserRecommendations], list_bytes: int, *, held_back: bool
) -> Progress:
    return replace(
        done,
        users=done.users + len(answers),
        list_bytes=list_bytes,
        recommendations=done.recommendations + sum(len(answer.items) for answer in answers),
        degraded=done.degraded + sum(bool(answer.degraded) for answer in answers),
        held_back=done.held_back + (len(answers) if held_back else 0),
    )


def _made_safe(journal: Journal, done: Progress, target: Target) -> Journal:
    """The output first, then the word of it: what is written after that word, the next run cuts off."""
    position, fingerprint = target.writer.commit()
    safe = replace(journal, progress=replace(done, position=position, fingerprint=fingerprint))
    target.folder.save(safe)
    return safe
