"""Compiles what ranks, or loads it, before a request has to wait for it."""

import numpy as np

from recommender.ranking.blend import blend, offer
from recommender.ranking.content import has_match
from recommender.ranking.top_k import top_k


def warm_up_ranking() -> None:
    """Rank one item: takes two seconds where the loops are not cached, and else a thirtieth of one."""
    values, item_idx, eligible = np.ones(1, dtype=np.int64), np.arange(1), np.ones(1, dtype=np.bool_)
    masks = np.ones((1, 1), dtype=np.uint64)
    offer(values, None, eligible)
    has_match(masks, masks[0], eligible)
    top_k(blend(masks, masks[0], 1, offer(values, item_idx, eligible), (1.0, 1.0)), eligible, 1)
