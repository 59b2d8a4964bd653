"""Compare the size of a model with that of the one before it."""

from collections.abc import Mapping

from recommender.model_store.artifact import KNOWN_ITEMS, Metadata

# A larger loss of users, items or pairs looks like an emptied or half loaded table.
MAX_SHRINKAGE = 0.5

_WORDS = {"users": "users", "media": "media", "pairs": "pairs", KNOWN_ITEMS: "media that it knows"}


def find_shrinkage(counts: Mapping[str, int], former: Mapping[str, int]) -> str | None:
    """Return a description of the losses that are larger than allowed, else None.

    Args:
        counts, former: the numbers of `users`, `media`, `pairs` and `known_media` now and before; numbers
            that one of them lacks are not compared.
    """
    for name, words in _WORDS.items():
        before, after = former.get(name, 0), counts.get(name)
        if after is not None and after < (1 - MAX_SHRINKAGE) * before:
            return f"{1 - after / before:.1%} fewer {words}"
    return None


def find_loss(model: str, counts: Mapping[str, int], former: Metadata) -> str | None:
    """Return a description of a model's losses against a version that are larger than allowed, else None.

    Known items are compared only within a model: another model may need more users of each item.

    Args:
        model: its name.
        counts: its numbers, as in `find_shrinkage`.
        former: the version.
    """
    compared = {name: count for name, count in counts.items() if model == former.model or name != KNOWN_ITEMS}
    return find_shrinkage(compared, former.counts)
