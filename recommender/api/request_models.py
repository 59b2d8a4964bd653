"""What the models of requests share; those of each endpoint stand beside its route."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from recommender.api.fields import Ids, Text, Texts, WholeNumber, WrongValueError
from recommender.domain import DEFAULT_LIMIT, MediaFilter
from recommender.ids import IdForm

MAX_OFFSET = 2_147_483_647
_MAX_NAMES = 50
_MAX_MEDIA_IDS = 500
_MAX_VERSION = 64

Names = Annotated[tuple[str, ...], Texts(_MAX_NAMES)]
Year = Annotated[int | None, WholeNumber(1, 9999)]


F = TypeVar("F", bound="Filtered")


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


class Offset(BaseModel):
    """A page further on."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    offset: Annotated[int, WholeNumber(0, MAX_OFFSET)] = 0
    """How many media of the ranking come before the page."""
    index: Annotated[str | None, Text(_MAX_VERSION)] = None
    """`index` of the answer before: rank by the same catalogue index, where it is still kept."""


class Bound:
    """Marks a field of a request model whose type the settings decide."""

    def __init__(self, draw: Callable[[RequestLimits], Any]) -> None:
        """Have `draw` make the type from the limits."""
        self.draw = draw


def bounded(model: type[F], limits: RequestLimits) -> type[F]:
    """Return the model with the bounds that the settings draw.

    It is made once for each model and limits: that takes longer than all the rest of the app.
    """
    return cast("type[F]", _bounded(model, limits))


@functools.lru_cache(maxsize=64)
def _bounded(model: type[Filtered], limits: RequestLimits) -> type[Filtered]:
    media_ids = Ids(limits.media_id_form, 0, _MAX_MEDIA_IDS)
    fields: dict[str, Any] = {
        "limit": (
            Annotated[int, WholeNumber(1, limits.max_limit)],
            min(DEFAULT_LIMIT, limits.max_limit),
        ),
        "exclude": (Annotated[tuple[str, ...], media_ids], ()),
    }
    for name, found in model.model_fields.items():
        for mark in found.metadata:
            if isinstance(mark, Bound):
                default = ... if found.is_required() else found.default
                fields[name] = (Annotated[found.annotation, mark.draw(limits)], default)
    described: dict[str, Any] = {
        name: (kind, Field(default, description=model.model_fields[name].description))
        for name, (kind, default) in fields.items()
    }
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **described)
