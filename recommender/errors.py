"""What can go wrong, in the service's own terms. No HTTP and no driver types in here."""

from config.setting_types import SettingsError
from recommender.entities import DatabaseName


class MarqueeError(Exception):
    """Root of every error this service raises on purpose."""


class ConfigurationError(MarqueeError, SettingsError):
    """What the settings name, such as a URL or an SQL file, is unusable; the message says which and why."""


class DatabaseUnavailableError(MarqueeError):
    """A database did not answer a statement: down, too slow, out of connections, or changed."""

    def __init__(self, database: DatabaseName, reason: str = "") -> None:
        """`reason`: the driver's, in one line, where it is known; for operators."""
        super().__init__(f"{database} did not answer" + (f": {reason}" if reason else ""))
        self.database = database


class StatementTimeoutError(DatabaseUnavailableError):
    """A statement was given up because of its deadline; the database may well answer others."""


class ArtifactError(MarqueeError):
    """A trained model on disk cannot be used; the message names the file and says why."""


class TrainingMemoryError(MarqueeError):
    """A model needs more memory to learn than it is given; the message says how much of both."""


class TrainingUnderWayError(MarqueeError):
    """Another training run has the folder of the models; the message names it."""


class NothingToRecommendFromError(MarqueeError):
    """catalog_db does not answer, and nothing fitting is cached."""


class EmptyCatalogError(NothingToRecommendFromError):
    """catalog_db answers, and holds no media."""


class StillCountingError(MarqueeError):
    """What was asked for is being counted, and takes longer than a request can wait."""


class UnknownItemError(MarqueeError):
    """There is no medium of this id in the catalog."""


class LoadError(MarqueeError):
    """Data could not be loaded into the databases; the message says why and what to do."""


class EvaluationError(MarqueeError):
    """There is nothing to evaluate as asked; the message says why."""


class BatchError(MarqueeError):
    """A batch job cannot be begun or taken up as asked; the message says why and what to do."""


class ReplayError(MarqueeError):
    """A past moment cannot be served as asked; the message says why."""


class InspectionError(MarqueeError):
    """A database does not let itself be looked at; the message is what the driver says, in one line."""
