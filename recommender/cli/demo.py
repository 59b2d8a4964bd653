"""`demo`: fill your own databases with generated data."""

from datetime import UTC, datetime

import click

from config.settings import load_settings
from recommender.cli.epilog import epilog
from recommender.cli.progress import show_progress
from recommender.demo.generate import DEMO_SEED, DEMO_SIZE, generate
from recommender.demo.load import holds_data, load_demo
from recommender.entities import DatabaseName


@click.command(epilog=epilog("demo", "demo --if-empty", "demo --replace"))
@click.option("--replace", is_flag=True, help="Delete all data of the databases first.")
@click.option("--if-empty", is_flag=True, help="Do nothing if the databases already hold data.")
def demo(*, replace: bool, if_empty: bool) -> None:
    """Fill the configured databases with demo data.

    To try the service on a PostgreSQL of your own, with generated data instead of an app's. Missing tables
    and indexes are created. `serve` makes the same data if no databases are configured.
    """
    settings = load_settings()
    urls = {name: settings.databases.url(name) for name in DatabaseName}
    if if_empty and holds_data(urls):
        click.echo("The databases already hold data: nothing is loaded.")
        return
    data = generate(DEMO_SIZE, DEMO_SEED, datetime.now(UTC).replace(tzinfo=None))
    load_demo(urls, data, show_progress, replace=replace)
    click.echo(
        f"Loaded {len(data.user_preferences):,} users, {len(data.items):,} media and "
        f"{len(data.interactions):,} interactions."
    )
