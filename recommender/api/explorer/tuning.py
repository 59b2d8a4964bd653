"""What the sliders say: read from a query string, and written into one."""

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel, create_model

from recommender.api.fields import Share, WholeNumber
from recommender.domain import MAX_WINDOW_DAYS, Weights

_STEPS_DAYS = (7, 14, 30, 60, 90, 180, 365)
ALL_TIME = 0


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a ranking is asked for."""

    weights: Weights
    window_days: int
    limit: int

    def arguments(self, defaults: "Tuning") -> dict[str, str]:
        """What differs from the configuration, as query parameters."""
        given = {
            "content_weight": (self.weights.content, defaults.weights.content),
            "collaborative_weight": (self.weights.collaborative, defaults.weights.collaborative),
            "window_days": (self.window_days, defaults.window_days),
            "limit": (self.limit, defaults.limit),
        }
        return {name: f"{value:.12g}" for name, (value, default) in given.items() if value != default}

    def window_steps(self, defaults: "Tuning") -> list[int]:
        """The windows to choose from, in days, shortest first and all time last."""
        finite = {*_STEPS_DAYS, self.window_days, defaults.window_days} - {ALL_TIME}
        return [*sorted(finite), ALL_TIME]


class TuningQuery(BaseModel):
    """The sliders; None where the configuration holds. `baseline`: ids that a ranking is compared with."""

    content_weight: Annotated[float | None, Share()] = None
    collaborative_weight: Annotated[float | None, Share()] = None
    window_days: Annotated[int | None, WholeNumber(0, MAX_WINDOW_DAYS)] = None
    limit: int | None = None
    baseline: str = ""

    def tuning(self, defaults: Tuning) -> Tuning:
        """What is asked for, the configuration where nothing is."""
        given = self.model_dump(include={"window_days", "limit"}, exclude_none=True)
        weights = self.model_dump(include={"content_weight", "collaborative_weight"}, exclude_none=True)
        return replace(
            defaults,
            weights=replace(
                defaults.weights, **{name.removesuffix("_weight"): value for name, value in weights.items()}
            ),
            **given,
        )

    @property
    def baseline_ids(self) -> list[str]:
        """The ids, in order."""
        return [media_id for media_id in self.baseline.split(",") if media_id]


def tuning_query(max_limit: int) -> type[TuningQuery]:
    """The model with the bound that the settings draw."""
    limit = Annotated[int | None, WholeNumber(1, max_limit)]
    return create_model("TuningQuery", __base__=TuningQuery, limit=(limit, None))
