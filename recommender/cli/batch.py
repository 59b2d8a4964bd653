"""`batch`: write recommendations for many users to a file."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import click

from config.setting_types import PROGRAM, how_to_install
from config.settings import Settings, load_settings
from recommender.batch.journal import JobFolder, JobOptions, Journal
from recommender.batch.rows import RowMaker
from recommender.batch.run import (
    ALL_USERS,
    AS_THEY_ARE,
    DEFUSED,
    BatchOutcome,
    CatalogUse,
    Target,
    begin,
    work,
)
from recommender.batch.users import InvalidIds, ids_in, merged
from recommender.batch.writers import CsvWriter, NdjsonWriter, OutputFormat, Writer
from recommender.cli.common import IdsFile, check_limit, opened, refusing_wrong_settings
from recommender.cli.epilog import epilog
from recommender.cli.output import print_outcome, quiet
from recommender.cli.progress import progress
from recommender.configured import configured_experiments, refuse_unknown_model
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.patient import patient_database
from recommender.databases.user_db import UserDatabase
from recommender.domains.base import Domain
from recommender.domains.declaration import with_own_attributes
from recommender.domains.media import MEDIA
from recommender.entities import DatabaseName, Page
from recommender.errors import BatchError
from recommender.experiments.definitions import Experiment, experiments_fingerprint
from recommender.texts.ids import IdForm

_INVALID_SHOWN = 10
_WHOLE, _STOPPED, _REFUSED, _LACKING = 0, 1, 2, 3
_SUFFIXES = {
    "": OutputFormat.NDJSON,
    ".ndjson": OutputFormat.NDJSON,
    ".jsonl": OutputFormat.NDJSON,
    ".csv": OutputFormat.CSV,
    ".parquet": OutputFormat.PARQUET,
}


class _Refusal(click.ClickException):
    exit_code = _REFUSED


@click.command(
    epilog=epilog(
        "batch ids.txt --output recommendations.ndjson",
        "batch --all-users --output recommendations.parquet --limit 20",
        f"psql --no-align --tuples-only --file newsletter.sql | {PROGRAM} batch - --output mail.csv",
        more={
            "Formats:": (
                "ndjson   one line per user, as in a streamed answer of the API",
                "csv      one row per recommendation, as in RFC 4180; genres and degraded databases",
                "         are joined by |; text that a spreadsheet would run as a formula is defused",
                "parquet  the columns of csv, in a folder of files that is read as one table;",
                f"         needs {how_to_install('parquet')}",
            )
        },
        statuses={
            0: "all users have complete answers",
            1: "stopped before the end: run the same command again, without --overwrite",
            2: "the command or a setting is wrong, or the output cannot be created",
            3: "finished, but ids were skipped, or answers lack data of a database that failed or lost rows",
        },
    )
)
@click.argument("file", type=IdsFile(), required=False)
@click.option(
    "--all-users", is_flag=True, help="Recommend to all users of user_db and engagement_db, instead of FILE."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The file to write. For Parquet, a folder.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.value for each in OutputFormat]),
    help="Format of the output. Default: by its suffix .csv, .parquet, .ndjson or .jsonl; ndjson without "
    "one.",
)
@click.option(
    "--defuse-formulas/--no-defuse-formulas",
    default=True,
    help="CSV: put an apostrophe before =, +, -, @, a tab or a line break where text begins, or after a "
    "semicolon, tab or line break, except in ids. A spreadsheet may run such text as a formula.",
    show_default=True,
)
@click.option("--limit", type=int, help="Recommendations per user. Default 10, at most MAX_LIMIT.")
@click.option("--overwrite", is_flag=True, help="Begin anew: replace an existing output or unfinished job.")
@refusing_wrong_settings()
def batch(
    *,
    file: BinaryIO | None,
    all_users: bool,
    output: Path,
    format_name: str | None,
    defuse_formulas: bool,
    limit: int | None,
    overwrite: bool,
) -> int:
    """Write recommendations for many users to a file.

    For mails, caches and analyses, without a script that calls the API. FILE has one user id per line;
    - is standard input. Repeated ids count once; invalid ids are named and skipped.

    After an interruption by Ctrl-C, a kill, a full disk or a lost database, the same command without
    --overwrite continues: no user is lost or written twice. Until the job is done, OUTPUT.resume holds its
    progress. A folder of that name that this command did not make is an error, and is left unchanged.

    """
    if (file is None) != all_users:
        raise click.UsageError("Give either FILE or --all-users.")
    chosen = _format_of(output, format_name)
    settings = load_settings()
    # Other formats keep text unchanged: there the option makes no difference to the job.
    formulas = DEFUSED if defuse_formulas and chosen is OutputFormat.CSV else AS_THEY_ARE
    users_from = ALL_USERS if file is None else "file"
    domain = with_own_attributes(MEDIA, settings.catalog.attributes_path)
    limit = check_limit(settings.requests, limit)
    experiments = configured_experiments(settings.experiments)
    options = JobOptions(
        users_from, chosen, formulas, limit, _describe_ranking(settings, domain, experiments)
    )
    maker = RowMaker(domain, in_experiments=bool(experiments))
    written = _written_file(output)
    target = Target(_writer(options, written, maker), JobFolder(written), overwrite)
    _refuse_unusable(settings)
    started = time.monotonic()
    with ExitStack() as stack:
        try:
            if file is not None and options.format != OutputFormat.PARQUET:
                _refuse_same_file(file, output)
            stack.enter_context(target.folder.locked())
            journal = _begin(options, settings, file, target)
        except BatchError as exc:
            raise _Refusal(f"{output}: {exc}") from exc
        except OSError as exc:
            raise _Refusal(f"{exc.filename or output}: {exc.strerror}") from exc
        outcome = _work(journal, settings, target)
    return _report(outcome, journal.progress.users, time.monotonic() - started, overwrite=overwrite)


def _format_of(output: Path, format_name: str | None) -> OutputFormat:
    """Return the format of the output, by --format or its suffix.

    Raises:
        BadParameter: nothing can be written there, or the suffix names no format or another one.
    """
    if output.name in {"", ".."}:
        raise click.BadParameter(f"{output} is not a file name", param_hint="--output")
    if not output.parent.is_dir():
        raise click.BadParameter(f"there is no folder {output.parent}", param_hint="--output")
    by_suffix = _SUFFIXES.get(output.suffix.lower())
    if format_name is None:
        if by_suffix is None:
            raise click.BadParameter(
                f"{output.suffix} names no format: use .csv, .parquet, .ndjson or .jsonl, or give --format",
                param_hint="--output",
            )
        return by_suffix
    if format_name == OutputFormat.PARQUET and by_suffix is OutputFormat.CSV:
        raise click.BadParameter(
            f"Parquet makes a folder of files, which {output.name} does not tell", param_hint="--output"
        )
    return OutputFormat(format_name)


def _written_file(output: Path) -> Path:
    """Return the file that a link leads to, so that two runs cannot write it as two jobs.

    A link to a pipe or a terminal, such as /dev/stdout, is returned as it is: it leads to no path.
    """
    is_to_a_path = output.is_file() or output.is_dir() or not output.exists()
    return Path(os.path.realpath(output)) if output.is_symlink() and is_to_a_path else output


def _refuse_unusable(settings: Settings) -> None:
    """Fail before any file is made if no databases are configured, or there is no such model.

    Raises:
        SettingsError: that is so.
    """
    settings.databases.url(DatabaseName.USER)
    refuse_unknown_model(settings.models.model)


def _describe_ranking(settings: Settings, domain: Domain, experiments: Sequence[Experiment]) -> str:
    """Describe what a job's ranking depends on: settings, own attributes and experiments."""
    own = ",".join(attribute.name for attribute in domain.own)
    parts = (settings.describe_ranking(), own, experiments_fingerprint(experiments))
    return ", ".join(part for part in parts if part)


