"""Compare the size of a model with that of the one before it."""

from collections.abc import Mapping

from config.setting_types import PROGRAM
from recommender.errors import ArtifactError
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


def refuse_shrunk(
    model: str, counts: Mapping[str, int], former: Metadata | None, *, what: str = "engagement_db gives"
) -> None:
    """Refuse to train a model that would lose much against a version.

    Args:
        model, counts: as in `find_loss`.
        former: the version; None if there is none to compare with.
        what: gives these numbers.

    Raises:
        ArtifactError: the losses are larger than allowed.
    """
    lost = None if former is None else find_loss(model, counts, former)
    if former is not None and lost is not None:
        raise ArtifactError(
            f"{what} {lost} than {former.model} {former.version} has. Nothing is published. If "
            f"that is right, run `{PROGRAM} train {model} --accept-shrinkage`."
        )
