"""content: match items with a user's genre profile, from history and stated genres, times popularity.

The score is content_score by profile; see `recommender.ranking.genre_matching`. Profiles come from the
request, base rates and popularity from the catalog index; the model itself only keeps the list of items.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recommender.catalog.index import CatalogIndex
from recommender.data.dataset import Dataset
from recommender.deadline import Deadline
from recommender.errors import ArtifactError
from recommender.models.base import NO_SCORES, ItemScores, Scores, UserContext
from recommender.models.configured import ConfiguredModel
from recommender.models.files import check_form, load_config, map_arrays, save_arrays, save_config
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.vocabulary import ItemVocabulary, decode_item_ids, encode_ids
from recommender.models.whole_scores import scores_of_floats
from recommender.ranking.genre_matching import TASTE_WEIGHTS, TasteWeights, count_genres, tastes_by_set

_SECONDS_A_PAIR, _BYTES_A_PAIR, _BYTES_AN_ITEM = 5e-9, 8, 16
# An upper bound of the users of an item.
_MOST_USERS = 1 << 40


class ContentConfig(BaseModel):
    """Hyperparameters of `ContentModel`; all are read when scoring."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prior: float = Field(default=TASTE_WEIGHTS.prior, gt=0.0, allow_inf_nan=False)
    """The weight of the average profile in each user's profile, in items."""
    stated: float = Field(default=TASTE_WEIGHTS.stated, ge=0.0, allow_inf_nan=False)
    """The weight of a stated genre, in items."""
    slope: float = Field(default=TASTE_WEIGHTS.slope, gt=0.0, allow_inf_nan=False)
    """The exponent of the ratio of a user's genre share to the average share."""


class ContentModel(ConfiguredModel[ContentConfig]):
    """Score an item by how well its genres match a user's profile."""

    name = "content"
    config_kind = ContentConfig

    @property
    def sizes(self) -> Mapping[str, int]:
        """The numbers of items, and of pairs of an item and a user."""
        return {"media": len(self._items), "pairs": int(self._user_counts.sum())}

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of counting."""
        pairs, items = len(data.item_idx), len(data.item_ids)
        return Estimate(_SECONDS_A_PAIR * pairs, _BYTES_A_PAIR * pairs + _BYTES_AN_ITEM * items)

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Store the items, and the number of users of each."""
        fitting.refuse_beyond(self.name, self.estimate(data).memory_bytes)
        counts = np.bincount(data.item_idx, minlength=len(data.item_ids))
        self._use(ItemVocabulary(data.item_ids), counts.astype(np.int64))
        fitting.report(1.0)

    def save(self, folder: Path) -> None:
        """Write items, counts and hyperparameters into a folder."""
        item_ids = encode_ids(self._items.item_ids)
        save_arrays(folder, {"item_ids": item_ids, "user_counts": self._user_counts})
        save_config(folder, self._config)

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Return the model that a folder holds, checked."""
        model = cls(load_config(folder, ContentConfig, overrides))
        arrays = map_arrays(folder, ("item_ids", "user_counts"))
        items, counts = decode_item_ids(arrays["item_ids"]), arrays["user_counts"]
        check_form("user_counts", counts, np.int64, (len(items),))
        if counts.min() < 1 or counts.max() > _MOST_USERS:
            raise ArtifactError(f"user_counts: must be from 1 to {_MOST_USERS}")
        model._use(items, counts)
        return model

    def _use(self, items: ItemVocabulary, user_counts: NDArray[np.int64]) -> None:
        self._items, self._user_counts = items, user_counts

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> Scores:
        """Return how well known items match each user's profile; no scores without a profile."""
        catalog_idx = self._items.catalog_idx_in(items)
        found = catalog_idx[catalog_idx >= 0]
        return [self._score(user, items, found) for user in users]

    def _score(self, user: UserContext, items: CatalogIndex, found: NDArray[np.intp]) -> ItemScores:
        rates = items.genre_rates
        weights = TasteWeights(self._config.prior, self._config.stated, self._config.slope)
        own, stated = (
            items.catalog_only(user.located_in(items).positive_idx),
            items.genres.numbers_of(user.stated_genres),
        )
        counts = count_genres(rates, own, stated, weights)
        if not counts.any():
            return NO_SCORES
        tastes = tastes_by_set(rates, counts, weights)
        return scores_of_floats(tastes[rates.set_idx[found]] * rates.popularity[found], found)
