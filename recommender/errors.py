"""The service's own errors, independent of HTTP and of the driver."""

from config.setting_types import SettingsError
from recommender.entities import DatabaseName


class MarqueeError(Exception):
    """Root of every error this service raises on purpose."""


class ConfigurationError(MarqueeError, SettingsError):
    """A URL, an SQL file or another thing that the settings name is unusable; the message says why."""


class DatabaseUnavailableError(MarqueeError):
    """A database did not answer a statement: down, too slow, out of connections, or changed."""

    def __init__(self, database: DatabaseName, reason: str = "") -> None:
        """Name the database. `reason`: the driver's message in one line, if known; for operators."""
        super().__init__(f"{database} did not answer" + (f": {reason}" if reason else ""))
        self.database = database


class StatementTimeoutError(DatabaseUnavailableError):
    """A statement was cancelled at its deadline; the database may still answer others."""


class ArtifactError(MarqueeError):
    """A trained model on disk cannot be used; the message names the file and says why."""

    def __init__(self, message: str) -> None:
        # Bytes of file names that are not UTF-8 are lone surrogates, which no JSON text can hold.
        super().__init__(message.encode("utf-8", "backslashreplace").decode())


class NewerReleaseError(ArtifactError):
    """A version was made by a newer release: its model or format is unknown to this one."""


class TrainingMemoryError(MarqueeError):
    """A model needs more memory to learn than it may use; the message has both numbers."""


class TrainingUnderWayError(MarqueeError):
    """Another training run holds the folder of the models; the message names the folder."""


class NothingToRecommendFromError(MarqueeError):
    """catalog_db does not answer, and nothing suitable is cached."""


class EmptyCatalogError(NothingToRecommendFromError):
    """catalog_db answers, but holds no items."""


class StillCountingError(MarqueeError):
    """The requested counts are being computed, and take longer than a request can wait."""


class UnknownItemError(MarqueeError):
    """There is no item with this id in the catalog."""


class LoadError(MarqueeError):
    """Data could not be loaded into the databases; the message says why and what to do."""


class EvaluationError(MarqueeError):
    """The requested evaluation is impossible; the message says why."""


class NoInteractionsError(EvaluationError):
    """There are no interactions, or none to learn from; the message says which."""


class BatchError(MarqueeError):
    """A batch job cannot be started or resumed; the message says why and what to do."""


class ReplayError(MarqueeError):
    """A past moment cannot be replayed; the message says why."""


class InspectionError(MarqueeError):
    """A database cannot be inspected; the message is the driver's, in one line."""


def one_line(exc: BaseException) -> str:
    """Return the message of an error in one line: those of drivers and libraries may have several."""
    return " ".join(str(exc).split())