def _writer(options: JobOptions, output: Path, maker: RowMaker) -> Writer:
    if options.format == OutputFormat.NDJSON:
        return NdjsonWriter(output)
    if options.format == OutputFormat.CSV:
        return CsvWriter(output, maker, defuse_formulas=options.formulas == DEFUSED)
    try:
        # Only this format needs pyarrow.
        from recommender.batch.parquet_writer import ParquetWriter  # noqa: PLC0415 - see the comment above
    except ModuleNotFoundError as exc:
        raise _Refusal(
            f"Parquet needs a package that is not installed ({exc.name}): {how_to_install('parquet')}"
        ) from exc
    return ParquetWriter(output, maker)


def _refuse_same_file(file: BinaryIO, output: Path) -> None:
    """Reject an output that is the list of ids, which --overwrite would destroy.

    Raises:
        BatchError: the ids are read from the output.
    """
    try:
        is_same = os.path.samestat(os.fstat(file.fileno()), output.stat())
    except (OSError, ValueError):
        # There is no output yet, or standard input is not a file.
        return
    if is_same:
        raise BatchError("the ids are read from this file")


def _begin(options: JobOptions, settings: Settings, file: BinaryIO | None, target: Target) -> Journal:
    form = IdForm.of_pattern(settings.requests.id_pattern)
    invalid = InvalidIds(_INVALID_SHOWN)
    user_ids = _all_users(settings, form, invalid) if file is None else ids_in(file, form, invalid)
    journal = begin(options, user_ids, target, invalid)
    for found in invalid.first:
        where = f"line {found.line}: " if file is not None else ""
        click.echo(f"{where}{found.shown} {found.fault}: skipped", err=True)
    if invalid.count > len(invalid.first):
        click.echo(f"… and {invalid.count - len(invalid.first):,} more", err=True)
    return journal


