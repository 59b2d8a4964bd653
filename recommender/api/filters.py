"""Makes request fields for the filters that a domain declares."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recommender.api.fields import Number, OneOfWords, Texts, WholeNumber, WrongValueError
from recommender.domains.attributes import MATCH, Attribute, AttributeKind, FilterDescriptions
from recommender.domains.base import Domain
from recommender.entities import ItemFilter, NamesCondition, RangeCondition, Wanted
from recommender.errors import ConfigurationError

_MAX_NAMES = 50
# Field of the ids to leave out, if a model has one.
EXCLUDE = "exclude"

Names = Annotated[tuple[str, ...], Texts(_MAX_NAMES)]
_MATCHES = (Wanted.ANY.value, Wanted.ALL.value)
Condition = NamesCondition | RangeCondition
# Makes conditions from the values of an attribute's two parameters; none if neither is given.
_Reader = Callable[["Filters"], list[Condition]]


class Filters(BaseModel):
    """The filters of a request for items. `filter_fields` makes its fields."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    # `bind_filters` sets both.
    readers: ClassVar[tuple[_Reader, ...]] = ()
    ranges: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @model_validator(mode="after")
    def _ranges_are_in_order(self) -> "Filters":
        for first, last in self.ranges:
            least, most = getattr(self, first), getattr(self, last)
            if least is not None and most is not None and least > most:
                raise WrongValueError(f"{first} must not be above {last}, got {least} and {most}")
        return self

    @property
    def filters(self) -> ItemFilter:
        """Return the conditions that items must meet."""
        conditions = tuple(condition for read in self.readers for condition in read(self))
        return ItemFilter(conditions, getattr(self, EXCLUDE, ()))


F = TypeVar("F", bound=Filters)


def refuse_taken_names(domain: Domain, base: type[BaseModel]) -> None:
    """Refuse a filter that has the name of another field of a request.

    Raises:
        ConfigurationError: the message names the filter.
    """
    for name in domain.filter_parameters:
        if hasattr(base, name):
            raise ConfigurationError(f"{name}: requests have something of this name; choose another name")


def filter_fields(domain: Domain) -> dict[str, Any]:
    """Return the fields of a domain's filters for `create_model`, in the order of the attributes."""
    fields: dict[str, Any] = {}
    sets = [attribute.parameter for attribute in domain.filtered if attribute.kind is AttributeKind.SET]
    for attribute in domain.filtered:
        descriptions = attribute.filter_descriptions or _default_descriptions(attribute, domain)
        kind, default = _type_of(attribute)
        for name, description in zip(attribute.parameters, descriptions, strict=True):
            fields[name] = (kind, Field(default, description=description))
    match = f"`all`: items must have all that is given for {' or '.join(sets)}, not `any` of it."
    fields[MATCH] = (Annotated[str, OneOfWords(_MATCHES)], Field(_MATCHES[0], description=match))
    for name in domain.match_parameters:
        description = f"The same for {name.removeprefix(f'{MATCH}_')} alone, in place of `{MATCH}`."
        fields[name] = (Annotated[str | None, OneOfWords(_MATCHES)], Field(None, description=description))
    return fields


def bind_filters(model: type[F], domain: Domain) -> type[F]:
    """Bind a model to the fields that `filter_fields` made for it, and return it."""
    model.readers = tuple(_reader(attribute) for attribute in domain.filtered)
    model.ranges = tuple(
        attribute.parameters for attribute in domain.filtered if attribute.kind is AttributeKind.NUMBER
    )
    return model


def _type_of(attribute: Attribute) -> tuple[Any, Any]:
    """Return the type of an attribute's parameters, and their default."""
    if attribute.kind is not AttributeKind.NUMBER:
        return Names, ()
    if attribute.whole:
        return Annotated[int | None, WholeNumber(*attribute.bounds)], None
    return Annotated[float | None, Number()], None


def _default_descriptions(attribute: Attribute, domain: Domain) -> FilterDescriptions:
    items, name = domain.plural.capitalize(), attribute.label
    if attribute.kind is AttributeKind.NUMBER:
        return FilterDescriptions(
            f"{items} whose {name} is this or more.", f"{items} whose {name} is this or less."
        )
    spelled = "without regard to case or white space."
    return FilterDescriptions(
        f"{items} with any of these for {name}, {spelled}",
        f"{items} with none of these for {name}, {spelled}",
    )


def _wanted(model: Filters, attribute: Attribute) -> Wanted:
    """Return whether items must have any or all of an attribute's names."""
    if attribute.kind is not AttributeKind.SET:
        # An item has one category, so no item could have all of several.
        return Wanted.ANY
    return Wanted(getattr(model, attribute.match_parameter, None) or getattr(model, MATCH))


def _reader(attribute: Attribute) -> _Reader:
    first, second = attribute.parameters
    name = attribute.name

    def read_range(model: Filters) -> list[Condition]:
        least, most = getattr(model, first), getattr(model, second)
        return [] if least is None and most is None else [RangeCondition(name, least, most)]

    def read_names(model: Filters) -> list[Condition]:
        names, unwanted = getattr(model, first), getattr(model, second)
        found: list[Condition] = []
        if names:
            found.append(NamesCondition(name, names, _wanted(model, attribute)))
        if unwanted:
            found.append(NamesCondition(name, unwanted, Wanted.NONE))
        return found

    return read_range if attribute.kind is AttributeKind.NUMBER else read_names
