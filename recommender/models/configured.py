"""The common base of trainable models: hyperparameters, known items, and a version."""

from typing import Generic, TypeVar

from pydantic import BaseModel

from recommender.models.vocabulary import ItemVocabulary

Config = TypeVar("Config", bound=BaseModel)


class ConfiguredModel(Generic[Config]):
    """A model with hyperparameters; a subclass names their class, and sets `_items` after learning."""

    name: str
    config_kind: type[Config]
    _items: ItemVocabulary

    def __init__(self, config: Config | None = None) -> None:
        self._config = self.config_kind() if config is None else config
        self.version: str | None = None

    @property
    def config(self) -> Config:
        """The hyperparameters."""
        return self._config

    @property
    def items(self) -> ItemVocabulary:
        """The items that the model knows."""
        return self._items