def _all_users(settings: Settings, form: IdForm, invalid: InvalidIds) -> Iterator[str]:
    with (
        quiet("psycopg"),
        patient_database(DatabaseName.USER, settings.databases) as user_db,
        patient_database(DatabaseName.ENGAGEMENT, settings.databases) as engagement_db,
        closing(UserDatabase(user_db).stream_users()) as stating,
        closing(EngagementDatabase(engagement_db).stream_users()) as interacting,
    ):
        yield from merged((stating, interacting), form, invalid)


def _work(journal: Journal, settings: Settings, target: Target) -> BatchOutcome:
    users, done = journal.user_list.users, journal.progress.users
    if done:
        click.echo(f"Continuing after {done:,} of {users:,} users.", err=True)
    page = Page(journal.options.limit)
    with (
        opened(settings) as container,
        _stop_signals() as stop,
        progress(f"Recommending to {users:,} users", users, done) as show,
    ):
        return work(
            journal,
            # One hundred users a call, so that each call has a time budget of its own.
            lambda user_ids: container.service.recommend(user_ids, page),
            target,
            catalog=CatalogUse(lambda: container.status.read().catalog, settings.catalog.catalog_max_loss),
            stop_asked=stop.is_set,
            show=show,
        )


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets; a second signal stops at once."""
    asked = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in numbers:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        restore()


def _report(outcome: BatchOutcome, done_before: int, seconds: float, *, overwrite: bool) -> int:
    users, done = outcome.journal.user_list, outcome.journal.progress
    now = done.users - done_before
    print_outcome(
        f"{done.users:,} of {users.users:,} users{f', {now:,} of them now' if done_before else ''}; "
        f"{done.recommendations:,} recommendations; {seconds:.1f} s, {now / seconds:,.0f} users/s; "
        f"{done.degraded:,} degraded, {users.invalid:,} skipped, {users.repeated:,} repeated"
    )
    if outcome.stopped is not None:
        same = "The same command without --overwrite" if overwrite else "The same command"
        print_outcome(
            f"Error: stopped before the end: {outcome.stopped}. {same} continues from here.", err=True
        )
        return _STOPPED
    if done.held_back:
        print_outcome(
            f"Warning: {done.held_back:,} users were answered while catalog_db or engagement_db lacked much "
            "of what they held before.",
            err=True,
        )
    if outcome.grown:
        print_outcome(
            "Warning: the catalog was incomplete when the job began; run it again with --overwrite.",
            err=True,
        )
    if done.degraded or done.held_back or outcome.grown or users.invalid:
        return _LACKING
    return _WHOLE
