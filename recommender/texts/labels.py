"""Texts that the commands, the explorer and explanations share."""

from recommender.entities import DatabaseName, Strategy

STRATEGIES = {
    Strategy.HYBRID: "content and collaborative scores",
    Strategy.CONTENT: "content scores only",
    Strategy.COLLABORATIVE: "collaborative scores only",
    Strategy.POPULAR: "popularity only: no other score applies to this user",
}
LACKS = {
    DatabaseName.USER: "stated genres are not known",
    DatabaseName.CATALOG: "only media whose details are cached can be shown",
    DatabaseName.ENGAGEMENT: (
        "histories and similar users are not known, and items that the user has seen may be shown again"
    ),
}


def name_of(code: str) -> str:
    """Return a genre or type in normal case: databases often have capitals or small letters only."""
    text = code.replace("_", " ").strip() or code
    return text.capitalize() if text.isupper() or text.islower() else text
