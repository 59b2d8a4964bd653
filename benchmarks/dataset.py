"""`python -m benchmarks.dataset --interactions N`: databases for benchmarks, kept between runs."""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.population import Population
from config.setting_types import ROOT
from recommender.databases.loading import create_databases
from recommender.demo.embedded import database_urls, embedded_server, server_url
from recommender.demo.progress import Row
from recommender.demo.target import LoadTarget
from recommender.entities import DatabaseName

SMALL, LARGE, HUGE = 600_000, 20_000_000, 100_000_000
BENCH_FOLDER = ROOT / ".bench"
BENCH_SQL = Path(__file__).parent / "sql"

_MARKER = "dataset.json"
_VERSION = 3
_SEED = 4_711
_BLOCK_ROWS = 100_000
_SAMPLED_USERS = 20_000
# A row of the table and its entries in three indexes.
_BYTES_AN_INTERACTION = 300
# The rows of a user, and the list of 100 items that one of the peers reads.
_BYTES_A_USER = 15_000
# The write-ahead log grows to about max_wal_size below.
_BYTES_OF_LOG = 16 * 2**30

# Sized for the largest data set. Durability is off: no benchmark crashes the server.
_SERVER_SETTINGS = {
    "shared_buffers": "4GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


@dataclass(frozen=True, slots=True)
class BenchmarkData:
    """A running server with the data.

    `user_ids`: a random sample of users with interactions. `folder`: for files derived from the data.
    `postgres_pid`: process id of the postmaster.
    """

    urls: Mapping[DatabaseName, str]
    interactions: int
    user_ids: Sequence[str]
    heaviest_user_id: str
    folder: Path
    postgres_pid: int


def no_progress(rows: Iterable[Row], label: str, length: int) -> Iterable[Row]:  # noqa: ARG001 - see the protocol
    """Show no progress, as a `ProgressBar` of loads that take seconds."""
    return rows


@contextmanager
def benchmark_data(interactions: int, items: int | None = None) -> Iterator[BenchmarkData]:
    """Yield databases with that number of interactions, created on first use, which may take minutes.

    `items`: number of items; by default it follows the interactions (`size_of`).
    """
    folder = BENCH_FOLDER / (str(interactions) if items is None else f"{interactions}-{items}")
    held = _held(folder, interactions)
    if held is None:
        shutil.rmtree(folder, ignore_errors=True)
        require_room(folder, interactions, size_of(interactions)[0])
        held = _wanted(interactions) | _make(folder / "postgres", interactions, items)
        (folder / _MARKER).write_text(json.dumps(held))
    with embedded_server(folder / "postgres") as server:
        yield BenchmarkData(
            database_urls(server),
            interactions,
            held["user_ids"],
            held["heaviest_user_id"],
            folder,
            server.get_postmaster_info().pid,
        )


def require_data_or_room(interactions: int) -> None:
    """Require that the data exists or the disk has room for it.

    Raises:
        ClickException: as `require_room`.
    """
    folder = BENCH_FOLDER / str(interactions)
    if _held(folder, interactions) is None:
        require_room(folder, interactions, size_of(interactions)[0])


def _wanted(interactions: int) -> dict[str, Any]:
    return {"version": _VERSION, "seed": _SEED, "interactions": interactions}


def _held(folder: Path, interactions: int) -> dict[str, Any] | None:
    """Return the description of a folder's data; None if it is incomplete or of another version."""
    marker, wanted = folder / _MARKER, _wanted(interactions)
    held: dict[str, Any] = json.loads(marker.read_text()) if marker.exists() else {}
    return held if {key: held.get(key) for key in wanted} == wanted else None


def disk_bytes(interactions: int, users: int) -> int:
    """Return about how many bytes of disk the databases take, with the peers' tables and the write-ahead log.

    The constants were measured at 0.6 and 20 million interactions.
    """
    log = min(_BYTES_OF_LOG, interactions * _BYTES_AN_INTERACTION)
    return interactions * _BYTES_AN_INTERACTION + users * _BYTES_A_USER + log


def require_room(folder: Path, interactions: int, users: int) -> None:
    """Require that the disk has room for the databases.

    Raises:
        ClickException: there is less room than they take; the message has both figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = disk_bytes(interactions, users), shutil.disk_usage(folder).free
    about = f"{interactions:,} interactions take about {needed / 1e9:.1f} GB of disk"
    if free < needed:
        raise click.ClickException(f"{about}, and {folder} has {free / 1e9:.1f} GB free.")
    click.echo(f"{about}; {free / 1e9:.1f} GB are free.", err=True)


def size_of(interactions: int) -> tuple[int, int]:
    """Return the numbers of users and items that go with a number of interactions."""
    if interactions == HUGE:
        return 1_000_000, 100_000
    share = np.log(interactions / SMALL) / np.log(LARGE / SMALL)
    return round(6_000 * (138_000 / 6_000) ** share), round(4_000 * (27_000 / 4_000) ** share)


def _make(data_folder: Path, interactions: int, wanted_items: int | None) -> dict[str, object]:
    users, items = size_of(interactions)
    items = wanted_items or items
    click.echo(f"Drawing {interactions:,} interactions of {users:,} users with {items:,} media …", err=True)
    population = Population(_SEED, users, items, interactions)
    with embedded_server(data_folder) as server:
        create_databases(server_url(server, "postgres"))
    with (data_folder / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in _SERVER_SETTINGS.items())
    with embedded_server(data_folder) as server, LoadTarget(database_urls(server)) as target:
        _fill(population, target)
    rng = np.random.default_rng(_SEED)
    active = np.flatnonzero(population.has_history)
    sample = rng.choice(active, size=min(_SAMPLED_USERS, len(active)), replace=False)
    return {
        "user_ids": [population.user_id(int(user_idx)) for user_idx in sample],
        "heaviest_user_id": population.user_id(0),
    }


def _fill(population: Population, target: LoadTarget) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    with target.replacing(replace=False):
        target.user_db.copy("copy_user_preferences", population.preference_rows())
        target.user_db.copy("copy_user_genres", population.user_genre_rows())
        target.catalog_db.copy("copy_media", population.item_rows(now))
        target.catalog_db.copy("copy_media_genres", population.item_genre_rows())
        blocks = population.interaction_blocks(now, _BLOCK_ROWS)
        target.engagement_db.copy_blocks("copy_interactions_binary", _shown(blocks, population))
        click.echo("Creating indexes and collecting statistics …", err=True)


def _shown(blocks: Iterable[bytes], population: Population) -> Iterator[bytes]:
    length = -(-population.interactions // _BLOCK_ROWS) + 2
    with click.progressbar(blocks, length=length, label="Loading interactions", file=sys.stderr) as bar:
        yield from bar


@click.command()
@click.option("--interactions", type=click.IntRange(min=10_000), default=SMALL, show_default=True)
def main(interactions: int) -> None:
    """Create databases with N interactions under .bench/, unless they exist."""
    started = time.monotonic()
    with benchmark_data(interactions) as data:
        click.echo(f"{data.interactions:,} interactions are ready after {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
