"""`trainer`: train models on schedule, or once."""

import logging.config
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import click

from config.logging import logging_config
from config.setting_types import MODULE, SettingsError
from config.settings import LogSettings, Settings, load_log_settings, load_settings
from config.stop_signals import unwinding_on_sigterm
from recommender.cli.epilog import epilog
from recommender.configured import (
    configured_blend,
    configured_experiments,
    pinned_hyperparameters,
    refuse_unknown_model,
)
from recommender.entities import DatabaseName
from recommender.errors import MarqueeError, TrainingUnderWayError, one_line
from recommender.model_store.runs import TrainingRun, Trigger
from recommender.models.names import AUTO, LIVE
from recommender.models.registry import MODELS
from recommender.observability.log_filters import LOG_FILTERS
from recommender.system.file_locks import is_lock_of
from recommender.trainer.priority import exit_when_closed, lower_priority
from recommender.trainer.process import ANOTHER_RUNS, Trainer
from recommender.trainer.training_locks import TRAINER_LOCK, take_trainer_lock

# That of the trainer's other lines.
logger = logging.getLogger("recommender.trainer")

_STATUSES = {
    0: "it has trained, or was stopped by a signal",
    1: "a run failed or found nothing to learn from, another is in progress, MODEL_PATH is not writable, "
    "or a setting is wrong",
    2: "the settings say that no model is trained",
}
_STANDARD_INPUT = 0


@click.command(epilog=epilog("trainer --once", "trainer", statuses=_STATUSES))
@click.option("--once", is_flag=True, help="Train once now, regardless of the schedule, and exit.")
@click.option("--trigger", type=click.Choice([each.value for each in Trigger]), hidden=True)
@click.option("--lock", type=int, hidden=True)
@click.option("--lifeline", type=int, hidden=True)
def trainer(*, once: bool, trigger: str | None, lock: int | None, lifeline: int | None) -> int:
    """Train by TRAINING_SCHEDULE and on new interactions.

    The service starts a trainer itself. Start one by hand for a container of its own, with
    TRAINING_SCHEDULE=never for the service. A run compares the model in use with others on the latest data.
    It publishes another one only if that is significantly better; else it retrains the same one on all data.
    """

    def train() -> int:
        return _train(once=once, trigger=trigger, lock=lock, lifeline=lifeline)

    if trigger is None and lock is None:
        return train()
    return _as_part_of_the_service("the trainer" if trigger is None else "the training", train)


def _as_part_of_the_service(name: str, train: Callable[[], int]) -> int:
    """Run what the service or its trainer started; its errors are lines of the service's log.

    Args:
        name: of what was started, in words.
        train: the function to run.

    Returns:
        The exit status.
    """
    _log_as_the_service(load_log_settings())
    try:
        return train()
    except TrainingUnderWayError as exc:
        logger.warning("%s did not begin: %s", name, exc)
        return ANOTHER_RUNS
    except click.ClickException as exc:
        logger.error("%s ended by an error: %s", name, exc.format_message())
        return exc.exit_code
    except (MarqueeError, SettingsError, OSError) as exc:
        logger.error("%s ended by an error: %s", name, one_line(exc))
    except Exception:
        # Catch all: a traceback of the interpreter would be many lines without a time.
        logger.exception("%s ended by an unexpected error", name)
    return 1


def _train(*, once: bool, trigger: str | None, lock: int | None, lifeline: int | None) -> int:
    settings = load_settings()
    if settings.models.model == LIVE:
        raise click.UsageError("MODEL is live: no model is trained.")
    refuse_unknown_model(settings.models.model)
    if once:
        return _run_once(settings, trigger)
    _keep_training(settings, lock, lifeline)
    return 0


