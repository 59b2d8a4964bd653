"""The demo's databases: an embedded server, filled once, kept fresh, with progress shown."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recommender.databases.loading import WritableDatabase, create_databases
from recommender.demo.embedded import database_urls, embedded_server, server_url
from recommender.demo.generate import DemoData, DemoSize, generate
from recommender.demo.progress import Progress
from recommender.domain import DatabaseName

Row = Sequence[object]

# Goes up when the generated data or the tables change, so that old demo folders are made anew.
_DEMO_VERSION = 1
_SEED = 20_231
_STALE_AFTER = timedelta(hours=12)


@contextmanager
def demo_databases(folder: Path, progress: Progress) -> Iterator[Mapping[DatabaseName, str]]:
    """URLs of the three demo databases, on a server that stops at the end.

    Raises:
        LoadError: the server does not start, or refuses the data.
    """
    marker = folder / "demo.json"
    wanted = {"version": _DEMO_VERSION, "seed": _SEED}
    data_folder = folder / "postgres"
    complete = marker.exists() and json.loads(marker.read_text()) == wanted
    if not complete and data_folder.exists():
        # An older demo, or one whose loading was broken off.
        shutil.rmtree(data_folder)
    with embedded_server(data_folder) as server:
        urls = database_urls(server)
        now = datetime.now(UTC).replace(tzinfo=None)
        if not complete:
            create_databases(server_url(server, "postgres"))
            load_demo(urls, generate(DemoSize(), _SEED, now), progress)
            marker.write_text(json.dumps(wanted))
        else:
            _keep_fresh(urls, now)
        yield urls


def load_demo(urls: Mapping[DatabaseName, str], data: DemoData, progress: Progress) -> None:
    """Create tables, rows and indexes in three empty databases.

    Raises:
        LoadError: PostgreSQL refuses.
    """
    tables: dict[DatabaseName, list[tuple[str, str, list[Row]]]] = {
        DatabaseName.USER: [
            ("copy_user_preferences", "users", data.user_preferences),
            ("copy_user_genres", "preferences", data.user_genres),
        ],
        DatabaseName.CATALOG: [
            ("copy_media", "media", data.media),
            ("copy_media_genres", "genres of media", data.media_genres),
        ],
        DatabaseName.ENGAGEMENT: [("copy_interactions", "interactions", data.interactions)],
    }
    for name, steps in tables.items():
        with WritableDatabase(name, urls[name]) as database:
            database.create_tables()
            for query_name, label, rows in steps:
                database.copy(query_name, progress(rows, label, len(rows)))
            database.create_indexes()


def _keep_fresh(urls: Mapping[DatabaseName, str], now: datetime) -> None:
    """Move the demo's interactions up to now, lest they age out of the window."""
    name = DatabaseName.ENGAGEMENT
    with WritableDatabase(name, urls[name]) as database:
        (latest_at,) = database.fetch_row("fetch_latest_interaction")
        age = now - latest_at
        if age > _STALE_AFTER:
            database.execute("shift_interactions", shift_seconds=age.total_seconds())
            database.execute("vacuum_tables")
