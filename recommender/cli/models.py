"""`models`: versions of trained models, which are in use, and past training runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from config.setting_types import PROGRAM
from config.settings import Settings, load_settings
from recommender.cli.columns import columns
from recommender.cli.epilog import epilog
from recommender.cli.output import warn
from recommender.model_store.artifact import Metadata
from recommender.model_store.currents import VersionRef, current_faults
from recommender.model_store.runs import ComparedVariant, MetricInterval, TrainingRun, read_run, read_runs
from recommender.model_store.store import (
    StoredVersion,
    find_version,
    list_versions,
    promote,
    prune,
    rollback,
)
from recommender.models.names import AUTO
from recommender.training.publication_records import record_current, record_removed

_SHOWN_RUNS = 20
# Characters of an ISO 8601 time, up to the seconds.
_TIME_CHARACTERS = 19


def _folder() -> Path:
    return load_settings().models.model_path


def _effect(settings: Settings, ref: VersionRef) -> str:
    """Return how a new current version affects running servers."""
    model = settings.models.model
    if model in (AUTO, ref.model):
        return "Running servers use it within 5 seconds."
    return f"MODEL is {model} here: servers with that setting do not use it."


@click.group(epilog=epilog("models list", "models promote 20261120T031502.104833Z", "models rollback"))
def models() -> None:
    """Show trained models, and choose which version serves.

    They are in MODEL_PATH. With MODEL=auto, the current version of all models serves; with MODEL=NAME, that
    of the model. Changes take effect in running servers within 5 seconds, without a restart.
    """


@models.command(name="list", epilog=epilog("models list"))
def list_command() -> None:
    """List the versions of all models, the latest first."""
    folder = _folder()
    found = list_versions(folder)
    if found:
        rows = [
            (each.ref.version, each.ref.model, _role(each), *_numbers(each.metadata), each.fault or "")
            for each in found
        ]
        _print_table(("version", "model", "in use", "made by", "users", "media", "pairs", ""), rows)
    else:
        click.echo(f"There are no versions in {folder}. `{PROGRAM} train` makes one.")
    for fault in current_faults(folder):
        warn(fault)


def _role(version: StoredVersion) -> str:
    if version.is_current:
        return "current"
    if version.is_current_of_model:
        return f"MODEL={version.ref.model}"
    return "before" if version.was_current else ""


def _numbers(metadata: Metadata | None) -> tuple[str, str, str, str]:
    """Return who made a version, and its numbers of users, items and pairs."""
    if metadata is None:
        return "?", "?", "?", "?"
    users, items, pairs = (f"{metadata.counts[name]:,}" for name in ("users", "media", "pairs"))
    return metadata.provenance.made_by, users, items, pairs


@models.command(epilog=epilog("models show 20261120T031502.104833Z"))
@click.argument("version")
def show(*, version: str) -> None:
    """Show how VERSION was made, from which data, and how good it is."""
    folder = _folder()
    ref = find_version(folder, version)
    stored = next(each for each in list_versions(folder) if each.ref == ref)
    lines = [("version", ref.version), ("model", ref.model), ("in use", _role(stored) or "no")]
    if stored.fault is not None:
        lines.append(("fault", stored.fault))
    if stored.metadata is not None:
        lines += _facts(stored.metadata)
    for line in columns([(name, value) for name, value in lines if value]):
        click.echo(line)


def _facts(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """Yield labels and values of a version's metadata."""
    provenance, fingerprint = metadata.provenance, metadata.fingerprint
    yield "built at", metadata.built_at
    yield "made by", provenance.made_by + (f" on {metadata.host}" if metadata.host else "")
    if provenance.run is not None:
        yield "training run", str(provenance.run)
    yield "code version", metadata.code_version
    for name, value in metadata.hyperparameters.items():
        yield "hyperparameter", f"{name} = {value}"
    if provenance.blend is not None:
        weights, content = provenance.blend.weights, provenance.blend.content
        yield "weights", f"{weights.content:g} content ({content}), {weights.collaborative:g} collaborative"
    for name, (mean, low, high) in provenance.metrics.items():
        yield name, f"{mean:.4f} ({low:.4f} to {high:.4f})"
    for name, count in metadata.counts.items():
        yield name.replace("_", " "), f"{count:,}"
    yield "window from", metadata.window_start
    if fingerprint.first_at is not None:
        yield "interactions", f"{fingerprint.first_at} to {fingerprint.last_at}"
    yield "checksum of ids", fingerprint.ids_checksum
    if metadata.shrinkage_accepted:
        yield "shrinkage", "accepted"


