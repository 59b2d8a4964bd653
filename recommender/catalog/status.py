"""The status of the catalog index of a worker."""

from dataclasses import dataclass

from recommender.catalog.gate import HeldBack


@dataclass(frozen=True, slots=True)
class CatalogStatus:
    """The index in use. `popularity_known`: engagement_db was counted for it, or for an earlier one.

    `held_back`: a later load that has lost too much to be used. `failed`: the last load by this worker ended
    in an unexpected error; a database that does not answer is none.
    """

    version: str
    age_s: float
    item_count: int
    popularity_known: bool
    held_back: HeldBack | None
    failed: bool = False
