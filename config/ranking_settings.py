"""Settings of the ranking: weights, window, the search for similar users, and interaction types."""

from typing import Literal, Self

from pydantic import Field, model_validator

from config.setting_types import Count, SettingsGroup, Share, TextList

# A hundred years.
MAX_WINDOW_DAYS = 36_500


# The source of the content score: stated genres, or these and the history.
Content = Literal["stated", "profile"]


class RankingSettings(SettingsGroup):
    """The weights of both scores, and how many days back interactions count; 0 for all time.

    `content`: the source of the content score. `min_history`: for users who liked or watched fewer items,
    similar users are mixed into a trained model; 0 for none.
    """

    content_weight: Share = 0.4
    collaborative_weight: Share = 0.6
    content: Content = "stated"
    interaction_window_days: int = Field(default=90, ge=0, le=MAX_WINDOW_DAYS)
    min_history: int = Field(default=5, ge=0)

    @property
    def leaves_blend_open(self) -> bool:
        """Whether weights and content source are unset, so that a trained version may bring its own."""
        return not {"content_weight", "collaborative_weight", "content"} & self.model_fields_set


class NeighbourSearchSettings(SettingsGroup):
    """How many similar users count, and how much the live search for them may read.

    `exact_up_to_pairs`: if the window holds at most this many pairs of user and item, the caps below are off.
    """

    similar_users: Count = 50
    exact_up_to_pairs: int = Field(default=200_000, ge=0)
    history_items: Count = 30
    users_per_item: Count = 100
    shortlist: Count = 60
    items_per_user: Count = 200


class InteractionTypes(SettingsGroup):
    """What each value of `interaction.type` means; other values are ignored.

    `likes` and `dislikes` are verdicts: the latest decides. `watches` are positive if there is no
    verdict. `excluding`: types that exclude an item from recommendation; empty for all types.
    """

    likes: TextList = Field(default=("LIKE",), validation_alias="like_types")
    watches: TextList = Field(default=("WATCH",), validation_alias="watch_types")
    dislikes: TextList = Field(default=("DISLIKE",), validation_alias="dislike_types")
    excluding: TextList = Field(default=(), validation_alias="excluding_types")

    @property
    def positive(self) -> tuple[str, ...]:
        """The types that count in favor of an item."""
        return (*self.likes, *self.watches)

    @model_validator(mode="after")
    def _types_have_one_meaning(self) -> Self:
        named = [*self.likes, *self.watches, *self.dislikes]
        repeated = sorted({name for name in named if named.count(name) > 1})
        if repeated:
            raise ValueError(
                f"LIKE_TYPES, WATCH_TYPES, DISLIKE_TYPES: {', '.join(repeated)} is named more than once"
            )
        if not self.positive:
            raise ValueError("LIKE_TYPES, WATCH_TYPES: both are empty, so no interaction would count")
        return self
