"""One training run: read, compare, decide, fit to all data, publish, and record the outcome."""

import logging
import platform
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.database_settings import DatabaseSettings
from config.setting_types import PROGRAM
from recommender import __version__
from recommender.data.dataset import Dataset
from recommender.data.forgotten import read_forgotten
from recommender.databases.engagement_db import EngagementDatabase, InteractionArrays
from recommender.domains.base import Domain
from recommender.entities import Blend, InteractionTypes
from recommender.errors import (
    DatabaseUnavailableError,
    EvaluationError,
    MarqueeError,
    NoInteractionsError,
)
from recommender.evaluation.database_source import databases_source, read_in_turn
from recommender.evaluation.ranking import Report, ShortHistory
from recommender.evaluation.results import Evaluation
from recommender.evaluation.search_space import in_blend
from recommender.evaluation.sources import Source, dataset_up_to_now
from recommender.evaluation.variants import Fit, RankingVariant
from recommender.model_store.artifact import Metadata, Provenance
from recommender.model_store.currents import (
    CurrentVersions,
    PromotionScope,
    VersionRef,
    latest_published,
    read_currents,
    refuse_newer,
    refuse_without_links,
)
from recommender.model_store.runs import (
    ESTIMATED_INTERACTIONS,
    TrainingOutcome,
    TrainingRun,
    Trigger,
    next_run_number,
    write_run,
)
from recommender.model_store.shrinkage import refuse_shrunk
from recommender.models.fitting import Fitting
from recommender.models.names import AUTO
from recommender.models.registry import DEFAULT_MODEL
from recommender.system.clock import utc_now
from recommender.system.memory import limit_bytes
from recommender.trainer.begun import BegunRun, noted, record_killed_run
from recommender.trainer.candidates import Pinned, pinned_fit
from recommender.trainer.champion import decide, variant_of
from recommender.trainer.comparison import Comparison, Conditions, compare
from recommender.trainer.records import comparison_fields, metrics_of
from recommender.trainer.training_locks import run_lock
from recommender.training.publication import RecordPublication, record_nothing
from recommender.training.train import train

logger = logging.getLogger(__name__)

MADE_BY = "trainer"
# How long to wait for a concurrent `prune` or `train` of the model: comparing again would take longer.
_PATIENCE_S = 600.0
# What a run takes beside the model that it learns.
_OTHER_MEMORY_MB = 400


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """The task of a training run.

    `folder`: of the models. `model`: AUTO for the best, or the name of the only one. `blend`: as configured;
    `learns_blend`: it may be replaced by a better one. `pinned`: hyperparameters that the settings fix, by
    model. `min_history`: from this number of items on, a user is scored by the model alone. `kept_versions`:
    of each model. `record`: called with publications. `takes_turns`: only one host at a time reads the
    databases. `experiment_models`: those that experiments name, which are trained, too.
    """

    folder: Path
    model: str
    blend: Blend
    learns_blend: bool
    pinned: Pinned
    memory_bytes: int
    databases: DatabaseSettings
    types: InteractionTypes
    domain: Domain
    window_days: int
    min_history: int
    kept_versions: int
    record: RecordPublication = record_nothing
    takes_turns: bool = True
    experiment_models: tuple[str, ...] = ()


def run_training(
    task: TrainingTask, trigger: Trigger, lower_priority: Callable[[], None] = lambda: None
) -> TrainingRun:
    """Make a training run, and record it.

    Args:
        task: what to train, and how.
        trigger: why the run began.
        lower_priority: lowers the priority; called once there is a model, as the run is no longer urgent.

    Returns:
        The record, also of a failed run.

    Raises:
        TrainingUnderWayError: another run is under way.
        OSError: the folder of the models cannot be written.
    """
    with run_lock(task.folder), _noted(task.folder, trigger) as begun:
        run = _Run(task, begun.number, lower_priority)
        logger.info("training run %d begins: %s", run.number, trigger.value)
        _warn_of_memory(task.memory_bytes >> 20)
        try:
            fields = run.make()
            run.train_for_experiments(fields.get("model"))
        except (MarqueeError, OSError, MemoryError) as exc:
            fields = run.ended_by(exc)
        except Exception as exc:
            # Catch all: the run must leave a record, and the trainer must go on.
            logger.exception("training run %d failed", run.number)
            fields = run.failed(f"It ended by an unexpected error ({type(exc).__name__}).")
        record = TrainingRun(
            number=run.number,
            started_at=begun.started_at.isoformat(),
            ended_at=utc_now().isoformat(),
            trigger=trigger,
            code_version=__version__,
            host=platform.node(),
            **fields,
        )
        write_run(task.folder, record)
        logger.info("training run %d: %s. %s", record.number, record.outcome.value, record.reason)
        return record


