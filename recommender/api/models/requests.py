"""Query parameters of the endpoint about models."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from recommender.api.fields import WholeNumber

MAX_RUNS = 100
_RUNS = 10


class ModelsQuery(BaseModel):
    """How many training runs to return."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    limit: Annotated[int, WholeNumber(1, MAX_RUNS)] = _RUNS
    """How many training runs, latest first."""
