"""After how long without an answer of the other host a connection ends, which the kernel decides."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from recommender.databases.connections import Connector, Purpose, connect_to_write
from recommender.databases.queries import SQL_ROOT
from recommender.databases.recommendation_db import RecommendationDatabase
from recommender.entities import DatabaseName
from tests.integration.test_long_writes import ARTIFACT
from tests.support.clients import settings_for
from tests.support.postgres import Urls
from tests.support.proxy import HangingProxy

ENGAGEMENT = DatabaseName.ENGAGEMENT
# An hour for whole tables: how long statements may take has nothing to do with the network.
_VARIABLES = {"STATEMENT_TIMEOUT_MS": "5000", "CATALOG_TIMEOUT_MS": "3600000"}
# More than the buffers of the connections hold.
_USERS = 20_000
_FACTORS = 100
# Servers may take no data for as long, for example while a virtual machine moves.
_STALL_S = 9.0

linux = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has this option")


@pytest.fixture
def urls(proxy: HangingProxy, databases: Urls) -> Urls:
    """Return the databases' URLs, that of engagement_db over TCP."""
    return {**databases, ENGAGEMENT: proxy.url(databases[ENGAGEMENT].rpartition("/")[2])}


def patience_of(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[float, float]:
    """Return after how many seconds the kernel ends a connection: with TCP_USER_TIMEOUT, and without it.

    With it, Linux does not count probes.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as copy:

        def option(name: int) -> int:
            return copy.getsockopt(socket.IPPROTO_TCP, name)

        probed_s = option(socket.TCP_KEEPINTVL) * option(socket.TCP_KEEPCNT)
        return option(socket.TCP_USER_TIMEOUT) / 1000, option(socket.TCP_KEEPIDLE) + probed_s


@linux
@pytest.mark.parametrize("purpose", [Purpose.REQUESTS, Purpose.WHOLE_TABLES])
def test_the_service_notices_a_vanished_host_after_seconds_however_long_statements_may_take(
    urls: Urls, purpose: Purpose
) -> None:
    settings = settings_for(urls, **_VARIABLES).databases
    if purpose is Purpose.WHOLE_TABLES:
        settings = settings.for_whole_reads(1)
    with closing(Connector(ENGAGEMENT, settings, purpose).connect()) as connection:
        with_timeout_s, by_probes_s = patience_of(connection)
    assert with_timeout_s == by_probes_s
    assert 5 < with_timeout_s < 15


@linux
def test_commands_and_writers_outlast_a_network_that_is_silent_for_half_a_minute(urls: Urls) -> None:
    settings = settings_for(urls, **_VARIABLES).databases
    commands = Connector(ENGAGEMENT, settings.for_command(), Purpose.COMMANDS)
    with closing(commands.connect()) as command, closing(connect_to_write(urls[ENGAGEMENT])) as writer:
        for connection in (command, writer):
            with_timeout_s, by_probes_s = patience_of(connection)
            assert with_timeout_s == by_probes_s
            assert 30 < with_timeout_s < 120


@pytest.mark.slow
def test_embeddings_are_recorded_though_the_server_takes_no_data_for_some_seconds(
    urls: Urls, databases: Urls, proxy: HangingProxy
) -> None:
    with psycopg.connect(databases[ENGAGEMENT], autocommit=True) as connection:
        connection.execute((SQL_ROOT / "recommendation_db/migrations/0001_create_tables.sql").read_bytes())

    def embeddings() -> Iterator[tuple[str, list[float]]]:
        proxy.hang()
        threading.Timer(_STALL_S, proxy.resume).start()
        for user in range(_USERS):
            yield f"{user:032x}", [0.123456789] * _FACTORS

    RecommendationDatabase(urls[ENGAGEMENT]).record(ARTIFACT, embeddings(), [], is_current=True)
    with psycopg.connect(databases[ENGAGEMENT]) as connection:
        assert connection.execute("SELECT count(*) FROM user_features").fetchone() == (_USERS,)
