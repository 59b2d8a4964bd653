"""The content score by profile, computed slowly and plainly from the raw tables."""

import math
from dataclasses import dataclass
from functools import cached_property

from recommender.entities import DatabaseName
from tests.support.reference import Reference, Scored

_STEPS = 1 << 40


@dataclass
class ProfileReference(Reference):
    """The definition with `CONTENT=profile`."""

    @cached_property
    def genre_shares(self) -> dict[str, float]:
        """Return p_g."""
        counts: dict[str, float] = {}
        for item_id in self.catalog:
            genres = self.genres_of_items.get(item_id, set())
            for genre in genres:
                counts[genre] = counts.get(genre, 0.01) + self.popularity[item_id] / len(genres)
        total = math.fsum(counts.values())
        return {genre: count / total for genre, count in counts.items()}

    @cached_property
    def most(self) -> int:
        return max(self.popularity[item_id] for item_id in self.catalog)

    def genre_counts(self, stated: set[str], liked: set[str]) -> dict[str, float]:
        """Return n_g."""
        counts = {genre: 2.0 if genre in stated else 0.0 for genre in self.genre_shares}
        for item_id in liked & self.catalog:
            genres = self.genres_of_items.get(item_id, set())
            for genre in genres:
                counts[genre] += 1 / len(genres)
        return counts

    def profile_score(self, counts: dict[str, float], item_id: str) -> float:
        total = math.fsum(counts.values())
        lifts = [
            math.log((counts[genre] + 40 * share) / ((total + 40) * share))
            for genre, share in self.genre_shares.items()
            if genre in self.genres_of_items.get(item_id, set())
        ]
        mean = math.fsum(lifts) / len(lifts) if lifts else 0.0
        popularity = math.sqrt(math.log(1 + self.popularity[item_id]) / math.log(1 + self.most))
        return popularity / (1 + math.exp(-2 * mean))

    def rank_by_profile(
        self, stated: set[str], liked: set[str], neighbours: list[str], seen: set[str]
    ) -> list[Scored]:
        """Return the full ranking for a user with these stated genres and this history."""
        eligible = self.catalog - seen
        collaborative = self.collaborative_scores(neighbours, eligible)
        counts = self.genre_counts(stated, liked)
        scored = []
        for item_id in eligible:
            content, other = self.profile_score(counts, item_id), collaborative[item_id]
            total = 0.4 * content + 0.6 * other
            scored.append(Scored(item_id, total, content, other, round(total * _STEPS)))
        scored.sort(key=lambda each: (-each.exact, -self.popularity[each.item_id], each.item_id))
        return scored

    def rank(self, user: str, *, without: tuple[DatabaseName, ...] = ()) -> list[Scored]:
        """Return the full ranking, `without` the databases that are down."""
        stated = set() if DatabaseName.USER in without else self.genres_of_user.get(user, set())
        if DatabaseName.ENGAGEMENT in without:
            return self.rank_by_profile(stated, set(), [], set())
        liked = self.positive.get(user, set())
        return self.rank_by_profile(stated, liked, self.similar(user), self.seen.get(user, set()))
