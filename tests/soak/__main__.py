"""`make soak`: prints how many requests, faults and errors there were; exit status 1 for any wrong answer."""

import itertools
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from recommender.demo.generate import generate
from recommender.domain import DatabaseName
from tests.conftest import SMALL
from tests.soak.expectations import Expectations
from tests.soak.load import Load
from tests.soak.servers import FAULTS, Servers, three_servers
from tests.support.clients import NO_CAPS
from tests.support.gunicorn import GunicornServer, running_gunicorn
from tests.support.reference import Reference

_USERS = 40
_CLIENTS = 4
_POOL_SIZE = 6
_RECOVERY_S = 5.0
# What a worker's memory may grow by: caches fill, and allocators keep what they had.
_GROWTH = 1.25


@click.command()
@click.option("--seconds", type=click.IntRange(min=10), default=600, show_default=True)
def main(seconds: int) -> None:
    """Load the service for so long, and break its databases in turn."""
    data = generate(SMALL, seed=11, now=datetime.now(UTC).replace(tzinfo=None))
    with (
        tempfile.TemporaryDirectory(prefix="marquee-", ignore_cleanup_errors=True) as folder,
        three_servers(Path(folder), data) as servers,
    ):
        reference = Reference(servers.urls, window_days=0)
        users = [user for user in reference.users if len(reference.seen[user]) < 100][:_USERS]
        expectations = Expectations(reference, users)
        variables = {**NO_CAPS, "INTERACTION_WINDOW_DAYS": "0", "POOL_SIZE": str(_POOL_SIZE)}
        with running_gunicorn(servers.urls, LOG_LEVEL="ERROR", **variables) as server:
            sys.exit(soak(servers, server, Load(server, users, expectations, _CLIENTS), seconds))


def soak(servers: Servers, server: GunicornServer, load: Load, seconds: int) -> int:
    """Run and report; 1 where anything was not as promised."""
    load.start()
    # Everything is asked for once before anything breaks.
    time.sleep(_RECOVERY_S)
    workers, memory = set(server.workers()), _memory_mb(server)
    problems, faults = [], 0
    ends_at = time.monotonic() + seconds
    for fault, name in itertools.cycle(itertools.product(FAULTS, DatabaseName)):
        if time.monotonic() >= ends_at:
            break
        servers.break_and_mend(name, fault)
        faults += 1
        if not _recovers(server, load.users):
            problems.append(f"not itself again {_RECOVERY_S:.0f} s after {name} was {fault}")
    load.stop()
    problems += load.tally.violations
    if set(server.workers()) != workers:
        problems.append("a worker died")
    for name, count in servers.connections().items():
        allowed = len(workers) * (_POOL_SIZE + 1)
        if count > allowed:
            problems.append(f"{count} connections to {name}, {allowed} allowed")
    grown = _memory_mb(server)
    if grown > memory * _GROWTH:
        problems.append(f"memory of the workers grew from {memory:.0f} to {grown:.0f} MB")
    click.echo(f"faults: {faults}; memory of the workers: {memory:.0f} MB, then {grown:.0f} MB")
    _show("requests", load.tally.kinds)
    _show("answers", load.tally.outcomes)
    click.echo(f"errors: {len(problems)}")
    for problem in problems[:20]:
        click.echo(f"  {problem}")
    return 1 if problems else 0


def _recovers(server: GunicornServer, users: list[str]) -> bool:
    """Whether every worker answers completely before the time is over: they are met by asking often."""
    deadline = time.monotonic() + _RECOVERY_S
    in_a_row = 0
    while in_a_row < 10 and time.monotonic() < deadline:
        answer = server.get(f"/api/recommendations/{users[0]}")
        in_a_row = in_a_row + 1 if answer.status == 200 and not answer.body["degraded"] else 0
    return in_a_row == 10


def _memory_mb(server: GunicornServer) -> float:
    return sum(worker.memory_info().rss for worker in server.workers().values()) / 1e6


def _show(title: str, counts: Mapping[str, int]) -> None:
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    click.echo(f"{title}: {sum(counts.values())} ({parts})")


if __name__ == "__main__":
    main()
