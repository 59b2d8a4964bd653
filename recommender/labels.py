"""What is said to people, alike at a terminal, in a page and in a sentence of an answer."""

from recommender.entities import DatabaseName, Strategy

STRATEGIES = {
    Strategy.HYBRID: "stated genres and the history",
    Strategy.CONTENT: "stated genres alone",
    Strategy.COLLABORATIVE: "the history alone",
    Strategy.POPULAR: "what is popular: neither stated genres nor a history tell anything of this user",
}
LACKS = {
    DatabaseName.USER: "stated genres are not known",
    DatabaseName.CATALOG: "only media whose details are cached can be shown",
    DatabaseName.ENGAGEMENT: (
        "histories and similar users are not known, and what the user has seen may be shown again"
    ),
}


def name_of(code: str) -> str:
    """A genre or a type of media, which databases like to write in capitals, or without any, as a word."""
    text = code.replace("_", " ").strip() or code
    return text.capitalize() if text.isupper() or text.islower() else text
