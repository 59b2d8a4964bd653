"""Translate the settings of models, experiments and rankings into the service's own types."""

from collections.abc import Mapping

from config.experiment_settings import ExperimentSettings
from config.ranking_settings import NeighbourSearchSettings, RankingSettings
from recommender.entities import Blend, Weights
from recommender.errors import ConfigurationError
from recommender.experiments.definitions import Experiment, load_experiments
from recommender.models.names import AUTO, LIVE
from recommender.models.registry import MODELS

_MODEL_NAMES = (AUTO, LIVE, *MODELS)


def configured_experiments(settings: ExperimentSettings) -> tuple[Experiment, ...]:
    """Return the experiments of the file that the settings name.

    Raises:
        ConfigurationError: as `load_experiments`.
    """
    return load_experiments(settings, _MODEL_NAMES)


def refuse_unknown_model(name: str) -> None:
    """Refuse a value of MODEL that is not the name of a model.

    Raises:
        ConfigurationError: the message lists the allowed names.
    """
    if name not in _MODEL_NAMES:
        raise ConfigurationError(f"MODEL: must be one of {', '.join(_MODEL_NAMES)}, got {name!r}")


def configured_blend(ranking: RankingSettings) -> Blend:
    """Return the configured blend, the default of all rankings."""
    return Blend(Weights(ranking.content_weight, ranking.collaborative_weight), ranking.content)


def pinned_hyperparameters(search: NeighbourSearchSettings) -> Mapping[str, Mapping[str, object]]:
    """Return by model the hyperparameters in the settings, which replace those of a version."""
    if "similar_users" not in search.model_fields_set:
        return {}
    return {"neighbours": {"similar_users": search.similar_users}}
