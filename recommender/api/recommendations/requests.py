"""Query parameters and bodies of requests for recommendations."""

from typing import Annotated

from recommender.api.fields import Flag, Ids
from recommender.api.filters import Names
from recommender.api.request_models import Bound, Filtered, Paged
from recommender.entities import Options

# Limits the cost of a preview, which grows with the length of the history sent.
_MAX_LIKED = 100


class Explainable(Filtered):
    """A page of recommendations, explained or not."""

    explain: Annotated[bool, Flag()] = False
    """Explain each recommendation."""

    @property
    def options(self) -> Options:
        """Return the options of the recommendations."""
        return Options(filters=self.filters, explained=self.explain)


class RecommendationsQuery(Paged, Explainable):
    """For one user."""

    @property
    def options(self) -> Options:
        """Return the options of the recommendations."""
        return Options(filters=self.filters, explained=self.explain, index_version=self.index)


class BatchBody(Explainable):
    """For an answer in one piece."""

    user_ids: Annotated[
        tuple[str, ...], Bound(lambda limits: Ids(limits.user_id_form, 1, limits.settings.max_batch_users))
    ]
    """Whom to recommend to."""


class StreamedBatchBody(Explainable):
    """For a streamed answer."""

    user_ids: Annotated[
        tuple[str, ...], Bound(lambda limits: Ids(limits.user_id_form, 1, limits.settings.max_stream_users))
    ]
    """Whom to recommend to."""


class PreviewBody(Explainable):
    """The taste of a person without an account."""

    genres: Names = ()
    """The genres that the person likes."""
    liked: Annotated[tuple[str, ...], Bound(lambda limits: Ids(limits.item_id_form, 0, _MAX_LIKED))] = ()
    """Ids of media that the person likes."""
