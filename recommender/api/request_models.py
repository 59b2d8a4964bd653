"""What requests may hold, a model an endpoint: they validate requests, and the API is described by them."""

import functools
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from recommender.api.fields import Flag, Ids, Text, WholeNumber
from recommender.api.filters import EXCLUDE, Filters, Names, bind_filters, filter_fields
from recommender.domain import DEFAULT_LIMIT, MAX_WINDOW_DAYS, Options, Page
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.ids import IdForm

MAX_OFFSET = 2_147_483_647
_MAX_MEDIA_IDS = 500
_MAX_VERSION = 64
# Anybody may send a history to be worked on, and its length is what it costs.
_MAX_LIKED = 100

# What an explained recommendation takes, in bytes and in time, of one that is not.
EXPLAINED_WEIGHT = 5


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What the settings allow callers to ask for, of what domain."""

    max_limit: int
    max_batch_users: int
    max_stream_users: int
    max_batch_recommendations: int
    user_id_form: IdForm
    media_id_form: IdForm
    domain: Domain = MEDIA


class Filtered(Filters):
    """A page of items; the filters are those of a domain."""

    limit: int


class Explainable(Filtered):
    """A page of recommendations."""

    explain: Annotated[bool, Flag()] = False
    """Say of each how it came about."""

    @property
    def options(self) -> Options:
        """How recommendations are asked for."""
        return Options(filters=self.filters, explained=self.explain)


class Offset(BaseModel):
    """A page further on."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    offset: Annotated[int, WholeNumber(0, MAX_OFFSET)] = 0
    """How many media of the ranking come before the page."""
    index: Annotated[str | None, Text(_MAX_VERSION)] = None
    """`index` of the answer before: rank by the same catalogue index, where it is still kept."""


class RecommendationsQuery(Offset, Explainable):
    """GET /api/recommendations/<user_id>."""

    @property
    def page(self) -> Page:
        """The page asked for."""
        return Page(self.limit, self.offset)

    @property
    def options(self) -> Options:
        """How recommendations are asked for."""
        return Options(filters=self.filters, explained=self.explain, index_version=self.index)


class SimilarQuery(Offset, Filtered):
    """GET /api/media/<media_id>/similar."""

    @property
    def page(self) -> Page:
        """The page asked for."""
        return Page(self.limit, self.offset)


class PopularQuery(SimilarQuery):
    """GET /api/media/popular."""

    window_days: Annotated[int | None, WholeNumber(0, MAX_WINDOW_DAYS)] = None
    """Popular in the last so many days; 0 is ever."""


class BatchBody(Explainable):
    """POST /api/recommendations/batch."""

    user_ids: tuple[str, ...]
    """Whom to recommend to."""


class PreviewBody(Explainable):
    """POST /api/recommendations/preview."""

    genres: Names = ()
    """The genres that somebody says they like."""
    liked: tuple[str, ...] = ()
    """Ids of media that they like."""


M = TypeVar("M", bound=Filtered)


class RequestModels:
    """The models with the filters of the domain and the bounds that the settings draw."""

    def __init__(self, limits: RequestLimits) -> None:
        self._domain = limits.domain
        limit = Annotated[int, WholeNumber(1, limits.max_limit)]
        default = min(DEFAULT_LIMIT, limits.max_limit)
        items = limits.domain.plural
        self._limit = (limit, Field(default, description=f"How many {items} at most."))
        media_ids = Ids(limits.media_id_form, 0, _MAX_MEDIA_IDS)
        fields: dict[str, Any] = {
            "limit": self._limit,
            **filter_fields(limits.domain),
            EXCLUDE: (
                Annotated[tuple[str, ...], media_ids],
                Field((), description=f"Ids of {items} that are not wanted."),
            ),
        }
        self._filtered: type[Filtered] = create_model("Filtered", __base__=Filtered, **fields)
        self.recommendations = self._bounded(RecommendationsQuery)
        self.similar = self._bounded(SimilarQuery)
        self.popular = self._bounded(PopularQuery)
        liked = Annotated[tuple[str, ...], Ids(limits.media_id_form, 0, _MAX_LIKED)]
        self.preview = self._bounded(PreviewBody, liked=_described(PreviewBody, "liked", liked, ()))
        self.batch, self.streamed_batch = (
            self._bounded(BatchBody, user_ids=_described(BatchBody, "user_ids", user_ids, ...))
            for user_ids in (
                Annotated[tuple[str, ...], Ids(limits.user_id_form, 1, users)]
                for users in (limits.max_batch_users, limits.max_stream_users)
            )
        )

    def _bounded(self, model: type[M], **fields: Any) -> type[M]:
        """The model with the filters, whose fields come before its own."""
        # Of a field that both bases have, pydantic takes the first base's: the bound has to be set once more.
        described: dict[str, Any] = {"limit": self._limit, **fields}
        bases: Any = (model, self._filtered)
        bounded: type[M] = create_model(model.__name__, __base__=bases, __doc__=model.__doc__, **described)
        return bind_filters(bounded, self._domain)


def _described(model: type[BaseModel], name: str, kind: Any, default: Any) -> tuple[Any, Any]:
    """A field of a model with other bounds."""
    return kind, Field(default, description=model.model_fields[name].description)


@functools.lru_cache(maxsize=8)
def request_models(limits: RequestLimits) -> RequestModels:
    """The models for some limits; making them takes longer than all the rest of the app."""
    return RequestModels(limits)
