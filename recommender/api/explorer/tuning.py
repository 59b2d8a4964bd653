"""Reads the values of sliders and filters from a query string, and writes them into one."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import create_model

from recommender.api.fields import Share, WholeNumber
from recommender.api.filters import Filters, bind_filters, filter_fields, refuse_taken_names
from recommender.domains.base import Domain
from recommender.entities import ANY_ITEM, MAX_WINDOW_DAYS, ItemFilter, Weights

_STEPS_DAYS = (7, 14, 30, 60, 90, 180, 365)
ALL_TIME = 0
# As many as fields of numbers accept.
_MOST_DECIMALS = 20
# Query parameters.
SLIDERS = ("content_weight", "collaborative_weight", "window_days", "limit")
_NO_FILTERS = frozenset({*SLIDERS, "baseline"})


@dataclass(frozen=True, slots=True)
class Tuning:
    """The values to rank with. `filter_texts`: the filters as given, by parameter; one may be repeated."""

    weights: Weights
    window_days: int
    limit: int
    filters: ItemFilter = ANY_ITEM
    filter_texts: tuple[tuple[str, str], ...] = ()

    def arguments(self, defaults: "Tuning") -> list[tuple[str, str]]:
        """Return query parameters for the values that differ from the configuration, and for the filters."""
        given = {
            "content_weight": (self.weights.content, defaults.weights.content),
            "collaborative_weight": (self.weights.collaborative, defaults.weights.collaborative),
            "window_days": (self.window_days, defaults.window_days),
            "limit": (self.limit, defaults.limit),
        }
        changed = [(name, decimal(value)) for name, (value, default) in given.items() if value != default]
        return [*changed, *self.filter_texts]

    @property
    def texts_by_filter(self) -> dict[str, list[str]]:
        """Return what is given for each filter, without those that are not given."""
        found: dict[str, list[str]] = {}
        for name, text in self.filter_texts:
            found.setdefault(name, []).append(text)
        return found

    def window_steps(self, defaults: "Tuning") -> list[int]:
        """Return the windows to choose from, in days, shortest first, all time (0) last."""
        finite = {*_STEPS_DAYS, self.window_days, defaults.window_days} - {ALL_TIME}
        return [*sorted(finite), ALL_TIME]


class TuningQuery(Filters):
    """Query parameters of the sliders (None: as configured) and the filters.

    `baseline`: the ranking to compare with, as `baseline.encode_ranking` returns it.
    """

    content_weight: Annotated[float | None, Share()] = None
    collaborative_weight: Annotated[float | None, Share()] = None
    window_days: Annotated[int | None, WholeNumber(0, MAX_WINDOW_DAYS)] = None
    limit: int | None = None
    baseline: str = ""

    def tuning(self, defaults: Tuning) -> Tuning:
        """Return the values to rank with; `defaults` for what is not given."""
        given = self.model_dump(include={"window_days", "limit"}, exclude_none=True)
        weights = self.model_dump(include={"content_weight", "collaborative_weight"}, exclude_none=True)
        given_filters = sorted(self.model_fields_set - _NO_FILTERS)
        texts = ((name, text) for name in given_filters for text in _texts(getattr(self, name)))
        return replace(
            defaults,
            filters=self.filters,
            filter_texts=tuple(texts),
            weights=replace(
                defaults.weights, **{name.removesuffix("_weight"): value for name, value in weights.items()}
            ),
            **given,
        )


def _texts(value: object) -> list[str]:
    """Return a filter's value as texts for the page, where a field holds one name."""
    values = value if isinstance(value, tuple) else (value,)
    return [decimal(each) if isinstance(each, float) else str(each) for each in values]


def decimal(number: float) -> str:
    """Return a number as query parameters accept it: not rounded, and without an exponent."""
    return np.format_float_positional(number, precision=_MOST_DECIMALS, trim="-")


def tuning_query(max_limit: int, domain: Domain) -> type[TuningQuery]:
    """Return the query model with the limits of the settings and the filters of the domain."""
    refuse_taken_names(domain, TuningQuery)
    limit = Annotated[int | None, WholeNumber(1, max_limit)]
    fields = {"limit": (limit, None), **filter_fields(domain)}
    return bind_filters(create_model("TuningQuery", __base__=TuningQuery, **fields), domain)
