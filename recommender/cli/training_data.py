"""Reading engagement_db for `train` and `forget`."""

from config.settings import Settings
from recommender.catalog.index import window_start
from recommender.cli.progress import with_progress
from recommender.data.dataset import Dataset, dataset_of
from recommender.databases.engagement_db import EngagementDatabase
from recommender.databases.patient import patient_database
from recommender.entities import DatabaseName


def read_dataset(settings: Settings) -> Dataset:
    """Read the interactions that models learn from, and show progress.

    Raises:
        SettingsError: no databases are configured.
        DatabaseUnavailableError: engagement_db does not answer.
    """
    start = window_start(settings.ranking.interaction_window_days)
    with patient_database(DatabaseName.ENGAGEMENT, settings.databases) as database:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        users = engagement_db.count_active_users(start)
        histories = engagement_db.stream_positive_histories(start)
        return dataset_of(with_progress(histories, f"Reading {users:,} histories", users), start)
