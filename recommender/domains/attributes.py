"""Attributes of items: what each is called in rows, answers and filters, and what its values are."""

from dataclasses import dataclass
from enum import StrEnum

# The parameter that asks for all of the names given for a set, not any.
MATCH = "match"


class Kind(StrEnum):
    """What the values of an attribute are: several names, one name, a number, or text that is only shown."""

    SET = "set"
    CATEGORY = "category"
    NUMBER = "number"
    TEXT = "text"


# The types of columns that hold a kind, by the names that `check` compares; the first is what SQL casts to.
COLUMN_TYPES = {
    Kind.SET: ("text[]",),
    Kind.CATEGORY: ("text",),
    Kind.NUMBER: ("float8", "float4", "int"),
    Kind.TEXT: ("text",),
}


@dataclass(frozen=True, slots=True)
class FilterWords:
    """How a filter's two parameters are described: any and none of some names, or the ends of a range."""

    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of items.

    `name`: in answers and files. `column`: of the query files. `parameter`: what its filters are named after.
    `label`: above a column of a table. `whole`: a number is an int, and its filter takes whole numbers in
    `bounds`. `filter_words`: where other words than the usual ones describe the filters. `in_files`: it is a
    column of CSV and Parquet files.
    """

    name: str
    kind: Kind
    column: str = ""
    parameter: str = ""
    label: str = ""
    description: str = ""
    filterable: bool = True
    whole: bool = False
    bounds: tuple[int, int] = (0, 0)
    filter_words: FilterWords | None = None
    in_files: bool = True

    def __post_init__(self) -> None:
        """Name what has no name of its own after the attribute; text cannot be filtered by."""
        object.__setattr__(self, "column", self.column or self.name)
        object.__setattr__(self, "parameter", self.parameter or self.name)
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        object.__setattr__(self, "filterable", self.filterable and self.kind is not Kind.TEXT)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that filter by it: any and none of some names, or the ends of a range."""
        if not self.filterable:
            return ()
        if self.kind is Kind.NUMBER:
            return (f"min_{self.parameter}", f"max_{self.parameter}")
        return (self.parameter, f"exclude_{self.parameter}")

    @property
    def column_types(self) -> tuple[str, ...]:
        """The types that its column may have; the first is what our SQL casts to."""
        return ("int",) if self.whole else COLUMN_TYPES[self.kind]
