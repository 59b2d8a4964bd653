"""Estimates from the statistics of a server; apart from the other statements, which import much more."""

from recommender.databases.database import Database


def estimate_interactions(engagement_db: Database) -> int | None:
    """Return roughly how many interactions there are; None if the server's statistics do not tell."""
    ((rows,),) = engagement_db.fetch("estimate_interactions")
    return None if rows is None else int(rows)
