"""Options of `evaluate` and `tune`: source, split and progress."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from config.setting_types import how_to_install
from config.settings import Settings
from recommender.cli.progress import Show, progress, with_progress
from recommender.configured import pinned_hyperparameters
from recommender.data.forgotten import read_forgotten
from recommender.databases.engagement_db import EngagementDatabase, InteractionArrays
from recommender.domains.declaration import with_own_attributes
from recommender.domains.media import MEDIA
from recommender.evaluation.database_source import databases_source
from recommender.evaluation.ranking import Report, ShortHistory
from recommender.evaluation.runner import DEFAULT_KS, Plan
from recommender.evaluation.sources import Source, movielens_source, without_forgotten
from recommender.evaluation.splits import SplitKind
from recommender.evaluation.training_part import Relevant
from recommender.evaluation.variants import Fit
from recommender.models.fitting import Fitting
from recommender.models.registry import DEFAULT_MODEL, MODELS
from recommender.texts.ids import IdForm

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_MOST_RANKS = 1_000


class _ResultFile(click.Path):
    """A file to write when all is done. Trying it first saves hours of work that could not be kept."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        real = Path(os.path.realpath(path))
        if _is_standard_output(path):
            self.fail(f"{path} is the standard output, where the figures are printed", param, ctx)
        if path.exists() and not path.is_file():
            # A pipe would end for its reader if it were opened and closed here.
            return path
        if not real.parent.is_dir():
            self.fail(f"there is no folder {real.parent}", param, ctx)
        is_new = not real.exists()
        try:
            real.open("ab").close()
        except OSError as exc:
            self.fail(f"{path} cannot be written: {exc.strerror}", param, ctx)
        if is_new:
            real.unlink()
        return path


