"""The recommendation endpoints."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from recommender.api.overload import Gate
from recommender.api.parsing import RequestLimits, parse_batch, parse_page, parse_user_id
from recommender.api.problems import broken_off
from recommender.api.responses import json_response, ndjson_response, page_of
from recommender.domain import DatabaseName
from recommender.errors import NothingToRecommendFromError
from recommender.service import RecommendationService
from recommender.telemetry import count, counted


def recommendations_blueprint(service: RecommendationService, limits: RequestLimits, gate: Gate) -> Blueprint:
    """Endpoints that answer from `service`, as `gate` admits."""
    blueprint = Blueprint("recommendations", __name__, url_prefix="/api/recommendations")

    @blueprint.get("/<user_id>")
    def get_recommendations(user_id: str) -> Response:
        canonical_id = parse_user_id(user_id, limits)
        page = parse_page(request.args, limits)
        (result,) = gate.held(service.recommend([canonical_id], page))
        if not result.items and page.offset == 0 and DatabaseName.CATALOG in result.degraded:
            # An empty list would say that there is nothing for this user; nobody can tell.
            raise NothingToRecommendFromError
        count(result, first_page=page.offset == 0)
        content = page_of(result)
        return json_response(
            {
                "user_id": result.user_id,
                "recommendations": content.pop("recommendations"),
                "count": content.pop("count"),
                "limit": page.limit,
                "offset": page.offset,
                **content,
            }
        )

    @blueprint.post("/batch")
    def post_batch() -> Response:
        batch = parse_batch(request, limits)
        found = counted(gate.held(service.recommend(batch.user_ids, batch.page)))
        if batch.streamed:
            return ndjson_response(found, broken_off())
        results = {result.user_id: page_of(result) for result in found}
        return json_response({"results": results, "total_users": len(results)})

    @blueprint.get("/batch")
    def get_batch() -> Response:
        # Without this, "batch" would be taken for a user id.
        raise MethodNotAllowed(valid_methods=["POST", "OPTIONS"])

    return blueprint