@models.command(name="promote", epilog=epilog("models promote 20261120T031502.104833Z"))
@click.argument("version")
@click.option(
    "--accept-shrinkage",
    is_flag=True,
    help="Promote even if it has far fewer users or media than the current version.",
)
def promote_command(*, version: str, accept_shrinkage: bool) -> None:
    """Make VERSION current: for its model and for MODEL=auto."""
    settings = load_settings()
    folder = settings.models.model_path
    ref = find_version(folder, version)
    promote(folder, ref, shrinkage_accepted=accept_shrinkage)
    click.echo(f"{ref} is current. {_effect(settings, ref)}")
    record_current(settings.databases.recommendation_url, folder, ref, warn)


@models.command(name="rollback", epilog=epilog("models rollback"))
def rollback_command() -> None:
    """Make the previous version current again; twice goes back two."""
    settings = load_settings()
    folder = settings.models.model_path
    ref = rollback(folder)
    click.echo(f"{ref} is current again. {_effect(settings, ref)}")
    record_current(settings.databases.recommendation_url, folder, ref, warn)


@models.command(name="prune", epilog=epilog("models prune", "models prune --keep 1"))
@click.option(
    "--keep", type=click.IntRange(min=0), help="Versions to keep of each model, instead of KEPT_VERSIONS."
)
def prune_command(*, keep: int | None) -> None:
    """Remove old versions.

    The current versions, the previously current one, and the latest of each model stay. A model in training
    is not touched.
    """
    settings = load_settings()
    folder = settings.models.model_path
    removed = prune(folder, settings.models.kept_versions if keep is None else keep)
    for ref in removed:
        click.echo(f"Removed {ref}.")
    if not removed:
        click.echo("There is nothing to remove.")
    record_removed(settings.databases.recommendation_url, folder, removed, warn)


@models.command(epilog=epilog("models history", "models history 12"))
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option(
    "--limit", type=click.IntRange(min=1), default=_SHOWN_RUNS, show_default=True, help="Runs to list."
)
def history(*, number: int | None, limit: int) -> None:
    """List training runs, newest first, or show one run.

    For run NUMBER: what it compared, and why its model was chosen.
    """
    folder = _folder()
    if number is None:
        _show_runs(list(read_runs(folder, limit)))
        return
    run = read_run(folder, number)
    if run is None:
        raise click.BadParameter(
            f"there is no record of run {number}; `{PROGRAM} models history` lists all",
            param_hint="NUMBER",
        )
    _show_run(run)


def _show_runs(runs: Sequence[TrainingRun]) -> None:
    if not runs:
        click.echo("No training run is recorded.")
        return
    rows = [
        (
            str(run.number),
            run.started_at[:_TIME_CHARACTERS],
            run.trigger.value,
            run.outcome.value,
            f"{run.champion or '-'} → {run.chosen or '-'}",
            _with_interval(run.measured_chosen),
            run.reason,
        )
        for run in runs
    ]
    metric = next((run.metric for run in runs if run.metric), "metric")
    _print_table(("run", "began at", "because of", "outcome", "champion → chosen", metric, "why"), rows)


def _show_run(run: TrainingRun) -> None:
    facts = [
        ("run", str(run.number)),
        ("began at", run.started_at),
        ("ended at", run.ended_at),
        ("because of", run.trigger.value),
        ("outcome", run.outcome.value),
        ("why", run.reason),
        ("champion", run.champion or ""),
        ("chosen", run.chosen or ""),
        ("published", f"{run.model} {run.version}" if run.version else ""),
        ("compared on", run.split or ""),
        ("compared for", "" if run.users is None else f"{run.users:,} users"),
        ("data", ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in run.counts.items())),
        ("checksum of ids", "" if run.fingerprint is None else run.fingerprint.ids_checksum),
        ("code version", run.code_version),
        ("host", run.host),
    ]
    for line in columns([fact for fact in facts if fact[1]]):
        click.echo(line)
    if run.compared:
        click.echo()
        rows = [_compared(each) for each in run.compared]
        _print_table(
            ("variant", run.metric or "metric", "against the champion", "model", "weights", ""), rows
        )
    if run.searched:
        click.echo(f"\nTried on the time before that: {run.tried}, the best of them:")
        found = [
            (each.name, f"{each.mean:.4f}", _with_interval(each.against_popularity, "+.4f"))
            for each in run.searched
        ]
        _print_table(("variant", run.metric or "metric", "against popularity"), found)
    if run.left_out:
        click.echo("\nNot tried:")
        for reason in run.left_out:
            click.echo(f"  {reason}")


def _compared(each: ComparedVariant) -> tuple[str, ...]:
    weights = f"{each.content_weight:g} {each.content} / {each.collaborative_weight:g}"
    against = _with_interval(each.against_champion, "+.4f")
    return each.name, _with_interval(each.metric), against, each.model or "-", weights, each.refused or ""


def _with_interval(found: MetricInterval | None, form: str = ".4f") -> str:
    if found is None:
        return "-"
    return f"{found.mean:{form}} ({found.low:{form}} to {found.high:{form}})"


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    for line in columns([head, *rows]):
        click.echo(line)