def _is_standard_output(path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


FILE = _ResultFile()


class _Moment(click.ParamType[datetime]):
    """A date, or a date and time, in ISO 8601; UTC, unless it names a time zone."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            # Near the first and the last year, a moment of another time zone may have no year in UTC.
            self.fail(
                f"must be a moment such as 2026-06-01 or 2026-06-01T12:00:00Z, got {value!r}", param, ctx
            )


MOMENT = _Moment()


class _Names(click.ParamType[tuple[str, ...]]):
    """Names of models, separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        names = [name.strip() for name in value.split(",") if name.strip()]
        for name in names:
            if name not in MODELS:
                self.fail(f"there is no model {name}; there are: {', '.join(MODELS)}", param, ctx)
        return tuple(names)


class _Ranks(click.ParamType[tuple[int, ...]]):
    """Numbers of ranks, separated by commas; sorted."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            ranks = sorted({int(number) for number in value.split(",")})
        except ValueError:
            self.fail(f"{value} is not a list of whole numbers", param, ctx)
        if not 1 <= ranks[0] <= ranks[-1] <= _MOST_RANKS:
            self.fail(f"must be from 1 to {_MOST_RANKS:,}", param, ctx)
        return tuple(ranks)


_OPTIONS = (
    click.option("--movielens", type=_FOLDER, help="Read a MovieLens folder instead of the databases."),
    click.option("--parquet", type=_FOLDER, help="Read Parquet files instead of the databases."),
    click.option(
        "--scale",
        type=click.Choice(["5", "10"]),
        default="5",
        help="The highest possible rating in the files.",
    ),
    click.option(
        "--models", type=_Names(), default="", help="Models to compare, separated by commas. Default: all."
    ),
    click.option(
        "--split",
        type=click.Choice([kind.value for kind in SplitKind]),
        default=SplitKind.TIME.value,
        help="What to test on: all after a moment, each user's last fifth, or each user's last interaction.",
    ),
    click.option(
        "--moment",
        type=MOMENT,
        help="With --split time: the moment, in UTC. By default the last fifth of the window is the test.",
    ),
    click.option(
        "--k",
        "ks",
        type=_Ranks(),
        default=DEFAULT_KS,
        help="Lengths of the ranked lists, separated by commas. Default: 5,10,20.",
    ),
    click.option(
        "--relevant",
        type=click.Choice([kind.value for kind in Relevant]),
        help="What a list should contain: what users liked, or all they liked or watched. Default: likes, "
        "if at least 30 users with a history have any.",
    ),
    click.option(
        "--users",
        type=click.IntRange(min=1),
        help="Test on a random sample of this many users, first of those with a history.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the random sample."),
)


def evaluation_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for source and split."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def is_given(name: str) -> bool:
    """Return whether an option is on the command line, even with its default as value."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def plan_of(settings: Settings, given: dict[str, Any]) -> Plan:
    """Return the plan of a comparison from its options."""
    kind = SplitKind(given["split"])
    if given["moment"] is not None and kind is not SplitKind.TIME:
        raise click.UsageError("--moment can only be used with --split time.")
    pinned = pinned_hyperparameters(settings.neighbour_search).get(DEFAULT_MODEL, {})
    return Plan(
        split=kind,
        ks=given["ks"],
        relevant=None if given["relevant"] is None else Relevant(given["relevant"]),
        max_users=given["users"],
        seed=given["seed"],
        fitting=Fitting(settings.models.training_memory_bytes),
        # Weights are compared as if configured: the same for all users.
        short=ShortHistory(settings.ranking.min_history, neighbours=Fit(DEFAULT_MODEL, pinned)),
    )


def moment_of(given: dict[str, Any]) -> float | None:
    """Return the moment given, in seconds since 1970 UTC."""
    moment: datetime | None = given["moment"]
    return None if moment is None else moment.timestamp()


@contextmanager
def opened_source(settings: Settings, given: dict[str, Any]) -> Iterator[Source]:
    """Yield the source: the files named, else the configured databases.

    Raises:
        EvaluationError: it holds nothing.
        LoadError: a file cannot be read.
        ArtifactError: the list of forgotten users cannot be read.
        SettingsError: no databases are configured.
        DatabaseUnavailableError: a database does not answer.
    """
    movielens, parquet = given["movielens"], given["parquet"]
    if movielens is not None and parquet is not None:
        raise click.UsageError("Give either --movielens or --parquet, not both.")
    if movielens is None and parquet is None and is_given("scale"):
        raise click.UsageError("--scale can only be used with --movielens or --parquet.")
    scale = float(given["scale"])
    if movielens is not None:
        click.echo(f"Reading {movielens} …", err=True)
        yield _without_forgotten(movielens_source(movielens, scale), settings)
    elif parquet is not None:
        click.echo(f"Reading {parquet} …", err=True)
        yield _without_forgotten(_parquet_source(parquet, settings, scale), settings)
    else:
        domain = with_own_attributes(MEDIA, settings.catalog.attributes_path)
        window_days = settings.ranking.interaction_window_days
        types = settings.interaction_types
        read = partial(_read_with_progress, settings.models.model_path)
        with databases_source(settings.databases, types, domain, window_days, read) as source:
            yield source


def _without_forgotten(source: Source, settings: Settings) -> Source:
    forgotten = read_forgotten(settings.models.model_path)
    return without_forgotten(source, forgotten, IdForm.of_pattern(settings.requests.id_pattern))


def _parquet_source(folder: Path, settings: Settings, scale: float) -> Source:
    try:
        # The service does not require pyarrow.
        from recommender.evaluation.parquet_source import parquet_source  # noqa: PLC0415 - see above
    except ImportError:
        raise click.UsageError(f"--parquet needs pyarrow: `{how_to_install('parquet')}`.") from None
    return parquet_source(folder, settings.interaction_types, scale)


def _read_with_progress(models: Path, engagement_db: EngagementDatabase) -> Iterable[InteractionArrays]:
    users = engagement_db.count_active_users("-infinity")
    rows = with_progress(engagement_db.stream_interactions(), f"Reading {users:,} histories", users)
    return read_forgotten(models).rows_of_others(rows)


def show_and_write(lines: Iterable[str], *files: tuple[Path | None, Callable[[], str]]) -> None:
    """Print the figures, then write the files that are given; a failure of one does not lose the others.

    Raises:
        ClickException: a file cannot be written.
        OSError: standard output cannot be written.
    """
    with ExitStack() as stack:
        for path, text in files:
            if path is not None:
                stack.callback(_write, path, text)
        for line in lines:
            click.echo(line)


def _write(path: Path, text: Callable[[], str]) -> None:
    try:
        path.write_text(text(), encoding="utf-8")
    except OSError as exc:
        raise click.ClickException(f"{path}: {exc.strerror}") from exc


@contextmanager
def reported() -> Iterator[Report]:
    """Show the progress of a comparison, a line or bar for each step."""
    with ExitStack() as stack:
        current = ""
        show: Show = lambda _: None  # noqa: E731 - replaced at the first step
        shown = stack.enter_context(ExitStack())

        def report(label: str, done: int, total: int) -> None:
            nonlocal current, show
            if label != current:
                shown.close()
                current, show = label, shown.enter_context(progress(label, total))
            show(done)

        yield report
