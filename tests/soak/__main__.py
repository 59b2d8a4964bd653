"""`make soak`: prints the numbers of requests, faults and errors. Exit status 1 for any wrong answer."""

import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from recommender.databases.connection_counts import BACKGROUND_CONNECTIONS
from recommender.demo.generate import generate
from tests.soak.data import HEAVY_USER, WINDOW_DAYS, SoakData, add_heavy_user
from tests.soak.expectations import Expectations
from tests.soak.faults import Faults, Kind, rounds
from tests.soak.load import Load
from tests.soak.servers import Servers, three_servers
from tests.soak.training import Training
from tests.soak.wall_clock import WallClock
from tests.support.clients import NO_CAPS
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.made_up import SMALL

_USERS = 40
_UNKNOWN_USER = "dddddddd-0000-4000-8000-000000000001"
_CLIENTS = 4
_POOL_SIZE = 6
_WARM_UP_S = 5.0
# Allowed growth of a worker's memory: caches fill, and allocators keep freed memory.
_GROWTH = 1.25
# Allowed time of a GET while a table is locked: a multiple of the usual time, plus time for the first
# requests, which notice the lock, on a busy machine.
_LOCKED_TIMES, _LOCKED_SLACK_S = 2.0, 0.25
_SETTINGS = {
    **NO_CAPS,
    "INTERACTION_WINDOW_DAYS": str(WINDOW_DAYS),
    "POOL_SIZE": str(_POOL_SIZE),
    # Short, so that an index is loaded during every fault.
    "CATALOG_REFRESH_SECONDS": "2",
}


@click.command()
@click.option("--seconds", type=click.IntRange(min=10), default=600, show_default=True)
@click.option("--training/--no-training", default=True, help="Train all the while.")
def main(seconds: int, *, training: bool) -> None:
    """Load the service for some seconds, and for at least one round of faults."""
    generated = generate(SMALL, seed=11, now=datetime.now(UTC).replace(tzinfo=None))
    with (
        tempfile.TemporaryDirectory(prefix="marquee-", ignore_cleanup_errors=True) as folder,
        three_servers(Path(folder), generated) as servers,
    ):
        add_heavy_user(servers.urls)
        data = SoakData(servers.urls)
        reference = data.settled
        known = [user for user in reference.users if len(reference.seen[user]) < 100]
        users = [*known[:_USERS], _UNKNOWN_USER]
        expectations = Expectations(data, [*users, HEAVY_USER])
        clock = WallClock(Path(folder))
        if os.environ.get("CI") and not clock.can_step:
            sys.exit("The clock cannot be stepped without a C compiler, and CI leaves nothing out.")
        with running_gunicorn(servers.urls, LOG_LEVEL="ERROR", **_SETTINGS, **clock.variables) as server:
            load = Load(server, users, expectations, _CLIENTS)
            faults = Faults(servers, server, clock, data, expectations, load)
            window = {"INTERACTION_WINDOW_DAYS": str(WINDOW_DAYS)}
            models = Path(folder) / "models"
            trainings = Training(servers.urls, models, {**window, **clock.variables}) if training else None
            sys.exit(soak(faults, seconds, trainings))


def soak(faults: Faults, seconds: int, training: Training | None = None) -> int:
    """Run and report. Return exit status 1 for any unexpected result."""
    server, load = faults.server, faults.load
    load.start()
    # Make each request once before the first fault.
    time.sleep(_WARM_UP_S)
    workers, memory = set(server.workers()), _memory_mb(server)
    if training is not None:
        training.start()
    _break_for(faults, seconds)
    load.stop()
    if training is not None:
        training.stop()
    grown = _memory_mb(server)
    problems = [*faults.problems, *load.tally.violations, *_incomplete_answers(faults)]
    if set(server.workers()) != workers:
        problems.append("a worker died")
    problems += _too_many_connections(faults.servers, len(workers))
    if training is not None:
        problems += training.problems()
        _show("trainings", training.outcomes())
    if grown > memory * _GROWTH:
        problems.append(f"memory of the workers grew from {memory:.0f} to {grown:.0f} MB")
    _show("faults", Counter(fault.kind for fault in faults.made))
    if not faults.clock.can_step:
        click.echo(f"left out: {Kind.CLOCK_STEPPED}, which takes Linux and a C compiler")
    click.echo(f"memory of the workers: {memory:.0f} MB, then {grown:.0f} MB")
    problems += _report_locks(faults)
    _show("requests", load.tally.counts("kind"))
    _show("answers", load.tally.counts("outcome"))
    click.echo(f"errors: {len(problems)}")
    for problem in problems[:20]:
        click.echo(f"  {problem}")
    return 1 if problems else 0


def _break_for(faults: Faults, seconds: int) -> None:
    """Make every fault once, and go on for some seconds."""
    ends_at = time.monotonic() + seconds
    for number, round_ in enumerate(rounds()):
        for fault in round_:
            if not number or time.monotonic() < ends_at:
                faults.make(fault)
        if time.monotonic() >= ends_at:
            return


def _incomplete_answers(faults: Faults) -> Iterator[str]:
    """Return answers that lacked data while no database was broken."""
    for stretch in faults.calm:
        for outcome, count in faults.load.tally.incomplete(*stretch).items():
            yield f"{count} answers {outcome} while nothing was broken"


def _too_many_connections(servers: Servers, workers: int) -> Iterator[str]:
    for name, count in servers.connections().items():
        # Connections of requests, of background work, and of one probe.
        allowed = workers * (_POOL_SIZE + BACKGROUND_CONNECTIONS.get(name, 0) + 1)
        if count > allowed:
            yield f"{count} connections to {name}, {allowed} allowed"


def _report_locks(faults: Faults) -> list[str]:
    """Print how long a GET took while a table was locked. Return the cases that took too long."""
    tally, problems = faults.load.tally, []
    normal = tally.median_seconds(faults.calm)
    allowed = _LOCKED_TIMES * normal + _LOCKED_SLACK_S
    found = []
    for name, stretches in itertools.groupby(sorted(faults.locked), key=lambda locked: locked[0]):
        median = tally.median_seconds(stretch[1:] for stretch in stretches)
        found.append(f"{name} {median * 1000:.0f} ms")
        if median > allowed:
            problems.append(f"{name} locked: a GET took {median:.2f} s, {allowed:.2f} s allowed")
    click.echo(f"GET, median: {normal * 1000:.0f} ms; while locked: {', '.join(found)}")
    return problems


def _memory_mb(server: GunicornServer) -> float:
    return sum(worker.memory_info().rss for worker in server.workers().values()) / 1e6


def _show(title: str, counts: Mapping[str, int]) -> None:
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    click.echo(f"{title}: {sum(counts.values())} ({parts})")


if __name__ == "__main__":
    main()
