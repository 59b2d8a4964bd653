"""Examples of the answers of /health and /ready, by what they show."""

from recommender import __version__
from recommender.api.endpoints import Examples
from recommender.api.example_items import INDEX
from recommender.api.health.schemas import (
    CatalogueAnswer,
    HealthAnswer,
    HeldBackAnswer,
    LaneAnswer,
    LoadAnswer,
    ModelAnswer,
    ReadyAnswer,
    RefusedModelAnswer,
)
from recommender.catalog.gate import HoldReason
from recommender.entities import DatabaseName, DatabaseState
from recommender.serving.status import Readiness

HEALTH: Examples = {
    "healthy": HealthAnswer(status="healthy", service="ml-service", version=__version__),
}
_ALL_UP = {name.value: DatabaseState.UP for name in DatabaseName}
_LOAD = LoadAnswer(
    pages=LaneAnswer(working=1, max_working=4, open=1, max_open=20, saturated=False),
    batches=LaneAnswer(working=0, max_working=1, open=0, max_open=17, saturated=False),
    streams=LaneAnswer(working=1, max_working=1, open=8, max_open=8, saturated=True),
)


def _catalogue(
    age_s: float, popularity_age_s: float | None = None, held_back: HeldBackAnswer | None = None
) -> CatalogueAnswer:
    """Return an index whose popularity was counted just after its media were read, unless given."""
    return CatalogueAnswer(
        age_seconds=age_s,
        popularity_age_seconds=round(age_s - 0.2, 1) if popularity_age_s is None else popularity_age_s,
        media=9742,
        index=INDEX,
        held_back=held_back,
    )


READY: Examples = {
    "ready": ReadyAnswer(
        status=Readiness.READY,
        databases=_ALL_UP,
        catalogue=_catalogue(41.7),
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
    "degraded": ReadyAnswer(
        status=Readiness.DEGRADED,
        databases={**_ALL_UP, "user_db": DatabaseState.DOWN},
        catalogue=_catalogue(102.3),
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
    "popularity outdated": ReadyAnswer(
        status=Readiness.DEGRADED,
        databases=_ALL_UP,
        catalogue={**_catalogue(38.4, 1520.6), "unread": [DatabaseName.ENGAGEMENT]},
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
    "model refused": ReadyAnswer(
        status=Readiness.READY,
        databases=_ALL_UP,
        catalogue=_catalogue(12.0),
        model=ModelAnswer(
            name="neighbours",
            version="20261120T031502.104833Z",
            refused=RefusedModelAnswer(
                version="20261121T031457.920154Z", reason="values.npy: the checksum is wrong"
            ),
        ),
        load=_LOAD,
    ),
    "model of an experiment missing": ReadyAnswer(
        status=Readiness.READY,
        databases=_ALL_UP,
        catalogue=_catalogue(12.0),
        model=ModelAnswer(name="neighbours", version="20261120T031502.104833Z"),
        experiment_models={
            "ease": ModelAnswer(
                name="live",
                version=None,
                refused=RefusedModelAnswer(version=None, reason="no version of it is published"),
            )
        },
        load=_LOAD,
    ),
    "held_back": ReadyAnswer(
        status=Readiness.DEGRADED,
        databases=_ALL_UP,
        catalogue=_catalogue(
            308.2, held_back=HeldBackAnswer(media=0, since_seconds=7.3, reason=HoldReason.EMPTY)
        ),
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
}
UNAVAILABLE: Examples = {
    "unavailable": ReadyAnswer(
        status=Readiness.UNAVAILABLE,
        databases=dict.fromkeys(_ALL_UP, DatabaseState.DOWN),
        catalogue=None,
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
    "own statement is wrong": ReadyAnswer(
        status=Readiness.UNAVAILABLE,
        databases=_ALL_UP,
        catalogue=None,
        load_failure="catalog_db/fetch_catalogue returns 5 columns, but 8 are declared",
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
    "started with an empty catalog": ReadyAnswer(
        status=Readiness.UNAVAILABLE,
        databases=_ALL_UP,
        catalogue=None,
        held_back=HeldBackAnswer(media=0, since_seconds=12.4, reason=HoldReason.EMPTY),
        model=ModelAnswer(name="live", version=None),
        load=_LOAD,
    ),
}
