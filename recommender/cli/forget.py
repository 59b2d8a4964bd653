"""`forget`: ignore users' interactions from now on, and remove their ids from all models on disk."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import click

from config.settings import Settings, load_settings
from config.temporary_folders import remove_abandoned_folders
from recommender.batch.users import InvalidIds, ids_in
from recommender.cli.common import IdsFile, refusing_wrong_settings
from recommender.cli.epilog import epilog
from recommender.cli.train import record_of
from recommender.cli.training_data import read_dataset
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.patient import patient_database
from recommender.databases.recommendation_db import RecommendationDatabase
from recommender.deadline import Deadline
from recommender.entities import DatabaseName
from recommender.errors import DatabaseUnavailableError, LoadError, one_line
from recommender.models.fitting import Fitting
from recommender.texts.ids import IdForm
from recommender.training.forgetting import RemovalResult, VersionOutcome, note_forgotten, remake_models
from recommender.training.publication_records import match_records_to_folder

_NOT_ALL = 3
_SHOWN_INVALID = 3
_USERS_A_STATEMENT = 1_000
# Time limit of a statement.
_STATEMENT_S = 60.0


@click.command(
    epilog=epilog(
        "forget 770b13a5-a0a3-4f45-83b2-712fc40ecc19",
        "forget --file ids.txt",
        statuses={
            0: "no model uses the users' interactions any more, and no version on disk holds their ids",
            1: "stopped before the end, or a file cannot be removed: run it again",
            2: "the command or a setting is wrong",
            _NOT_ALL: "as 0, but a model could not be trained again and is removed or uses older data, or "
            "recommendation_db could not be written; the output says which",
        },
    )
)
@click.argument("users", metavar="[USER]...", nargs=-1)
@click.option("--file", type=IdsFile(), help="Read ids from a file, one per line; - is standard input.")
@click.option(
    "--accept-shrinkage",
    is_flag=True,
    help="Train again even if the databases lost more than half of their data.",
)
def forget(*, users: tuple[str, ...], file: BinaryIO | None, accept_shrinkage: bool) -> int:
    """Ignore users' interactions, and remove them from models.

    USER is an id; several may be given. Workers apply this from the next request on, as do later trainings
    and evaluations. The app must delete the rows in its databases. A forgotten user who asks is answered from
    their own rows, like any other.

    Each model's current version is trained anew; meanwhile live SQL answers. Older versions are removed.
    """
    with refusing_wrong_settings():
        settings = load_settings()
    user_ids = list(dict.fromkeys(_valid_ids(users, file, IdForm.of_pattern(settings.requests.id_pattern))))
    if not user_ids:
        raise click.UsageError("no id is given: give USER, or --file.")
    note_forgotten(settings.models.model_path, user_ids)
    click.echo(f"Noted {len(user_ids):,} users: their interactions are ignored from the next request on.")
    # A killed `evaluate --as-of` leaves a model with the ids of users.
    remove_abandoned_folders()
    _print_unknown(settings, user_ids)
    # First, so that the users are gone before new versions are recorded.
    are_deleted = _delete_embeddings(settings, user_ids)
    results = remake_models(
        settings.models.model_path,
        lambda: read_dataset(settings),
        fitting=Fitting(settings.models.training_memory_bytes),
        accept_shrinkage=accept_shrinkage,
        record=record_of(settings),
        announce=lambda name: click.echo(f"{name}: is trained without them …", err=True),
    )
    are_fitted = are_recorded = True
    for result in results:
        click.echo(f"{_outcome_in_words(result)}; older versions removed: {result.removed}.")
        are_fitted &= result.outcome in {VersionOutcome.FITTED, VersionOutcome.KEPT}
        are_recorded &= result.is_recorded
    # Also if no model was remade now: an earlier run, or a training meanwhile, may have left rows.
    are_recorded &= _match_records(settings)
    return 0 if are_deleted and are_fitted and are_recorded else _NOT_ALL


def _valid_ids(users: Sequence[str], file: BinaryIO | None, form: IdForm) -> Iterator[str]:
    """Yield the ids of arguments and file.

    Raises:
        BadParameter: one of them is not an id.
    """
    for user in users:
        user_id = form.canonical(user)
        if user_id is None:
            raise click.BadParameter(f"must be {form.words}, got {user!r}", param_hint="USER")
        yield user_id
    if file is None:
        return
    invalid = InvalidIds(_SHOWN_INVALID)
    yield from ids_in(file, form, invalid)
    if invalid.count:
        shown = ", ".join(f"line {each.line}: {each.shown} {each.fault}" for each in invalid.first)
        raise click.BadParameter(
            f"{invalid.count:,} lines hold no id ({shown}). Nothing was changed.", param_hint="--file"
        )


def _print_unknown(settings: Settings, user_ids: Sequence[str]) -> None:
    """Print how many of the users are unknown to engagement_db, if it answers."""
    if not settings.databases.are_configured:
        return
    found = 0
    try:
        with patient_database(DatabaseName.ENGAGEMENT, settings.databases) as database:
            engagement_db = EngagementDatabase(database, settings.interaction_types)
            for start in range(0, len(user_ids), _USERS_A_STATEMENT):
                some = user_ids[start : start + _USERS_A_STATEMENT]
                deadline = Deadline.after(_STATEMENT_S)
                found += len(engagement_db.fetch_histories(some, "-infinity", deadline))
    except DatabaseUnavailableError:
        return
    if found < len(user_ids):
        click.echo(f"engagement_db has no rows of {len(user_ids) - found:,} of these users.")


def _delete_embeddings(settings: Settings, user_ids: Sequence[str]) -> bool:
    """Delete the users from recommendation_db; return false if it does not answer."""
    url = settings.databases.recommendation_url
    if url is None:
        return True
    try:
        RecommendationDatabase(url).delete_users(user_ids)
    except LoadError as exc:
        click.echo(
            f"recommendation_db still holds data of these users: {one_line(exc)}. Run the command again.",
            err=True,
        )
        return False
    return True


def _outcome_in_words(result: RemovalResult) -> str:
    match result.outcome:
        case VersionOutcome.FITTED:
            return f"{result.model} {result.version} is trained without them"
        case VersionOutcome.REWRITTEN:
            return (
                f"{result.model} {result.version} uses its earlier data without theirs, as it could not be "
                f"trained again ({result.reason})"
            )
        case VersionOutcome.KEPT:
            return f"{result.model} {result.version} was already trained without them"
        case VersionOutcome.REMOVED:
            return f"{result.model} is removed until it is trained again ({result.reason})"


def _match_records(settings: Settings) -> bool:
    """Let recommendation_db hold the versions on disk only; return false if it does not answer."""
    try:
        match_records_to_folder(settings.databases.recommendation_url, settings.models.model_path)
    except LoadError as exc:
        click.echo(
            "recommendation_db may still hold data of these users, in versions that are removed: "
            f"{one_line(exc)}. Run the command again.",
            err=True,
        )
        return False
    return True
