"""The endpoint about trained models."""

from pathlib import Path

from flask import Blueprint

from config.access_settings import KeyScope
from recommender.api.endpoints import Answer, Endpoint
from recommender.api.health.serializers import model_of
from recommender.api.models import examples
from recommender.api.models.requests import ModelsQuery
from recommender.api.models.schemas import ModelsAnswer
from recommender.api.models.serializers import run_of, version_of
from recommender.api.tags import SERVICE_TAG
from recommender.model_store.runs import read_runs
from recommender.model_store.store import list_versions
from recommender.serving.status import StatusReader


def models_blueprint(folder: Path, status_reader: StatusReader) -> Blueprint:
    """Return the blueprint about the models in a folder."""
    blueprint = Blueprint("models", __name__, url_prefix="/api/models")

    @Endpoint(
        blueprint,
        "GET",
        "",
        name="getModels",
        tag=SERVICE_TAG,
        summary="Trained models and training runs",
        description="All versions, the one that serves in the process that answers, and what the "
        "latest training runs compared. Queries no database.",
        query=ModelsQuery,
        answers=(Answer(ModelsAnswer, examples.MODELS),),
        scope=KeyScope.OPS,
    )
    def get_models(*, query: ModelsQuery) -> ModelsAnswer:
        return ModelsAnswer(
            serving=model_of(status_reader.read().model),
            versions=[version_of(each) for each in list_versions(folder, unreadable_left_out=True)],
            runs=[run_of(each) for each in read_runs(folder, query.limit)],
            limit=query.limit,
        )

    return blueprint
