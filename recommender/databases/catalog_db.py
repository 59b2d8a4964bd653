"""catalog_db: which media there are, and what is shown of them."""

from collections.abc import Sequence

from recommender.databases.database import Database
from recommender.deadline import Deadline
from recommender.domain import CatalogueEntry, Media
from recommender.names import distinct_names, shown_name


class CatalogDatabase:
    """Reads of catalog_db."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch_media(self, media_ids: Sequence[str], deadline: Deadline) -> dict[str, Media]:
        """Details by id; media that are deleted or unknown are absent."""
        rows = self._database.fetch("fetch_media", deadline, media_ids=list(media_ids))
        return {
            media_id: Media(
                id=media_id,
                title=title,
                description=description,
                release_year=release_year,
                media_type=shown_name(media_type or "") or None,
                cover_url=cover_url,
                genres=tuple(distinct_names(genre_names).values()),
            )
            for media_id, title, description, release_year, media_type, cover_url, genre_names in rows
        }

    def fetch_existing_keys(self, deadline: Deadline) -> bytes:
        """The keys of all media that are not deleted, one after the other."""
        ((media_keys,),) = self._database.fetch("fetch_existing_keys", deadline)
        return media_keys or b""

    def fetch_catalogue(self) -> list[CatalogueEntry]:
        """Every medium that is not deleted."""
        return [CatalogueEntry(*row) for row in self._database.fetch("fetch_catalogue")]
