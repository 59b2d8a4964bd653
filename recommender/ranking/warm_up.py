"""Compiles the loops of ranking, or loads them, so that no request waits for that."""

import numpy as np

from recommender.ranking.blend import blend, eligible_values
from recommender.ranking.genre_matching import has_match
from recommender.ranking.top_k import top_k


def warm_up_ranking() -> None:
    """Rank one item: takes about 2 s if the compiled loops are not cached, else about 30 ms."""
    values, item_idx, eligible = np.ones(1, dtype=np.int64), np.arange(1), np.ones(1, dtype=np.bool_)
    masks = np.ones((1, 1), dtype=np.uint64)
    eligible_values(values, None, eligible)
    has_match(masks, masks[0], eligible)
    top_k(blend(masks, masks[0], 1, eligible_values(values, item_idx, eligible), (1.0, 1.0)), eligible, 1)
