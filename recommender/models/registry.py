"""The registry of all trainable models by name.

CONTRIBUTING.md says what else a new model needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from config.setting_types import how_to_install

if TYPE_CHECKING:
    # It imports numba, which commands that only name models do not need.
    from recommender.models.base import TrainableModel


@dataclass(frozen=True, slots=True)
class Registered:
    """A model: its module and class, and its description for `train`.

    `mixes_similar_users`: whether similar users are mixed in for short histories. False for models that
    use similar users themselves, or that need no history. `package`: needed only for learning; `extra`: the
    extra that installs it.
    """

    module: str
    class_name: str
    summary: str
    mixes_similar_users: bool = True
    extra: str | None = None
    package: str | None = None

    def missing_package(self) -> str | None:
        """Return the missing package for learning, and how to install it; None if none is missing."""
        if self.package is None or self.extra is None or find_spec(self.package) is not None:
            return None
        return f"{self.package} is not installed: {how_to_install(self.extra)}"

    def load_class(self) -> "type[TrainableModel]":
        """Import the model's class, only when it is used: it may import numba or scipy."""
        loaded: type[TrainableModel] = getattr(
            import_module(f"recommender.models.{self.module}"), self.class_name
        )
        return loaded

    def make(self, hyperparameters: Mapping[str, Any]) -> "TrainableModel":
        """Return an unfitted model with hyperparameters that differ from its defaults.

        Raises:
            ValidationError: a hyperparameter is unknown, or its value is out of range.
        """
        kind = self.load_class()
        model = kind()
        if not hyperparameters:
            return model
        config = type(model.config).model_validate({**model.config.model_dump(), **hyperparameters})
        return kind(config)  # type: ignore[call-arg]  # The protocol leaves open how a model is made.


# The model that is used if no other is chosen or trained.
DEFAULT_MODEL = "neighbours"

# By the `name` of the model's class, which is used in answers, commands and folders.
MODELS: Mapping[str, Registered] = {
    "popularity": Registered(
        "popularity",
        "PopularityModel",
        "What most users liked or watched, the same for all.",
        mixes_similar_users=False,
    ),
    "content": Registered(
        "content",
        "ContentModel",
        "Items of genres that a user states, likes or watches.",
        mixes_similar_users=False,
    ),
    "item_knn": Registered("item_knn", "ItemKnn", "Items that the same people liked or watched."),
    "ease": Registered("ease", "Ease", "Item weights in closed form (Steck 2019)."),
    "transitions": Registered(
        "transitions", "Transitions", "What people watched next, by the order of histories."
    ),
    "ease_transitions": Registered(
        "ease_transitions", "EaseTransitions", "Taste and order: 0.7 × ease + 0.3 × transitions."
    ),
    "als": Registered(
        "als",
        "Als",
        "Item factors from implicit feedback (Hu 2008).",
        extra="als",
        package="implicit",
    ),
    "neighbours": Registered(
        "user_knn.trained",
        "UserKnn",
        "The default formula, exact and from memory.",
        mixes_similar_users=False,
    ),
}
