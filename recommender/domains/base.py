"""A domain: what is recommended, declared in one place."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from recommender.domains.attributes import MATCH, Attribute, AttributeKind
from recommender.errors import ConfigurationError

# Names in answers and files that are not attributes.
RESERVED_FIELDS = frozenset(
    {
        "id",
        "user_id",
        "media_id",
        "rank",
        "recommendation_score",
        "content_score",
        "collaborative_score",
        "matched_genres",
        "similar_user_count",
        "total_interaction_value",
        "because_you_liked",
        "score_parts",
        "reason",
        "user_count",
        "similarity",
        "shared_user_count",
        "genre_overlap",
        "strategy",
        "degraded",
        "model",
        "model_version",
        "variant",
        "token",
    }
)
# Names of parameters that are not filters by attributes: of the API, and of the explorer's URL.
RESERVED_PARAMETERS = frozenset(
    {
        "limit",
        "offset",
        "index",
        "explain",
        "exclude",
        "match",
        "window_days",
        "user_ids",
        "genres",
        "liked",
        "content_weight",
        "collaborative_weight",
        "baseline",
        "user",
        "tab",
        "q",
    }
)


class Verbs(NamedTuple):
    """The words of explanations for a like and for another positive interaction."""

    liked: str = "liked"
    watched: str = "watched"


_VERBS = Verbs()


@dataclass(frozen=True)
class Domain:
    """The names of items, their attributes, and the folder of their SQL.

    `singular`, `plural`: of an item; the plural is in the paths of the API. `attributes`: in the order of the
    columns of fetch_media after the id, and of answers. `indexed`: names of those that fetch_catalogue
    returns before id and key, in its order; the first is the set that users state preferences of. `title`,
    `description`, `cover`, `year`: names of the attributes that pages show as such, empty for none. `own`:
    attributes that an app has added, whose columns come last. `verbs`: of explanations. `sql_path`: a folder
    of query files that replace ours.
    """

    singular: str
    plural: str
    attributes: tuple[Attribute, ...]
    indexed: tuple[str, ...]
    title: str
    description: str = ""
    cover: str = ""
    year: str = ""
    own: tuple[Attribute, ...] = ()
    verbs: Verbs = _VERBS
    sql_path: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a contradictory declaration.

        Raises:
            ConfigurationError: a named attribute is not declared, or a name is used twice.
        """
        known = {attribute.name: attribute for attribute in self.attributes}
        roles = filter(None, (self.title, self.description, self.cover, self.year))
        missing = [name for name in (*self.indexed, *roles) if name not in known]
        if missing:
            raise ConfigurationError(f"{self.plural}: no attribute is called {', '.join(missing)}")
        if not self.indexed or known[self.indexed[0]].kind is not AttributeKind.SET:
            raise ConfigurationError(f"{self.plural}: the first indexed attribute must be a set")
        _refuse_repeated(self.shown)

    @cached_property
    def preferences(self) -> Attribute:
        """The set that users state preferences of, such as genres."""
        return self.filtered[0]

    @cached_property
    def shown(self) -> tuple[Attribute, ...]:
        """All attributes in the order of answers, which is that of the columns of fetch_media."""
        return (*self.attributes, *self.own)

    @cached_property
    def filtered(self) -> tuple[Attribute, ...]:
        """The attributes that items are filtered by, in the order of the columns of fetch_catalogue."""
        known = {attribute.name: attribute for attribute in self.attributes}
        return (*(known[name] for name in self.indexed), *self.own_filtered)

    @cached_property
    def own_filtered(self) -> tuple[Attribute, ...]:
        """The filtered attributes that an app has added."""
        return tuple(attribute for attribute in self.own if attribute.filterable)

    @property
    def filter_parameters(self) -> tuple[str, ...]:
        """The parameters of all filters by attributes."""
        of_attributes = (name for attribute in self.filtered for name in attribute.parameters)
        return (*of_attributes, MATCH, *self.match_parameters)

    @cached_property
    def match_parameters(self) -> tuple[str, ...]:
        """The parameters that replace `match` for one set each; none if there is only one set."""
        names = tuple(attribute.match_parameter for attribute in self.filtered if attribute.match_parameter)
        return names if len(names) > 1 else ()

    def extended(self, own: Iterable[Attribute]) -> "Domain":
        """Return the domain with an app's own attributes.

        Raises:
            ConfigurationError: a name is used twice.
        """
        return replace(self, own=(*self.own, *own))

    def returned_types(self, query_name: str) -> list[tuple[str, ...]] | None:
        """Return the allowed column types of fetch_media or fetch_catalogue; None for other queries."""
        own = [attribute.column_types for attribute in self.own_returned(query_name)]
        if query_name == "fetch_media":
            return [("text",), *(attribute.column_types for attribute in self.attributes), *own]
        if query_name == "fetch_catalogue":
            ours = self.filtered[: len(self.indexed)]
            return [*(attribute.column_types for attribute in ours), ("text",), ("bytea",), *own]
        return None

    def own_returned(self, query_name: str) -> tuple[Attribute, ...]:
        """Return the app's own attributes, whose columns come last in a query."""
        if query_name == "fetch_media":
            return self.own
        return self.own_filtered if query_name == "fetch_catalogue" else ()


def _refuse_repeated(attributes: Iterable[Attribute]) -> None:
    """Refuse names that are used twice.

    Raises:
        ConfigurationError: the message names the attribute and the collision.
    """
    fields, parameters = Counter(RESERVED_FIELDS), Counter(RESERVED_PARAMETERS)
    for attribute in attributes:
        taken = list(_taken(attribute, fields, parameters))
        if taken:
            raise ConfigurationError(f"{attribute.name}: {' and '.join(taken)} already; choose another name")
        fields[attribute.name] += 1
        parameters.update(_parameters(attribute))


def _taken(attribute: Attribute, fields: Counter[str], parameters: Counter[str]) -> Iterator[str]:
    if fields[attribute.name]:
        yield f"answers have a field {attribute.name}"
    for name in _parameters(attribute):
        if parameters[name]:
            yield f"requests have a parameter {name}"


def _parameters(attribute: Attribute) -> tuple[str, ...]:
    return (*attribute.parameters, *filter(None, [attribute.match_parameter]))
