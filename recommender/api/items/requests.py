"""What requests for media may hold."""

from typing import Annotated

from recommender.api.fields import WholeNumber
from recommender.api.request_models import Filtered, Offset
from recommender.entities import MAX_WINDOW_DAYS, Page


class SimilarQuery(Offset, Filtered):
    """For media like one."""

    @property
    def page(self) -> Page:
        """The page asked for."""
        return Page(self.limit, self.offset)


class PopularQuery(SimilarQuery):
    """For popular media."""

    window_days: Annotated[int | None, WholeNumber(0, MAX_WINDOW_DAYS)] = None
    """Popular in the last so many days; 0 is ever."""
