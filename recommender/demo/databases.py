"""The demo's own databases: an embedded server, filled once and kept fresh."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recommender.databases.loading import WritableDatabase, create_databases
from recommender.demo.embedded import database_urls, embedded_server, server_url
from recommender.demo.generate import DEMO_SEED, DemoSize, generate
from recommender.demo.load import load_demo
from recommender.demo.progress import Progress
from recommender.domain import DatabaseName

# Goes up when the generated data or the tables change, so that old demo folders are made anew.
_DEMO_VERSION = 1
_STALE_AFTER = timedelta(hours=12)


@contextmanager
def demo_databases(folder: Path, progress: Progress) -> Iterator[Mapping[DatabaseName, str]]:
    """URLs of the three demo databases, on a server that stops at the end.

    Raises:
        LoadError: the server does not start, or refuses the data.
    """
    marker = folder / "demo.json"
    wanted = {"version": _DEMO_VERSION, "seed": DEMO_SEED}
    data_folder = folder / "postgres"
    complete = marker.exists() and json.loads(marker.read_text()) == wanted
    if not complete and data_folder.exists():
        # An older demo, or one whose loading was broken off.
        shutil.rmtree(data_folder)
    with embedded_server(data_folder) as server:
        urls = database_urls(server)
        now = datetime.now(UTC).replace(tzinfo=None)
        if complete:
            _keep_fresh(urls, now)
        else:
            create_databases(server_url(server, "postgres"))
            load_demo(urls, generate(DemoSize(), DEMO_SEED, now), progress)
            marker.write_text(json.dumps(wanted))
        yield urls


def _keep_fresh(urls: Mapping[DatabaseName, str], now: datetime) -> None:
    """Move the demo's interactions up to now, lest they age out of the window."""
    name = DatabaseName.ENGAGEMENT
    with WritableDatabase(name, urls[name]) as database:
        (latest_at,) = database.fetch_row("fetch_latest_interaction")
        age = now - latest_at
        if age > _STALE_AFTER:
            database.execute("shift_interactions", shift_seconds=age.total_seconds())
            database.execute("vacuum_tables")
