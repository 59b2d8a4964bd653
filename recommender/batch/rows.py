"""Recommendations as flat rows, for CSV and Parquet."""

from collections.abc import Iterator, Sequence

from recommender.domains.attributes import Attribute
from recommender.domains.base import Domain
from recommender.entities import Item, UserRecommendations, Value
from recommender.results.serializers import rounded, variants_of

SEPARATOR = "|"
_IDS = ("user_id", "rank", "media_id")
_SCORES = (
    "recommendation_score",
    "content_score",
    "collaborative_score",
    "strategy",
    "degraded",
    "model",
    "model_version",
)
_OF_EXPERIMENTS = ("variant", "token")

Row = tuple[Value, ...]


class RowMaker:
    """Makes a row of each recommendation; `columns` are its names.

    Own attributes come last, followed only by the user's variant and the item's token if experiments run
    (`in_experiments`).
    """

    def __init__(self, domain: Domain, *, in_experiments: bool = False) -> None:
        self.ours = tuple(attribute for attribute in domain.attributes if attribute.in_files)
        self.own = domain.own
        self._in_experiments = in_experiments
        added = _OF_EXPERIMENTS if in_experiments else ()
        self.columns = (*_IDS, *_names(self.ours), *_SCORES, *_names(self.own), *added)

    def rows(self, result: UserRecommendations) -> Iterator[Row]:
        """Yield one user's rows, best first. Ranks start at 1; lists are joined by `|`."""
        degraded = SEPARATOR.join(result.degraded)
        variants = variants_of(result) or None
        for rank, item in enumerate(result.items, start=1):
            yield (
                result.user_id,
                rank,
                item.details.id,
                *_values(item.details, self.ours),
                rounded(item.recommendation_score),
                rounded(item.content_score),
                rounded(item.collaborative_score),
                result.strategy.value,
                degraded,
                result.model,
                result.model_version,
                *_values(item.details, self.own),
                *((variants, item.token) if self._in_experiments else ()),
            )


def _names(attributes: Sequence[Attribute]) -> tuple[str, ...]:
    return tuple(attribute.name for attribute in attributes)


def _values(details: Item, attributes: Sequence[Attribute]) -> Iterator[Value]:
    for attribute in attributes:
        value = details.attributes[attribute.name]
        yield SEPARATOR.join(value) if isinstance(value, tuple) else value
