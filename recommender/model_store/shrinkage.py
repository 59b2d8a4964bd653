"""How much smaller a model may be than the one before it."""

from collections.abc import Mapping

from recommender.model_store.artifact import KNOWN_ITEMS, Metadata

# Losing more than this share of users, items or pairs looks like a table emptied or half loaded.
MAX_SHRINKAGE = 0.5

_WORDS = {"users": "users", "media": "media", "pairs": "pairs", KNOWN_ITEMS: "media that it knows"}


def find_shrinkage(counts: Mapping[str, int], former: Mapping[str, int]) -> str | None:
    """Say in words what is lost where that is more than allowed, else None.

    Args:
        counts, former: how many `users`, `media`, `pairs` and `known_media` there are, and were; what one of
            them does not say is not compared.
    """
    for name, words in _WORDS.items():
        before, after = former.get(name, 0), counts.get(name)
        if after is not None and after < (1 - MAX_SHRINKAGE) * before:
            return f"{1 - after / before:.1%} fewer {words}"
    return None


def find_loss(metadata: Metadata, former: Metadata) -> str | None:
    """Say in words what a version has lost against another where that is more than allowed, else None.

    How many items are known is compared within a model only: another one may need more users of each.
    """
    counts = dict(metadata.counts)
    if metadata.model != former.model:
        counts.pop(KNOWN_ITEMS, None)
    return find_shrinkage(counts, former.counts)
