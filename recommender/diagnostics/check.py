"""The whole check: one database after the other, then how they fit together."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from config.database_settings import DatabaseSettings
from config.http_settings import HttpSettings
from config.ranking_settings import InteractionTypes, RankingSettings
from recommender.catalog.index import window_start
from recommender.databases.inspection import Inspection
from recommender.databases.queries import (
    load_queries,
    optional_queries,
    overlaid_queries,
    refuse_misplaced,
)
from recommender.diagnostics.connections import (
    Server,
    check_connection,
    check_limits,
    check_pools,
    check_session,
    look_at_server,
    unusable_connection,
)
from recommender.diagnostics.data import Facts, check_data, check_data_between
from recommender.diagnostics.findings import CONTRACT, Finding, Level
from recommender.diagnostics.genres import check_stated_genres, genres_without_items
from recommender.diagnostics.interaction_types import check_types
from recommender.diagnostics.own_results import check_keys, check_popularity
from recommender.diagnostics.pair_values import check_pair_values
from recommender.diagnostics.statements import check_statements
from recommender.diagnostics.structure import RoleName, check_structure
from recommender.domains.base import Domain
from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError, DatabaseUnavailableError, InspectionError
from recommender.system.compiled import IS_COMPILING, WITHOUT_COMPILER

# Later timestamps lie in no window: clocks differ by less than this.
_CLOCK_SKEW = timedelta(days=1)
# Statements that decide which genres users and items have.
_GENRE_STATEMENTS = {"fetch_genre_preferences", "fetch_catalogue"}


class Check:
    """One check of the three databases."""

    def __init__(
        self,
        databases: DatabaseSettings,
        http: HttpSettings,
        ranking: RankingSettings,
        types: InteractionTypes,
        domain: Domain,
    ) -> None:
        self._databases = databases
        self._http = http
        self._window_days = ranking.interaction_window_days
        self._types = types
        self._domain = domain
        self._servers: dict[DatabaseName, Server] = {}
        self._facts = Facts()
        self._overlaid: set[str] = set()

    def findings(self) -> Iterator[Finding]:
        """Yield all findings; an error of one database does not stop the checks of the others."""
        if not IS_COMPILING:
            yield Finding(Level.WARNING, "service", "numba", WITHOUT_COMPILER, "pip install numba.")
        yield from self._check_overlay()
        for name in DatabaseName:
            try:
                with self._inspection(name) as inspection:
                    yield from self._check(name, inspection)
            except (InspectionError, DatabaseUnavailableError) as exc:
                yield unusable_connection(name, str(exc))
            except ConfigurationError as exc:
                yield Finding(Level.ERROR, name, "connection", str(exc), f"Correct {name.upper()}_URL.")
        yield from check_data_between(self._facts)
        yield from self._check_genres()
        pool_size, workers = self._databases.pool_size, self._http.workers
        yield from check_pools(self._servers, pool_size, workers)
        yield from check_limits(self._servers, pool_size, workers)

    def _check_overlay(self) -> Iterator[Finding]:
        """Yield a finding on files under SQL_PATH that belong to no database."""
        if self._databases.sql_path is None:
            return
        try:
            refuse_misplaced(self._databases.sql_path)
        except ConfigurationError as exc:
            to_do = f"Move or remove the file ({CONTRACT})."
            yield Finding(Level.ERROR, "service", "SQL_PATH", str(exc), to_do)

    def _check(self, name: DatabaseName, inspection: Inspection) -> Iterator[Finding]:
        server = look_at_server(inspection)
        self._servers[name] = server
        yield check_connection(name, inspection, server)
        yield check_session(name, inspection)
        queries = load_queries(name)
        ours = queries | optional_queries(name)
        try:
            queries = overlaid_queries(name, self._databases.sql_path)
        except ConfigurationError as exc:
            yield Finding(
                Level.ERROR, name, "SQL_PATH", str(exc), f"Correct or remove the file ({CONTRACT})."
            )
        overlaid = [query.name for query in queries.values() if query.path != ours[query.name].path]
        self._overlaid.update(overlaid)
        yield from check_structure(
            name,
            inspection,
            load_queries(name).values(),
            RoleName(server.role, server.role_sql),
            overlaid=bool(overlaid),
        )
        findings = list(check_statements(name, inspection, ours, queries, self._domain))
        yield from findings
        if all(finding.level is not Level.ERROR for finding in findings):
            yield from check_keys(name, inspection, queries, self._types, self._domain, overlaid=overlaid)
            if name is DatabaseName.ENGAGEMENT:
                start, _ = self._window()
                yield from check_popularity(inspection, queries, self._types, start, overlaid=overlaid)
        yield from self._check_data(name, inspection, overlaid=overlaid)

    def _check_data(
        self, name: DatabaseName, inspection: Inspection, *, overlaid: Collection[str]
    ) -> Iterator[Finding]:
        window = self._window()
        try:
            self._facts.gather(name, inspection, window)
        except InspectionError as exc:
            if overlaid:
                yield Finding(Level.OK, name, "data", f"not checked, in tables of the app's own: {exc}")
            else:
                to_do = "Fix the errors above first; if it takes too long, raise CATALOG_TIMEOUT_MS."
                yield Finding(Level.WARNING, name, "data", f"not checked: {exc}", to_do)
            return
        yield from check_data(name, self._facts, self._window_days, overlaid=overlaid)
        try:
            self._facts.gather_meanings(name, inspection, window, self._types)
        except InspectionError as exc:
            # A missing column is reported as an error of the structure.
            about = "types" if name is DatabaseName.ENGAGEMENT else "genres"
            yield Finding(Level.OK, name, about, f"not checked: {exc}")
        if name is DatabaseName.ENGAGEMENT and self._facts.types is not None:
            yield from check_types(self._facts.types, self._types, self._window_days, overlaid=overlaid)
            if self._facts.types.has_worth:
                yield from check_pair_values(inspection, self._types, window, overlaid=overlaid)

    def _check_genres(self) -> Iterator[Finding]:
        """Compare stated genres with those of items, unless an overlay reads either of them."""
        stated, of_items = self._facts.stated_genres, self._facts.item_genres
        if not stated or not of_items or self._overlaid & _GENRE_STATEMENTS:
            return
        try:
            if genres_without_items(stated, of_items):
                with self._inspection(DatabaseName.USER) as inspection:
                    yield check_stated_genres(stated, of_items, inspection)
            else:
                yield check_stated_genres(stated, of_items, None)
        except (InspectionError, DatabaseUnavailableError) as exc:
            to_do = "Run it again; if it takes too long, raise CATALOG_TIMEOUT_MS."
            yield Finding(Level.WARNING, DatabaseName.USER, "stated genres", f"not compared: {exc}", to_do)

    def _inspection(self, name: DatabaseName) -> Inspection:
        return Inspection(name, self._databases)

    def _window(self) -> tuple[str, str]:
        """Return the start and end of the window in which interactions count."""
        now = datetime.now(UTC)
        end = (now + _CLOCK_SKEW).replace(tzinfo=None)
        return window_start(self._window_days, now), end.isoformat()


def check_databases(
    databases: DatabaseSettings,
    http: HttpSettings,
    ranking: RankingSettings,
    types: InteractionTypes,
    domain: Domain,
) -> Iterator[Finding]:
    """Yield findings on the three databases one by one."""
    return Check(databases, http, ranking, types, domain).findings()
