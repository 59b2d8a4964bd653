"""Attributes of items: their names in rows, answers and filters, and the kinds of their values."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

# The parameter that requires all given names of a set, not any.
MATCH = "match"


class AttributeKind(StrEnum):
    """The values of an attribute: several names, one name, a number, or text that is only shown."""

    SET = "set"
    CATEGORY = "category"
    NUMBER = "number"
    TEXT = "text"


# The column types of each kind, by the names that `check` compares; our SQL casts to the first.
COLUMN_TYPES = {
    AttributeKind.SET: ("text[]",),
    AttributeKind.CATEGORY: ("text",),
    AttributeKind.NUMBER: ("float8", "float4", "int"),
    AttributeKind.TEXT: ("text",),
}


class FilterDescriptions(NamedTuple):
    """The descriptions of a filter's two parameters: any and none of some names, or the ends of a range."""

    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of items.

    `name`: in answers and files. `column`: of the query files. `parameter`: the base of its filters' names.
    `label`: the heading of its column in a table. `whole`: a number is an int, and its filter takes integers
    in `bounds`. `filter_descriptions`: instead of the default ones. `in_files`: it is a column of CSV and
    Parquet files.
    """

    name: str
    kind: AttributeKind
    column: str = ""
    parameter: str = ""
    label: str = ""
    description: str = ""
    filterable: bool = True
    whole: bool = False
    bounds: tuple[int, int] = (0, 0)
    filter_descriptions: FilterDescriptions | None = None
    in_files: bool = True

    def __post_init__(self) -> None:
        """Derive missing names from the attribute's name, and make text unfilterable."""
        object.__setattr__(self, "column", self.column or self.name)
        object.__setattr__(self, "parameter", self.parameter or self.name)
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        object.__setattr__(self, "filterable", self.filterable and self.kind is not AttributeKind.TEXT)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that filter by it: any and none of some names, or the ends of a range."""
        if not self.filterable:
            return ()
        if self.kind is AttributeKind.NUMBER:
            return (f"min_{self.parameter}", f"max_{self.parameter}")
        return (self.parameter, f"exclude_{self.parameter}")

    @property
    def match_parameter(self) -> str:
        """The parameter that says for this set alone whether any or all must match; empty for other kinds."""
        is_filtered_set = self.filterable and self.kind is AttributeKind.SET
        return f"{MATCH}_{self.parameter}" if is_filtered_set else ""

    @property
    def column_types(self) -> tuple[str, ...]:
        """The types that its column may have; our SQL casts to the first."""
        return ("int",) if self.whole else COLUMN_TYPES[self.kind]
