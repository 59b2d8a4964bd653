"""How much smaller a model may be than the one before it."""

from collections.abc import Mapping

# Losing more than this share of users or pairs looks like a table emptied or half loaded.
MAX_SHRINKAGE = 0.5


def find_shrinkage(counts: Mapping[str, int], former: Mapping[str, int]) -> str | None:
    """Say in words what is lost where that is more than allowed, else None.

    Args:
        counts, former: how many `users` and `pairs` there are, and were.
    """
    for name in ("users", "pairs"):
        before, after = former.get(name, 0), counts[name]
        if after < (1 - MAX_SHRINKAGE) * before:
            return f"{1 - after / before:.1%} fewer {name}"
    return None
