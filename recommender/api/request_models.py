"""What requests may hold, a model an endpoint: they validate requests, and the API is described by them."""

import functools
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from recommender.api.fields import Flag, Ids, Text, Texts, WholeNumber, WrongValueError
from recommender.domain import DEFAULT_LIMIT, MAX_WINDOW_DAYS, MediaFilter, Options, Page
from recommender.ids import IdForm

MAX_OFFSET = 2_147_483_647
_MAX_NAMES = 50
_MAX_MEDIA_IDS = 500
_MAX_VERSION = 64
# Anybody may send a history to be worked on, and its length is what it costs.
_MAX_LIKED = 100

# What an explained recommendation takes, in bytes and in time, of one that is not.
EXPLAINED_WEIGHT = 5

M = TypeVar("M", bound=BaseModel)

Names = Annotated[tuple[str, ...], Texts(_MAX_NAMES)]
Year = Annotated[int | None, WholeNumber(1, 9999)]


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What the settings allow callers to ask for."""

    max_limit: int
    max_batch_users: int
    max_stream_users: int
    max_batch_recommendations: int
    user_id_form: IdForm
    media_id_form: IdForm


class Filtered(BaseModel):
    """A page of media of a kind."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    limit: int
    """How many media at most."""
    genre: Names = ()
    """Media with any of these genres, without regard to case or white space."""
    media_type: Names = ()
    """Media of any of these types, without regard to case or white space."""
    min_year: Year = None
    """Media of this year or later."""
    max_year: Year = None
    """Media of this year or earlier."""
    exclude: tuple[str, ...] = ()
    """Ids of media that are not wanted."""

    @model_validator(mode="after")
    def _years_are_in_order(self) -> "Filtered":
        if self.min_year is not None and self.max_year is not None and self.min_year > self.max_year:
            raise WrongValueError(
                f"min_year must not be above max_year, got {self.min_year} and {self.max_year}"
            )
        return self

    @property
    def filters(self) -> MediaFilter:
        """The kind."""
        return MediaFilter(self.genre, self.media_type, self.min_year, self.max_year, self.exclude)


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


class RequestModels:
    """The models with the bounds that the settings draw."""

    def __init__(self, limits: RequestLimits) -> None:
        limit = WholeNumber(1, limits.max_limit)
        media_ids = Ids(limits.media_id_form, 0, _MAX_MEDIA_IDS)
        self._common: dict[str, Any] = {
            "limit": (Annotated[int, limit], min(DEFAULT_LIMIT, limits.max_limit)),
            "exclude": (Annotated[tuple[str, ...], media_ids], ()),
        }
        self.recommendations = self._bounded(RecommendationsQuery)
        self.similar = self._bounded(SimilarQuery)
        self.popular = self._bounded(PopularQuery)
        liked = Ids(limits.media_id_form, 0, _MAX_LIKED)
        self.preview = self._bounded(PreviewBody, liked=(Annotated[tuple[str, ...], liked], ()))
        self.batch, self.streamed_batch = (
            self._bounded(
                BatchBody, user_ids=(Annotated[tuple[str, ...], Ids(limits.user_id_form, 1, users)], ...)
            )
            for users in (limits.max_batch_users, limits.max_stream_users)
        )

    def _bounded(self, model: type[M], **fields: Any) -> type[M]:
        described: dict[str, Any] = {
            name: (kind, Field(default, description=model.model_fields[name].description))
            for name, (kind, default) in {**self._common, **fields}.items()
        }
        return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **described)


@functools.lru_cache(maxsize=8)
def request_models(limits: RequestLimits) -> RequestModels:
    """The models for some limits; making them takes longer than all the rest of the app."""
    return RequestModels(limits)