def _noted(folder: Path, trigger: Trigger) -> AbstractContextManager[BegunRun]:
    """Record a run that was killed before this one, and note this one, unless the trainer has done both."""
    if trigger is Trigger.COMMAND:
        record_killed_run(folder)
        return noted(folder, trigger)
    return nullcontext(BegunRun(number=next_run_number(folder), started_at=utc_now(), trigger=trigger))


def _warn_of_memory(model_mb: int) -> None:
    """Warn if control groups limit memory to less than a run may take."""
    limit = limit_bytes()
    if limit is not None and model_mb + _OTHER_MEMORY_MB > limit >> 20:
        logger.warning(
            "TRAINING_MEMORY_MB is %d, but the limit of memory for this process is %d MB: "
            "a training may be killed",
            model_mb,
            limit >> 20,
        )


def _reason_of(exc: Exception, folder: Path) -> str:
    """Return the reason of a failure for the record, without the details in the log.

    All clients may read records, so they must not name folders, hosts or roles.
    """
    match exc:
        case DatabaseUnavailableError():
            return f"{exc.database} did not answer."
        case MemoryError():
            return "There is not enough memory."
        case OSError():
            return f"{exc.strerror or type(exc).__name__}."
        case _:
            return str(exc).replace(str(folder), "MODEL_PATH")


