"""`check`: find what in the databases keeps the service from working well."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, groupby

import click

from config.setting_types import SettingsError
from config.settings import Settings, load_settings, misspelled_variables
from recommender.cli.epilog import epilog
from recommender.cli.output import plain_lines, quiet
from recommender.configured import configured_experiments, refuse_unknown_model
from recommender.diagnostics.check import check_databases
from recommender.diagnostics.findings import Finding, Level, exit_status
from recommender.domains.declaration import with_own_attributes
from recommender.domains.media import MEDIA
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError

_UNUSABLE = 2


@click.command(
    epilog=epilog(
        "check",
        "check --json",
        statuses={
            0: "no errors and no warnings",
            1: "there are warnings",
            2: "the service cannot work, or lacks a database",
        },
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def check(*, as_json: bool) -> int:
    """Check the databases: what is wrong, and what to do.

    Run it before the first start, after a change to a database, and when answers seem wrong or slow. It only
    reads.
    """
    try:
        settings = load_settings()
        # Fail first if no databases are configured.
        settings.databases.url(DatabaseName.USER)
        domain = with_own_attributes(MEDIA, settings.catalog.attributes_path)
    except SettingsError as exc:
        if as_json:
            return _show_json(list(_wrong_settings(exc)))
        click.echo(f"Error: {exc}", err=True)
        return _UNUSABLE
    # The findings say what the driver would log about failed connections and sessions.
    with quiet("psycopg", "recommender"):
        in_databases = check_databases(
            settings.databases, settings.http, settings.ranking, settings.interaction_types, domain
        )
        findings = chain(_misspelled_settings(), _refusals_of_a_start(settings), in_databases)
        return _show_json(list(findings)) if as_json else _show_table(findings)


def _wrong_settings(exc: SettingsError) -> Iterator[Finding]:
    """Yield an error for each line of the message, which may begin with the name of a setting."""
    for line in str(exc).splitlines():
        variable, _, means = line.partition(": ")
        if variable not in Settings.variables():
            variable, means = "settings", line
        yield Finding(Level.ERROR, "service", variable, means, "Correct the setting.")


def _misspelled_settings() -> Iterator[Finding]:
    for variable, setting in misspelled_variables().items():
        means = f"is no setting and has no effect; the nearest is {setting}"
        to_do = f"Rename it to {setting}, unless another program reads it."
        yield Finding(Level.WARNING, "service", variable, means, to_do)


def _refusals_of_a_start(settings: Settings) -> Iterator[Finding]:
    """Yield an error for each setting with which the service would not start."""
    try:
        refuse_unknown_model(settings.models.model)
    except ConfigurationError as exc:
        yield Finding(Level.ERROR, "service", "MODEL", str(exc), "Correct MODEL.")
    try:
        configured_experiments(settings.experiments)
    except ConfigurationError as exc:
        to_do = "Correct the file, or the setting that is named."
        yield Finding(Level.ERROR, "service", "experiments", str(exc), to_do)


def _show_json(findings: list[Finding]) -> int:
    status = exit_status(findings)
    shown = {"status": status, "findings": [asdict(finding) for finding in findings]}
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    return status


def _show_table(findings: Iterable[Finding]) -> int:
    """Print each finding as it is made: the data of a large database take a minute."""
    shown: list[Finding] = []
    for database, group in groupby(findings, key=lambda finding: finding.database):
        click.echo(database)
        for finding in group:
            click.echo(plain_lines(f"  {finding.level:<8} {finding.about}: {finding.means}"))
            if finding.to_do:
                click.echo(plain_lines(f"           → {finding.to_do}"))
            shown.append(finding)
    counts = [f"{level}: {sum(f.level == level for f in shown)}" for level in ("error", "warning", "ok")]
    click.echo(", ".join(counts))
    return exit_status(shown)
