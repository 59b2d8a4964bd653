"""A catalog that cannot be loaded is reported, makes no request wait, and is not read again at once."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from config.settings import Settings
from recommender.container import Container, build_container
from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName, DatabaseState, Page, Strategy, UserRecommendations
from recommender.errors import NothingToRecommendFromError
from recommender.serving.status import Readiness
from tests.support.clients import settings_for
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.training import train_on
from tests.support.waiting import wait_until

CATALOG, ENGAGEMENT = DatabaseName.CATALOG, DatabaseName.ENGAGEMENT
QUERY = "fetch_catalogue"


@contextlib.contextmanager
def opened(container: Container) -> Iterator[Container]:
    try:
        container.open()
        yield container
    finally:
        container.close()


def keys_break_at_a_title(folder: Path) -> None:
    """Let the catalog return a key of another width while an item is called `broken`."""
    shipped = (SQL_ROOT / CATALOG / f"{QUERY}.sql").read_text()
    key = (
        "CASE WHEN EXISTS (SELECT FROM medias WHERE title = 'broken') AND random() < 0.5 THEN ''::bytea ELSE"
    )
    changed = shipped.replace("uuid_send(m.id)", f"{key} uuid_send(m.id) END")
    assert changed != shipped
    path = folder / CATALOG / f"{QUERY}.sql"
    path.parent.mkdir(parents=True)
    path.write_text(changed)


def readiness(container: Container) -> Readiness:
    return container.status.read().readiness


def test_an_error_in_a_load_is_reported_until_a_load_succeeds(databases: Urls, tmp_path: Path) -> None:
    keys_break_at_a_title(tmp_path)
    settings = settings_for(databases, SQL_PATH=str(tmp_path), CATALOG_REFRESH_SECONDS="1")
    with opened(build_container(settings)) as container:
        wait_until(lambda: readiness(container) is Readiness.READY)
        name_any_item(databases, "broken")
        wait_until(lambda: readiness(container) is Readiness.DEGRADED)
        assert list(container.service.recommend(["11111111-1111-4111-8111-111111111111"], Page(5)))
        name_any_item(databases, "mended")
        wait_until(lambda: readiness(container) is Readiness.READY)


def counts_with_a_table_of_its_own(folder: Path, urls: Urls) -> None:
    """Let the count of popularity alone read the table `counted`."""
    shipped = (SQL_ROOT / ENGAGEMENT / "count_positive_users.sql").read_text()
    header, _, body = shipped.partition("\n")
    path = folder / ENGAGEMENT / "count_positive_users.sql"
    path.parent.mkdir(parents=True)
    path.write_text(
        f"{header}\nSELECT c.* FROM (\n{body.rstrip().removesuffix(';')}\n) AS c "
        "WHERE NOT EXISTS (SELECT FROM counted);\n"
    )
    change(urls, ENGAGEMENT, "CREATE TABLE counted ()")


def change(urls: Urls, name: DatabaseName, statement: str) -> None:
    with psycopg.connect(urls[name]) as connection:
        connection.execute(statement.encode())


@contextlib.contextmanager
def two_workers(settings: Settings, folder: Path) -> Iterator[list[Container]]:
    """Run two workers that share their loads, and wait until both are ready."""
    with contextlib.ExitStack() as stack:
        workers = [build_container(settings) for _ in range(2)]
        for worker in workers:
            worker.share_catalog(folder)
            stack.enter_context(opened(worker))
        wait_for_all(workers, is_ready)
        yield workers


def wait_for_all(workers: Iterable[Container], check: Callable[[Container], bool]) -> None:
    for worker in workers:
        wait_until(partial(check, worker))


def is_ready(container: Container) -> bool:
    return readiness(container) is Readiness.READY


def is_degraded_without(unread: DatabaseName, container: Container) -> bool:
    """Return whether loads without a database make the worker degraded, while no database is down."""
    status = container.status.read()
    assert status.catalog is not None
    return (
        status.readiness is Readiness.DEGRADED
        and DatabaseState.DOWN not in status.databases.values()
        and status.catalog.unread == (unread,)
    )


def test_popularity_that_can_no_longer_be_counted_degrades_all_workers_until_it_is(
    databases: Urls, tmp_path: Path
) -> None:
    counts_with_a_table_of_its_own(tmp_path / "sql", databases)
    settings = settings_for(databases, SQL_PATH=str(tmp_path / "sql"), CATALOG_REFRESH_SECONDS="1")
    with two_workers(settings, tmp_path) as workers:
        change(databases, ENGAGEMENT, "ALTER TABLE counted RENAME TO uncounted")
        wait_for_all(workers, partial(is_degraded_without, ENGAGEMENT))
        for worker in workers:
            catalog = worker.status.read().catalog
            assert catalog is not None
            assert catalog.age_s < catalog.popularity_age_s
        change(databases, ENGAGEMENT, "ALTER TABLE uncounted RENAME TO counted")
        wait_for_all(workers, is_ready)


def test_a_catalog_that_can_no_longer_be_read_degrades_all_workers_until_it_is(
    databases: Urls, tmp_path: Path
) -> None:
    settings = settings_for(databases, CATALOG_REFRESH_SECONDS="1")
    with two_workers(settings, tmp_path) as workers:
        change(databases, CATALOG, "ALTER TABLE medias RENAME deleted_at TO removed_at")
        wait_for_all(workers, partial(is_degraded_without, CATALOG))
        change(databases, CATALOG, "ALTER TABLE medias RENAME removed_at TO deleted_at")
        wait_for_all(workers, is_ready)


def test_an_error_in_a_load_degrades_the_workers_that_do_not_load_too(
    databases: Urls, tmp_path: Path
) -> None:
    keys_break_at_a_title(tmp_path / "sql")
    settings = settings_for(databases, SQL_PATH=str(tmp_path / "sql"), CATALOG_REFRESH_SECONDS="1")
    with two_workers(settings, tmp_path) as workers:
        name_any_item(databases, "broken")
        wait_for_all(workers, lambda worker: readiness(worker) is Readiness.DEGRADED)
        name_any_item(databases, "mended")
        wait_for_all(workers, is_ready)


def name_any_item(urls: Urls, title: str) -> None:
    with psycopg.connect(urls[CATALOG]) as connection:
        connection.execute(
            "UPDATE medias SET title = %s WHERE id = (SELECT min(id::text)::uuid FROM medias)", (title,)
        )


def test_without_catalog_db_at_the_start_requests_of_no_worker_wait(
    databases: Urls, outage: Outage, tmp_path: Path
) -> None:
    outage.stop(CATALOG)
    settings = settings_for(databases, TIME_BUDGET_MS="20000")
    with contextlib.ExitStack() as stack:
        workers = [build_container(settings) for _ in range(2)]
        for worker in workers:
            worker.share_catalog(tmp_path)
            stack.enter_context(opened(worker))
        for worker in workers:
            worker.wait_for_catalog(30)
            started = time.monotonic()
            with pytest.raises(NothingToRecommendFromError):
                list(worker.service.recommend(["11111111-1111-4111-8111-111111111111"], Page(5)))
            assert time.monotonic() - started < 4.0, "not the share of the budget for the first load"
        outage.start(CATALOG)
        for worker in workers:
            wait_until(lambda worker=worker: readiness(worker) is Readiness.READY)  # type: ignore[misc]


def popularity_takes_long(folder: Path) -> None:
    """Let the count of popularity take some seconds."""
    shipped = (SQL_ROOT / ENGAGEMENT / "count_positive_users.sql").read_text()
    header, _, body = shipped.partition("\n")
    statement = body.rstrip().removesuffix(";")
    path = folder / ENGAGEMENT / "count_positive_users.sql"
    path.parent.mkdir(parents=True)
    path.write_text(
        f"{header}\nSELECT c.* FROM (SELECT pg_sleep(8)::text AS done) AS waited "
        f"CROSS JOIN LATERAL (\n{statement}\n) AS c WHERE waited.done IS NOT NULL;\n"
    )


def test_while_popularity_is_counted_for_long_requests_do_not_wait_for_it(
    databases: Urls, tmp_path: Path
) -> None:
    popularity_takes_long(tmp_path)
    settings = settings_for(databases, SQL_PATH=str(tmp_path), TIME_BUDGET_MS="20000")
    with opened(build_container(settings)) as container:
        wait_until(lambda: readiness(container) is Readiness.DEGRADED)
        time.sleep(3.0)
        started = time.monotonic()
        (answer,) = container.service.recommend(["11111111-1111-4111-8111-111111111111"], Page(5))
        assert time.monotonic() - started < 3.0, "not the share of the budget for the first load"
        assert answer.degraded == (ENGAGEMENT,)


def test_while_popularity_is_counted_a_trained_model_ranks(
    databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = Reference(databases)
    user = max(reference.users, key=lambda user: len(reference.positive.get(user, ())))
    version = train_on(databases, tmp_path / "models", monkeypatch, name="item_knn")
    popularity_takes_long(tmp_path / "sql")
    settings = settings_for(
        databases, SQL_PATH=str(tmp_path / "sql"), MODEL_PATH=str(tmp_path / "models"), TIME_BUDGET_MS="2000"
    )

    def answer() -> UserRecommendations:
        return next(iter(container.service.recommend([user], Page(5))))

    with opened(build_container(settings)) as container:
        wait_until(lambda: answer().model_version == version)
        found = answer()
    assert found.degraded == (ENGAGEMENT,), "ties are not by popularity"
    assert found.strategy in {Strategy.HYBRID, Strategy.COLLABORATIVE}
    assert all(item.collaborative_score > 0 for item in found.items)
