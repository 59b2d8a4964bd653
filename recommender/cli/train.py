"""`train`: build models from engagement_db and publish them for the servers to pick up."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import click
from pydantic import ValidationError

from config.settings import Settings, load_settings
from recommender.cli.epilog import epilog
from recommender.cli.output import warn
from recommender.cli.progress import Show, progress
from recommender.cli.training_data import read_dataset
from recommender.model_store.artifact import KNOWN_ITEMS
from recommender.model_store.currents import Promotion
from recommender.model_store.shrinkage import MAX_SHRINKAGE
from recommender.models.fitting import Estimate, Fitting
from recommender.models.registry import MODELS
from recommender.training.publication import Record
from recommender.training.recording import recording_in
from recommender.training.train import train as train_model

_STATUSES = {
    0: "published",
    1: "nothing is published: no likes or watches, too few of them, another run, or a database is down",
    2: "the command is wrong",
}


@click.group(epilog=epilog("train neighbours"))
def train() -> None:
    """Build a model from engagement_db; running servers pick it up within seconds.

    The service trains by itself, and compares models first (`trainer`). This trains the one that you name.
    With MODEL=auto, it answers from then on, until the next training; `models rollback` goes back.
    """


def _command(name: str, summary: str) -> click.Command:
    @click.option(
        "--accept-shrinkage",
        is_flag=True,
        help=f"Publish even if more than {MAX_SHRINKAGE:.0%} of the current version's users or pairs are "
        "gone.",
    )
    @click.option(
        "--set",
        "given",
        multiple=True,
        metavar="NAME=VALUE",
        help="A hyperparameter other than its default; `tune` says which are best. May be repeated.",
    )
    @click.option(
        "--keep-serving",
        is_flag=True,
        help="Leave to all users the model that serves them: for one that only an experiment names.",
    )
    def run(*, accept_shrinkage: bool, given: tuple[str, ...], keep_serving: bool) -> None:
        _train(
            name,
            _hyperparameters(name, given),
            accept_shrinkage=accept_shrinkage,
            promotion=Promotion.MODEL if keep_serving else Promotion.ALL,
        )

    return click.command(
        name=name,
        help=f"{summary}\n\nReads engagement_db once and writes to MODEL_PATH.",
        epilog=epilog(f"train {name}", f"train {name} --accept-shrinkage", statuses=_STATUSES),
    )(run)


for _name, _registered in MODELS.items():
    train.add_command(_command(_name, _registered.summary))


def _hyperparameters(name: str, given: Sequence[str]) -> dict[str, str]:
    """Return hyperparameters as they were given, checked."""
    pairs = [each.partition("=") for each in given]
    hyperparameters = {key: value for key, _, value in pairs}
    if hyperparameters:
        try:
            MODELS[name].make(hyperparameters)
        except ValidationError as exc:
            error = exc.errors()[0]
            about = ".".join(map(str, error["loc"]))
            raise click.BadParameter(f"{about}: {error['msg']}", param_hint="--set") from None
    return hyperparameters


def _train(
    name: str, hyperparameters: Mapping[str, str], *, accept_shrinkage: bool, promotion: Promotion
) -> None:
    settings = load_settings()
    started = time.monotonic()
    with _learning(name, settings) as (fitting, announce):
        metadata = train_model(
            name,
            settings.models.model_path,
            lambda: read_dataset(settings),
            accept_shrinkage=accept_shrinkage,
            hyperparameters=hyperparameters,
            fitting=fitting,
            announce=announce,
            promotion=promotion,
            kept_versions=settings.models.kept_versions,
            record=record_of(settings),
        )
    counts = metadata.counts
    click.echo(
        f"Published {name} {metadata.version} of {counts['users']:,} users, {counts['media']:,} "
        f"media and {counts['pairs']:,} pairs in {time.monotonic() - started:.0f} s."
    )
    if counts[KNOWN_ITEMS] < counts["media"]:
        click.echo(
            f"It knows {counts[KNOWN_ITEMS]:,} of the media: the others have too few users, or did not fit "
            f"into TRAINING_MEMORY_MB, which is {settings.models.training_memory_mb:,}."
        )


@contextmanager
def _learning(name: str, settings: Settings) -> Iterator[tuple[Fitting, Callable[[Estimate], None]]]:
    """Show how far a model is with learning: in percent, from when it is known how long it will take."""
    with ExitStack() as shown:
        show: Show = lambda _: None  # noqa: E731 - replaced when learning begins

        def announce(estimate: Estimate) -> None:
            nonlocal show
            megabytes = max(1, min(estimate.memory_bytes, memory_bytes) >> 20)
            label = f"Learning {name}, about {max(1, round(estimate.seconds)):,} s and {megabytes:,} MB"
            show = shown.enter_context(progress(label, 100))

        memory_bytes = settings.models.training_memory_mb << 20
        yield Fitting(memory_bytes, lambda share: show(round(100 * share))), announce


def record_of(settings: Settings) -> Record:
    """Return what notes each version in recommendation_db, where there is one; failures are a warning."""
    return recording_in(settings.databases.recommendation_url, warn)