class _Run:
    """A run under way, and its results so far."""

    def __init__(self, task: TrainingTask, number: int, lower_priority: Callable[[], None]) -> None:
        self.number = number
        self._lower_priority = lower_priority
        self._task = task
        self._counts: dict[str, int] = {}
        self._published: Metadata | None = None
        self._data: Dataset | None = None
        # The versions in use when the run began and the one that served, updated by its own publications.
        self._since: CurrentVersions | None = None
        self._serving: Metadata | None = None

    def make(self) -> dict[str, Any]:
        """Train, and return the fields of the record."""
        refuse_newer(self._task.folder, self._task.model)
        # Before hours of comparing, whose result could not be published.
        refuse_without_links(self._task.folder)
        self._since = read_currents(self._task.folder)
        former = self._serving = latest_published(self._task.folder, self._task.model)
        if former is not None:
            self._lower_priority()
        with self._source() as source:
            self._counts["interactions"] = len(source.interactions.user_idx)
            data = self._data = dataset_up_to_now(source)
            self._counts |= data.counts
            if former is not None:
                refuse_shrunk(former.model, data.counts, former)
            champion = self._champion(former)
            if former is None:
                # Publish the default first: it is available soon, while the comparison takes longer.
                self._published = self._publish(champion, data, None)
                self._lower_priority()
            if self._task.model != AUTO:
                reason = f"MODEL names {self._task.model}, which was trained on all data."
                return self._refitted(champion, data, None, reason)
            try:
                compared = self._compare(source, data, champion)
            except EvaluationError as exc:
                return self._refitted(
                    champion, data, None, f"There is too little data to compare models: {exc}."
                )
        decision = decide(champion, compared.challenger, compared.evaluation)
        if not decision.is_new:
            return self._refitted(champion, data, compared, decision.reason)
        try:
            published = self._publish(decision.winner, data, compared.evaluation)
        except (MarqueeError, MemoryError) as exc:
            reason = f"{decision.reason} It could not be published: {_reason_of(exc, self._task.folder)}"
            return self._refitted(champion, data, compared, reason)
        return {
            **self._fields(TrainingOutcome.PUBLISHED, decision.reason, published),
            "champion": champion.name,
            "chosen": decision.winner.name,
            **comparison_fields(compared, champion),
        }

    def train_for_experiments(self, serving: str | None) -> None:
        """Fit the models that experiments name to the same data; `current` of all models does not change.

        A failure is logged, and the model's former version stays.

        Args:
            serving: the model that serves all users, which has been fitted already.
        """
        task, data = self._task, self._data
        for name in task.experiment_models:
            if data is None or name == serving:
                continue
            since = read_currents(task.folder)
            former = latest_published(task.folder, name)
            fit = pinned_fit(name, {} if former is None else former.hyperparameters, task.pinned)
            try:
                provenance = Provenance(made_by=MADE_BY, run=self.number)
                self._learn(fit, data, provenance, since=since, promotion=PromotionScope.MODEL)
            except (MarqueeError, OSError, MemoryError) as exc:
                logger.error("training run %d: %s was not trained again: %s", self.number, name, exc)

    def ended_by(self, exc: Exception) -> dict[str, Any]:
        """Return the fields of the record of a run that an error ended, and log the error."""
        if isinstance(exc, NoInteractionsError) and self._serving is None:
            # As in a new installation, where nothing is broken.
            return self._fields(TrainingOutcome.NO_DATA, f"There is nothing to learn from yet: {exc}.", None)
        logger.error("training run %d failed: %s", self.number, exc)
        return self.failed(_reason_of(exc, self._task.folder))

    def failed(self, reason: str) -> dict[str, Any]:
        """Return the fields of the record of a failed run, with what it published, if anything."""
        return self._fields(TrainingOutcome.FAILED, reason, self._published)

    def _refitted(
        self, champion: RankingVariant, data: Dataset, compared: Comparison | None, reason: str
    ) -> dict[str, Any]:
        evaluation = None if compared is None else compared.evaluation
        published = self._published or self._publish(champion, data, evaluation)
        return {
            **self._fields(TrainingOutcome.REFITTED, reason, published),
            "champion": champion.name,
            "chosen": champion.name,
            **({} if compared is None else comparison_fields(compared, champion)),
        }

    def _fields(self, outcome: TrainingOutcome, reason: str, published: Metadata | None) -> dict[str, Any]:
        fields = {"outcome": outcome, "reason": reason, "counts": self._counts}
        if published is None:
            return fields
        if not published.provenance.for_all:
            fields["reason"] = (
                f"{reason} What people or a newer release put into use stays in use. `{PROGRAM} models "
                f"promote {published.version}` would replace it."
            )
        version = {"model": published.model, "version": published.version}
        return {**fields, **version, "fingerprint": published.fingerprint}

    def _champion(self, former: Metadata | None) -> RankingVariant:
        task = self._task
        if former is None and task.model != AUTO:
            return in_blend(pinned_fit(task.model, {}, task.pinned), task.blend)
        return variant_of(former, task.blend, task.pinned, learns_blend=task.learns_blend)

    def _compare(self, source: Source, data: Dataset, champion: RankingVariant) -> Comparison:
        task = self._task
        conditions = Conditions(
            champion=champion,
            default=variant_of(None, task.blend, task.pinned, learns_blend=task.learns_blend),
            fixed=None if task.learns_blend else task.blend,
            pinned=task.pinned,
            short=ShortHistory(
                task.min_history,
                task.blend if task.learns_blend else None,
                pinned_fit(DEFAULT_MODEL, {}, task.pinned),
            ),
            memory_bytes=task.memory_bytes,
            seed=self.number,
        )
        return compare(source, data, conditions, _step_logger())

    def _publish(self, variant: RankingVariant, data: Dataset, evaluation: Evaluation | None) -> Metadata:
        provenance = Provenance(
            made_by=MADE_BY,
            run=self.number,
            blend=variant.blend if self._task.learns_blend else None,
            metrics={} if evaluation is None else metrics_of(evaluation, variant),
        )
        fit = variant.fit or Fit(DEFAULT_MODEL)
        published = self._learn(
            fit, data, provenance, since=self._since, promotion=PromotionScope.ALL, replaced=self._serving
        )
        if published.provenance.for_all and self._since is not None:
            self._since = self._since.after(VersionRef(published.model, published.version))
            self._serving = published
        return published

    def _learn(
        self,
        fit: Fit,
        data: Dataset,
        provenance: Provenance,
        *,
        since: CurrentVersions | None,
        promotion: PromotionScope,
        replaced: Metadata | None = None,
    ) -> Metadata:
        return train(
            fit.model,
            self._task.folder,
            lambda: data,
            hyperparameters=fit.hyperparameters,
            fitting=Fitting(self._task.memory_bytes),
            kept_versions=self._task.kept_versions,
            record=self._task.record,
            provenance=provenance,
            promotion=promotion,
            since=since,
            replaced=replaced,
            wait_s=_PATIENCE_S,
        )

    def _source(self) -> AbstractContextManager[Source]:
        task = self._task
        return databases_source(task.databases, task.types, task.domain, task.window_days, self._read)

    def _read(self, engagement_db: EngagementDatabase) -> Iterable[InteractionArrays]:
        estimated = engagement_db.estimate_interactions()
        if estimated is not None:
            self._counts[ESTIMATED_INTERACTIONS] = estimated
        rows = read_in_turn(engagement_db) if self._task.takes_turns else engagement_db.stream_interactions()
        return read_forgotten(self._task.folder).rows_of_others(rows)


def _step_logger() -> Report:
    """Return a function that logs each step of a comparison once."""
    told: set[str] = set()

    def report(label: str, _done: int, _total: int) -> None:
        if label not in told:
            told.add(label)
            logger.debug("%s", label)

    return report
