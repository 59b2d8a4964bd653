"""The service's own database, where there is one: what was published, for others to query."""

from collections.abc import Iterable, Mapping, Sequence

from recommender.databases.loading import WritableDatabase

NAME = "recommendation_db"


class RecommendationDatabase:
    """Writes to recommendation_db, over a connection that each call makes and closes.

    Raises:
        LoadError: from every method, where PostgreSQL refuses or does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def record(
        self,
        artifact: Mapping[str, object],
        embeddings: Iterable[tuple[str, Sequence[float]]],
        kept_versions: Sequence[str],
    ) -> None:
        """Note a version as the current one of its model, and forget those that are gone, all or nothing.

        Args:
            artifact: what `insert_artifact` takes.
            embeddings: of users, by id; none for a model without.
            kept_versions: of the model, all that are left.
        """
        model, version = artifact["model"], artifact["version"]
        # Of a version that is there already nothing is left, either.
        others = [kept for kept in kept_versions if kept != version]
        with WritableDatabase(NAME, self._url) as database, database.transaction():
            _note_current(database, artifact, others)
            rows = ((model, version, user_id, embedding) for user_id, embedding in embeddings)
            database.copy("copy_user_features", rows)

    def update_current(self, artifact: Mapping[str, object], kept_versions: Sequence[str]) -> None:
        """Note that an earlier version is the current one of its model, with the embeddings that are there.

        Args:
            artifact: what `insert_artifact` takes; a version that was never noted is noted now.
            kept_versions: of the model, all that are left.
        """
        with WritableDatabase(NAME, self._url) as database, database.transaction():
            _note_current(database, artifact, kept_versions)

    def keep_versions(self, kept_versions: Mapping[str, Sequence[str]]) -> None:
        """Remove the versions that are not kept, of the models that are named, all or nothing."""
        with WritableDatabase(NAME, self._url) as database, database.transaction():
            for model, versions in kept_versions.items():
                database.execute("delete_versions", model=model, kept_versions=list(versions))

    def delete_users(self, user_ids: Sequence[str]) -> None:
        """Remove all that is kept of users."""
        with WritableDatabase(NAME, self._url) as database:
            database.execute("delete_users", user_ids=list(user_ids))


def _note_current(
    database: WritableDatabase, artifact: Mapping[str, object], kept_versions: Sequence[str]
) -> None:
    model, version = artifact["model"], artifact["version"]
    database.execute("delete_versions", model=model, kept_versions=list(kept_versions))
    database.execute("insert_artifact", **artifact)
    database.execute("update_current", model=model, version=version)
