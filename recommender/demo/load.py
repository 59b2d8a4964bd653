"""Load the generated demo data."""

from collections.abc import Mapping

from recommender.demo.generate import DemoData
from recommender.demo.progress import ProgressBar
from recommender.demo.target import LoadTarget
from recommender.entities import DatabaseName


def load_demo(
    urls: Mapping[DatabaseName, str], data: DemoData, progress: ProgressBar, *, replace: bool = False
) -> None:
    """Fill the three databases; missing tables and indexes are created.

    Args:
        urls: of the databases.
        data: the rows.
        progress: shows the progress of loading.
        replace: whether to delete existing data.

    Raises:
        LoadError: the databases hold data and `replace` is false, or PostgreSQL rejects a statement.
    """
    with LoadTarget(urls) as target, target.replacing(replace=replace):
        for database, query_name, label, rows in (
            (target.user_db, "copy_user_preferences", "users", data.user_preferences),
            (target.user_db, "copy_user_genres", "preferences", data.user_genres),
            (target.catalog_db, "copy_media", "media", data.items),
            (target.catalog_db, "copy_media_genres", "genres of media", data.item_genres),
            (target.engagement_db, "copy_interactions", "interactions", data.interactions),
        ):
            database.copy(query_name, progress(rows, label, len(rows)))


def holds_data(urls: Mapping[DatabaseName, str]) -> bool:
    """Whether all three databases hold data.

    Raises:
        LoadError: PostgreSQL refuses.
    """
    with LoadTarget(urls) as target:
        target.create_tables()
        return len(target.filled()) == len(DatabaseName)
