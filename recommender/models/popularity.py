"""popularity: items with the most users, the same scores for all; recent interactions may count more.

The score of an item is Σ 0.5^((latest - t) / half-life) over its users, where t is the time of each user's
last interaction with it, and `latest` the latest time in the data.
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
from recommender.models.base import Scores, UserContext
from recommender.models.configured import ConfiguredModel
from recommender.models.files import check_form, load_config, map_arrays, save_arrays, save_config
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.vocabulary import ItemVocabulary, decode_item_ids, encode_ids
from recommender.models.whole_scores import scores_of_floats

_SECONDS_A_PAIR, _BYTES_A_PAIR = 5e-8, 16
_DAY_S = 86_400.0


class PopularityConfig(BaseModel):
    """Hyperparameters of `PopularityModel`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    half_life_days: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    """The time after which an interaction counts half; null: all count the same."""


class PopularityModel(ConfiguredModel[PopularityConfig]):
    """Score an item by its number of users."""

    name = "popularity"
    config_kind = PopularityConfig

    @property
    def sizes(self) -> Mapping[str, int]:
        """The number of items."""
        return {"media": len(self._items)}

    def estimate(self, data: Dataset) -> Estimate:
        """Return the time and memory of one sum over all pairs."""
        pairs = len(data.item_idx)
        return Estimate(_SECONDS_A_PAIR * pairs, _BYTES_A_PAIR * pairs)

    def fit(self, data: Dataset, fitting: Fitting = UNBOUNDED) -> None:
        """Sum the weights of the users of each item."""
        fitting.refuse_beyond(self.name, self.estimate(data).memory_bytes)
        counting = None
        if self._config.half_life_days is not None:
            counting = np.exp2((data.times - data.times.max()) / (self._config.half_life_days * _DAY_S))
        sums = np.bincount(data.item_idx, weights=counting, minlength=len(data.item_ids))
        self._use(ItemVocabulary(data.item_ids), sums.astype(np.float64))
        fitting.report(1.0)

    def save(self, folder: Path) -> None:
        """Write the sums and hyperparameters into a folder."""
        save_arrays(folder, {"item_ids": encode_ids(self._items.item_ids), "sums": self._sums})
        save_config(folder, self._config)

    @classmethod
    def load(cls, folder: Path, **overrides: object) -> Self:
        """Return the model that a folder holds, checked."""
        model = cls(load_config(folder, cls.config_kind, overrides))
        arrays = map_arrays(folder, ("item_ids", "sums"))
        items, sums = decode_item_ids(arrays["item_ids"]), arrays["sums"]
        check_form("sums", sums, np.float64, (len(items),))
        if sums.min() < 0.0:
            raise ArtifactError("sums: must not be below 0")
        model._use(items, sums)
        return model

    def _use(self, items: ItemVocabulary, sums: NDArray[np.float64]) -> None:
        self._items, self._sums = items, sums

    def score(
        self,
        users: Sequence[UserContext],
        items: CatalogIndex,
        deadline: Deadline,  # noqa: ARG002 - no database is asked
    ) -> Scores:
        """Return the sums, the same for every user."""
        catalog_idx = self._items.catalog_idx_in(items)
        found = np.flatnonzero(catalog_idx >= 0)
        return [scores_of_floats(self._sums[found], catalog_idx[found])] * len(users)
