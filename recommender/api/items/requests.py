"""Query parameters of the endpoints about items."""

from typing import Annotated

from recommender.api.fields import WholeNumber
from recommender.api.request_models import Paged
from recommender.entities import MAX_WINDOW_DAYS


class SimilarQuery(Paged):
    """For similar media."""


class PopularQuery(Paged):
    """For popular media."""

    window_days: Annotated[int | None, WholeNumber(0, MAX_WINDOW_DAYS)] = None
    """Count likes and watches of this many days; 0 is all time."""
