"""`migrate`: create or remove the tables of recommendation_db."""

from collections.abc import Callable

import click

from config.setting_types import how_to_install
from config.settings import load_settings
from recommender.cli.epilog import epilog

_STATUSES = {
    0: "done",
    1: "RECOMMENDATION_DB_URL is not set, or PostgreSQL rejects the change",
    2: "the command is wrong",
}


@click.group(epilog=epilog("migrate up", "migrate down", statuses=_STATUSES))
def migrate() -> None:
    """Create or remove the tables of RECOMMENDATION_DB_URL.

    The database itself must exist. The app's three databases are not touched.
    """


@migrate.command(epilog=epilog("migrate up"))
def up() -> None:
    """Create missing tables; safe to repeat."""
    click.echo(_summary(_run("up"), "made"))


@migrate.command(epilog=epilog("migrate down"))
def down() -> None:
    """Remove all tables and their data."""
    click.echo(_summary(_run("down"), "reverted"))


def _run(direction: str) -> list[str]:
    url = load_settings().databases.recommendation_url
    if url is None:
        raise click.ClickException("RECOMMENDATION_DB_URL is not set: there is nothing to migrate.")
    try:
        # The service does not require yoyo.
        from recommender.databases import migrations  # noqa: PLC0415 - see above
    except ImportError:
        raise click.UsageError(f"migrate needs yoyo: `{how_to_install('recommendation-db')}`.") from None
    run: Callable[[str], list[str]] = migrations.migrate_up if direction == "up" else migrations.migrate_down
    return run(url)


def _summary(names: list[str], done: str) -> str:
    return f"Migrations {done}: {', '.join(names)}." if names else "There is nothing to do."
