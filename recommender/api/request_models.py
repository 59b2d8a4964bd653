"""Base classes and limits of request models; each endpoint's models are beside its route."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, create_model

from config.request_settings import RequestSettings
from recommender.api.fields import Ids, Text, WholeNumber
from recommender.api.filters import EXCLUDE, Filters, bind_filters, filter_fields, refuse_taken_names
from recommender.domains.base import Domain
from recommender.domains.media import MEDIA
from recommender.entities import DEFAULT_LIMIT, Page
from recommender.texts.ids import IdForm

MAX_OFFSET = 2_147_483_647
_MAX_ITEM_IDS = 500
_MAX_VERSION = 64
# The fields of models made here have their descriptions already: pydantic need not parse this file for them.
_WITHOUT_SOURCE = {"use_attribute_docstrings": False}


F = TypeVar("F", bound="Filtered")


@dataclass(frozen=True)
class RequestLimits:
    """The limits of requests: settings, and the domain of the items."""

    settings: RequestSettings
    domain: Domain = MEDIA

    @cached_property
    def user_id_form(self) -> IdForm:
        """Return the form of user ids."""
        return IdForm.of_pattern(self.settings.id_pattern)

    @cached_property
    def item_id_form(self) -> IdForm:
        """Return the form of item ids."""
        return IdForm.of_pattern(self.settings.media_id_pattern)


class Filtered(Filters):
    """A page of items, with the filters of a domain."""

    limit: int


class Offset(BaseModel):
    """The position of a page."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    offset: Annotated[int, WholeNumber(0, MAX_OFFSET)] = 0
    """How many media of the ranking to skip."""
    index: Annotated[str | None, Text(_MAX_VERSION)] = None
    """`index` of the previous answer: rank by the same catalog index, if it is still kept."""


class Paged(Offset, Filtered):
    """A page of a ranking of items, with the filters of a domain."""

    @property
    def page(self) -> Page:
        """Return the page."""
        return Page(self.limit, self.offset)


class Bound:
    """Marks a field of a request model whose type depends on the settings."""

    def __init__(self, make_type: Callable[[RequestLimits], Any]) -> None:
        """Make the type by calling `make_type` with the limits."""
        self.make_type = make_type


def bounded(model: type[F], limits: RequestLimits) -> type[F]:
    """Return the model with the bounds of the settings.

    Cached: making the models takes longer than making the rest of the app.
    """
    return cast("type[F]", _bounded(model, limits))


@functools.lru_cache(maxsize=64)
def _bounded(model: type[Filtered], limits: RequestLimits) -> type[Filtered]:
    refuse_taken_names(limits.domain, model)
    # Pydantic takes a field of both bases from the first one, so the bound is set again.
    fields: dict[str, Any] = {"limit": _limit_field(limits)}
    for name, found in model.model_fields.items():
        for bound in found.metadata:
            if isinstance(bound, Bound):
                default = ... if found.is_required() else found.default
                described = Field(default, description=found.description)
                fields[name] = (Annotated[found.annotation, bound.make_type(limits)], described)
    # The fields of the second base come first.
    bases: Any = (model, _filtered(limits))
    bounded: type[Filtered] = create_model(
        model.__name__, __base__=bases, __doc__=model.__doc__, __cls_kwargs__=_WITHOUT_SOURCE, **fields
    )
    return bind_filters(bounded, limits.domain)


@functools.lru_cache(maxsize=8)
def _filtered(limits: RequestLimits) -> type[Filtered]:
    """Return the model of a page of items, with the filters of their domain."""
    item_ids = Ids(limits.item_id_form, 0, _MAX_ITEM_IDS)
    fields: dict[str, Any] = {
        "limit": _limit_field(limits),
        **filter_fields(limits.domain),
        EXCLUDE: (
            Annotated[tuple[str, ...], item_ids],
            Field((), description=f"Ids of {limits.domain.plural} to leave out."),
        ),
    }
    return create_model("Filtered", __base__=Filtered, __cls_kwargs__=_WITHOUT_SOURCE, **fields)


def _limit_field(limits: RequestLimits) -> tuple[Any, Any]:
    default = min(DEFAULT_LIMIT, limits.settings.max_limit)
    kind = Annotated[int, WholeNumber(1, limits.settings.max_limit)]
    return kind, Field(default, description=f"How many {limits.domain.plural} at most.")