def _run_once(settings: Settings, trigger: str | None) -> int:
    if trigger is not None:
        # Started by a trainer: end with it.
        exit_when_closed(_STANDARD_INPUT)
        run = _run(settings, Trigger(trigger), lower_priority)
        return int(not run.has_decided)
    # Otherwise the note of the run would stay, and the next one would take this one for failed.
    with unwinding_on_sigterm():
        run = _run(settings, Trigger.COMMAND, lambda: None)
    click.echo(f"Run {run.number}: {run.outcome}. {run.reason}")
    if run.version is not None:
        click.echo(f"Published {run.model} {run.version}.")
    return int(not run.has_decided)


def _run(settings: Settings, trigger: Trigger, lower_priority: Callable[[], None]) -> TrainingRun:
    # They import the training libraries, which a waiting process does not need.
    from recommender.domains.declaration import with_own_attributes  # noqa: PLC0415 - see above
    from recommender.domains.media import MEDIA  # noqa: PLC0415 - see above
    from recommender.experiments.definitions import named_models  # noqa: PLC0415 - see above
    from recommender.trainer.run import TrainingTask, run_training  # noqa: PLC0415 - see above
    from recommender.training.publication_records import recording_in  # noqa: PLC0415 - see above

    databases = settings.databases
    task = TrainingTask(
        folder=settings.models.model_path,
        model=settings.models.model,
        blend=configured_blend(settings.ranking),
        learns_blend=settings.models.model == AUTO and settings.ranking.leaves_blend_open,
        pinned=pinned_hyperparameters(settings.neighbour_search),
        memory_bytes=settings.models.training_memory_bytes,
        databases=databases,
        types=settings.interaction_types,
        domain=with_own_attributes(MEDIA, settings.catalog.attributes_path),
        window_days=settings.ranking.interaction_window_days,
        min_history=settings.ranking.min_history,
        kept_versions=settings.models.kept_versions,
        record=recording_in(databases.recommendation_url, logging.getLogger(__name__).warning),
        # A pooler that shares sessions among clients would keep the lock for ever.
        takes_turns=databases.prepared_statements and databases.session_settings_by != "role",
        experiment_models=tuple(
            name for name in named_models(configured_experiments(settings.experiments)) if name in MODELS
        ),
    )
    return run_training(task, trigger, lower_priority)


def _keep_training(settings: Settings, lock: int | None, lifeline: int | None) -> None:
    """Train until the service ends or this process is asked to stop.

    Raises:
        UsageError: there is no schedule.
        TrainingUnderWayError: there is a trainer already.
        OSError: the folder of the models cannot be written.
    """
    schedule = settings.training.trigger
    if schedule is None:
        raise click.UsageError("TRAINING_SCHEDULE is never: only --once trains.")
    _log_as_the_service(settings.logging)
    folder, model = settings.models.model_path, settings.models.model
    held = take_trainer_lock(folder) if lock is None else lock
    if held is None:
        raise TrainingUnderWayError(f"{folder}: another trainer is running already.")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        Trainer(
            folder,
            model,
            schedule,
            new_share=settings.training.training_new_share if model == AUTO else None,
            estimate=lambda: _estimate_interactions(settings),
            command=_training_command,
            holds_folder=lambda: is_lock_of(held, folder / TRAINER_LOCK),
            lifeline=lifeline,
        ).work()
    finally:
        os.close(held)


def _training_command(trigger: Trigger) -> list[str]:
    return [sys.executable, "-m", MODULE, "trainer", "--once", "--trigger", trigger.value]


def _estimate_interactions(settings: Settings) -> int | None:
    # They import the driver, which is needed only minutes later.
    from recommender.databases.estimates import estimate_interactions  # noqa: PLC0415 - see above
    from recommender.databases.patient import patient_database  # noqa: PLC0415 - see above

    with patient_database(DatabaseName.ENGAGEMENT, settings.databases) as database:
        return estimate_interactions(database)


def _log_as_the_service(logs: LogSettings) -> None:
    logging.config.dictConfig(logging_config(logs.level, logs.log_format, LOG_FILTERS))


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
