"""Query parameters of the endpoints about items."""

from typing import Annotated

from recommender.api.fields import WholeNumber
from recommender.api.request_models import Filtered, Offset
from recommender.entities import MAX_WINDOW_DAYS, Page


class SimilarQuery(Offset, Filtered):
    """For similar media."""

    @property
    def page(self) -> Page:
        """Return the page."""
        return Page(self.limit, self.offset)


class PopularQuery(SimilarQuery):
    """For popular media."""

    window_days: Annotated[int | None, WholeNumber(0, MAX_WINDOW_DAYS)] = None
    """Count likes and watches of this many days; 0 is all time."""
