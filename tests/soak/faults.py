"""Faults of the service and its databases, made one after the other."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum

import psycopg
from psycopg import sql

from recommender.entities import DatabaseName
from tests.soak.data import HEAVY_USER, SoakData
from tests.soak.expectations import Change, Expectations
from tests.soak.load import Load
from tests.soak.servers import OUTAGE_S, Servers
from tests.soak.wall_clock import WallClock
from tests.support.gunicorn import GunicornServer
from tests.support.waiting import eventually

_RECOVERY_S = 5.0
# Missing rows are checked for every two seconds, and workers switch at least a second after a load.
_FRESH_INDEX_S = 10.0
_STEPS_S, _CLOCK_SLACK_S = (2 * 86_400, -2 * 86_400), 60.0
# This many answers in a row come from every worker.
_EVERY_WORKER = 10


class Kind(StrEnum):
    """Kinds of faults."""

    KILLED = "killed"
    SHUT_DOWN = "shut down"
    HUNG = "hung"
    LOCKED = "locked"
    CATALOG_RELOADED = "catalog reloaded"
    INTERACTIONS_RELOADED = "interactions reloaded"
    INDEX_SWITCHED = "index switched"
    HEAVY_USER = "heavy user alone"
    CLOCK_STEPPED = "clock stepped"


# Faults during which no database lacks data, so every answer must be complete.
_CALM = {Kind.INDEX_SWITCHED, Kind.HEAVY_USER, Kind.CLOCK_STEPPED}
_OUTAGES = (Kind.KILLED, Kind.SHUT_DOWN, Kind.HUNG)


@dataclass(frozen=True)
class Fault:
    """A kind, and the affected database, if any."""

    kind: Kind
    database: DatabaseName | None = None

    def __str__(self) -> str:
        return f"{self.database} was {self.kind}" if self.database else self.kind


def rounds() -> Iterator[list[Fault]]:
    """Yield every kind of fault: a lock in each database, and each outage in another database per round."""
    names = list(DatabaseName)
    for number in itertools.count():
        killed, shut_down, hung = (
            Fault(kind, names[(number + place) % len(names)]) for place, kind in enumerate(_OUTAGES)
        )
        locked = [Fault(Kind.LOCKED, name) for name in names]
        yield [
            locked[0],
            Fault(Kind.INDEX_SWITCHED),
            killed,
            Fault(Kind.CATALOG_RELOADED),
            locked[1],
            Fault(Kind.HEAVY_USER),
            hung,
            Fault(Kind.INTERACTIONS_RELOADED),
            locked[2],
            Fault(Kind.CLOCK_STEPPED),
            shut_down,
        ]


@dataclass
class Faults:
    """Makes faults under load, repairs them, and waits until the service has recovered."""

    servers: Servers
    server: GunicornServer
    clock: WallClock
    data: SoakData
    expectations: Expectations
    load: Load
    # The index version of the unchanged data, before and after each fault.
    first_index: str | None = None
    made: list[Fault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # The times without a fault, and the times of locks by database.
    calm: list[tuple[float, float]] = field(default_factory=list)
    locked: list[tuple[DatabaseName, float, float]] = field(default_factory=list)

    def make(self, fault: Fault) -> None:
        """Make a fault, repair it, and record if the service does not recover in time."""
        if fault.kind is Kind.CLOCK_STEPPED and not self.clock.can_step:
            return
        self.made.append(fault)
        self.first_index = self.first_index or self._index()
        began_at = time.monotonic()
        if fault.database is None:
            self._changes()[fault.kind]()
        else:
            self._break(fault.kind, fault.database)
        if fault.kind in _CALM:
            self.calm.append((began_at, time.monotonic()))

    def _break(self, kind: Kind, name: DatabaseName) -> None:
        if kind is Kind.LOCKED:
            self.locked.append((name, *self.servers.lock(name)))
        else:
            how = {
                Kind.KILLED: self.servers.kill,
                Kind.SHUT_DOWN: self.servers.shut_down,
                Kind.HUNG: self.servers.hang,
            }
            how[kind](name)
        self._recover(f"{name} was {kind}")

    def _changes(self) -> dict[Kind, Callable[[], None]]:
        return {
            Kind.CATALOG_RELOADED: self._reload_catalog,
            Kind.INTERACTIONS_RELOADED: self._reload_interactions,
            Kind.INDEX_SWITCHED: self._switch_index,
            Kind.HEAVY_USER: lambda: time.sleep(OUTAGE_S),
            Kind.CLOCK_STEPPED: self._step_clock,
        }

    def _reload_catalog(self) -> None:
        with (
            self.expectations.during(Change.RELOADED),
            self._emptied(DatabaseName.CATALOG, "medias", "tb_media_genre"),
        ):
            time.sleep(OUTAGE_S)
        self._recover("the catalog was reloaded and the service ready")

    def _reload_interactions(self) -> None:
        """Empty the interactions and write them again. Meanwhile popularity stays, and histories are empty.

        The heavy user's rows stay, because writing them takes too long.
        """
        others = sql.SQL("WHERE user_id <> {}").format(HEAVY_USER)
        with (
            self.expectations.during(Change.EMPTIED),
            self._emptied(DatabaseName.ENGAGEMENT, "interaction", doomed=others),
        ):
            time.sleep(OUTAGE_S)
        self._recover("the interactions were reloaded and the service ready")

    @contextlib.contextmanager
    def _emptied(
        self, name: DatabaseName, *tables: str, doomed: sql.Composable | None = None
    ) -> Iterator[None]:
        """Empty tables at once, and fill them one by one in one session, as an import does.

        `doomed`: a WHERE clause of the rows to delete, if some must stay.
        """
        with psycopg.connect(self.servers.urls[name], autocommit=True) as connection:

            def run(statement: str) -> None:
                for table in tables:
                    connection.execute(
                        sql.SQL(statement).format(
                            table=sql.Identifier(table),
                            kept=sql.Identifier(f"kept_{table}"),
                            doomed=doomed or sql.SQL(""),
                        )
                    )

            run("CREATE TEMP TABLE {kept} AS SELECT * FROM {table} {doomed}")
            with self.expectations.rows_changing(), connection.transaction():
                run("DELETE FROM {table} {doomed}" if doomed else "TRUNCATE {table}")
            yield
            with self.expectations.rows_changing():
                run("INSERT INTO {table} TABLE {kept}")
            run("VACUUM (ANALYZE) {table}")
        self._recover(f"{' and '.join(tables)} were emptied and filled again")
        if not eventually(self._is_ready, _FRESH_INDEX_S):
            self.problems.append(
                f"not ready, or another index, {_FRESH_INDEX_S:.0f} s after {name} was filled"
            )

    def _switch_index(self) -> None:
        """Change popularity and restore it, while pages are requested by the index of the first page."""
        with (
            self.expectations.during(Change.MOVED),
            psycopg.connect(self.servers.urls[DatabaseName.ENGAGEMENT], autocommit=True) as connection,
        ):
            with self.expectations.rows_changing(), connection.cursor() as cursor, connection.transaction():
                cursor.executemany(
                    "INSERT INTO interaction VALUES (%s, %s, %s, %s, %s, %s)", self.data.movements
                )
            if not eventually(lambda: self._index() not in {None, self.first_index}, _FRESH_INDEX_S):
                self.problems.append(f"the same index {_FRESH_INDEX_S:.0f} s after popularity moved")
            time.sleep(OUTAGE_S / 2)
            ids = [row[0] for row in self.data.movements]
            with self.expectations.rows_changing():
                connection.execute("DELETE FROM interaction WHERE id = ANY(%s)", (ids,))
            if not eventually(lambda: self._index() == self.first_index, _FRESH_INDEX_S):
                self.problems.append(f"not the first index {_FRESH_INDEX_S:.0f} s after popularity was back")

    def _index(self) -> str | None:
        """Return the index version that every worker ranks by; None if they differ."""
        versions = {self.server.get("/ready").body["catalogue"]["index"] for _ in range(_EVERY_WORKER)}
        return versions.pop() if len(versions) == 1 else None

    def _step_clock(self) -> None:
        for seconds in (*_STEPS_S, 0):
            self.clock.step(seconds)
            shown = parsedate_to_datetime(self.server.get("/health").headers["Date"]).timestamp()
            if abs(shown - time.time() - seconds) > _CLOCK_SLACK_S:
                self.problems.append(f"the service's clock was not set {seconds} s ahead")
            time.sleep(OUTAGE_S / len(_STEPS_S))

    def _is_ready(self) -> bool:
        """Return whether every worker is ready and ranks by the first index."""
        if self._index() != self.first_index:
            return False
        answers = [self.server.get("/ready").body for _ in range(_EVERY_WORKER)]
        return {answer["status"] for answer in answers} == {"ready"}

    def _recover(self, what: str) -> None:
        """Wait until every worker answers completely. Many requests reach all workers."""
        deadline = time.monotonic() + _RECOVERY_S
        in_a_row = 0
        while in_a_row or time.monotonic() < deadline:
            in_a_row = in_a_row + 1 if self.load.is_itself() else 0
            if in_a_row == _EVERY_WORKER:
                return
        self.problems.append(f"not itself again {_RECOVERY_S:.0f} s after {what}")
