"""The demo's databases on an embedded server, filled once and kept recent."""

import fcntl
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recommender.databases.loading import WritableDatabase, create_databases
from recommender.demo.embedded import database_urls, embedded_server, server_url
from recommender.demo.generate import DEMO_SEED, DEMO_SIZE, DemoSize, generate
from recommender.demo.load import load_demo
from recommender.demo.progress import ProgressBar
from recommender.entities import DatabaseName
from recommender.errors import LoadError

logger = logging.getLogger(__name__)

# Raise it when the generated data or the tables change, so that old demo folders are rebuilt.
_DEMO_VERSION = 3
_WANTED = {"version": _DEMO_VERSION, "seed": DEMO_SEED}
_MARKER = "demo.json"
_STALE_AFTER = timedelta(hours=12)


@contextmanager
def demo_databases(
    folder: Path, progress: ProgressBar, size: DemoSize = DEMO_SIZE
) -> Iterator[Mapping[DatabaseName, str]]:
    """Yield the URLs of the three demo databases on an embedded server; missing ones are made in this size.

    Raises:
        LoadError: the server does not start or rejects the data, or the demo did not make the folder.
    """
    data_folder = folder / "postgres"
    with ExitStack() as stack:
        with _preparing(folder):
            complete = _discard_unless_complete(folder, data_folder)
            server = stack.enter_context(embedded_server(data_folder))
            urls = database_urls(server)
            now = datetime.now(UTC).replace(tzinfo=None)
            if complete:
                _keep_fresh(urls, now)
            else:
                create_databases(server_url(server, "postgres"))
                load_demo(urls, generate(size, DEMO_SEED, now), progress)
                _write_marker(folder, complete=True)
        yield urls


@contextmanager
def _preparing(folder: Path) -> Iterator[None]:
    """Hold a lock: a second start waits until the first has loaded the demo."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as exc:
        raise LoadError(f"DEMO_PATH: {folder} cannot be written: {exc.strerror}") from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("waiting while another process loads the demo")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _discard_unless_complete(folder: Path, data_folder: Path) -> bool:
    """Return whether this version of the demo is there; remove an older or incomplete one.

    Raises:
        LoadError: the demo did not make the folder.
    """
    marker = folder / _MARKER
    if data_folder.exists() and not marker.exists():
        raise LoadError(f"{data_folder} was not made by the demo; set DEMO_PATH to another folder")
    if marker.exists() and _read_marker(marker) == {**_WANTED, "complete": True}:
        return True
    shutil.rmtree(data_folder, ignore_errors=True)
    _write_marker(folder, complete=False)
    return False


def _read_marker(marker: Path) -> object:
    """Return what a marker holds; None if that is damaged, so that the demo counts as incomplete."""
    try:
        return json.loads(marker.read_bytes())
    except ValueError:
        return None


def _write_marker(folder: Path, *, complete: bool) -> None:
    draft = folder / f".{_MARKER}"
    draft.write_text(json.dumps({**_WANTED, "complete": complete}))
    # At once: the process may be killed at any moment.
    draft.replace(folder / _MARKER)


def _keep_fresh(urls: Mapping[DatabaseName, str], now: datetime) -> None:
    """Move the demo's interactions up to now, so that they stay in the window."""
    name = DatabaseName.ENGAGEMENT
    with WritableDatabase(name, urls[name]) as database:
        (latest_at,) = database.fetch_row("fetch_latest_interaction")
        if latest_at is None:
            # The table was emptied.
            return
        age = now - latest_at
        if age > _STALE_AFTER:
            database.execute("shift_interactions", shift_seconds=age.total_seconds())
            database.execute("vacuum_tables")
