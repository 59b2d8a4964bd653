"""Examples of the answer of /api/models."""

from recommender import __version__
from recommender.api.endpoints import Examples
from recommender.api.health.schemas import ModelAnswer
from recommender.api.models.schemas import (
    BlendAnswer,
    ComparedAnswer,
    FingerprintAnswer,
    IntervalAnswer,
    MadeAnswer,
    ModelsAnswer,
    SearchedAnswer,
    TrainingRunAnswer,
    VersionAnswer,
)
from recommender.model_store.runs import TrainingOutcome, Trigger

_VERSION = "20261120T031502.104833Z"
_METRIC = "ndcg@10"
_HYPERPARAMETERS = {"regularisation": 500.0}
_CHALLENGER, _CHAMPION = "ease (regularisation=500.0) 20/80 (profile)", "neighbours 40/60"
_MEASURED = IntervalAnswer(mean=0.1426, low=0.1351, high=0.1502)
_BLEND = BlendAnswer(content_weight=0.2, collaborative_weight=0.8, content="profile")
_FINGERPRINT = FingerprintAnswer(
    first_at="2026-08-22T03:00:11+00:00",
    last_at="2026-11-20T02:59:48+00:00",
    ids_checksum="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
)
_COUNTS = {"users": 6040, "media": 3706, "pairs": 575281}
_RUN = TrainingRunAnswer(
    number=12,
    started_at="2026-11-20T03:00:00.004211+00:00",
    ended_at="2026-11-20T03:15:02.617320+00:00",
    trigger=Trigger.SCHEDULE,
    outcome=TrainingOutcome.PUBLISHED,
    reason=(
        f"{_CHALLENGER} is significantly better than {_CHAMPION}: ndcg@10 +0.0191, 95 % interval +0.0143 to "
        "+0.0238."
    ),
    champion=_CHAMPION,
    chosen=_CHALLENGER,
    model="ease",
    version=_VERSION,
    metric=_METRIC,
    users=1824,
    split="what happened from 2026-11-08T17:21:09+00:00 on",
    fingerprint=_FINGERPRINT,
    counts={"interactions": 1000209, **_COUNTS},
    code_version=__version__,
    host="app-1",
    compared=[
        ComparedAnswer(
            name=_CHALLENGER,
            model="ease",
            hyperparameters=_HYPERPARAMETERS,
            blend=_BLEND,
            metric=_MEASURED,
            against_champion=IntervalAnswer(mean=0.0191, low=0.0143, high=0.0238),
            refused=None,
        ),
        ComparedAnswer(
            name=_CHAMPION,
            model="neighbours",
            hyperparameters={},
            blend=BlendAnswer(content_weight=0.4, collaborative_weight=0.6, content="stated"),
            metric=IntervalAnswer(mean=0.1235, low=0.1164, high=0.1307),
            against_champion=None,
            refused=None,
        ),
    ],
    searched=[
        SearchedAnswer(
            name=_CHALLENGER,
            mean=0.1398,
            against_popularity=IntervalAnswer(mean=0.0811, low=0.0742, high=0.0883),
        ),
    ],
    tried=62,
    left_out=["als: it takes about 2,400 s to learn"],
)
_PUBLISHED = VersionAnswer(
    model="ease",
    version=_VERSION,
    current=True,
    current_of_model=True,
    was_current=False,
    made=MadeAnswer(
        built_at="2026-11-20T03:15:02.104911+00:00",
        made_by="trainer",
        run=12,
        host="app-1",
        code_version=__version__,
        hyperparameters=_HYPERPARAMETERS,
        counts={**_COUNTS, "known_media": 3533},
        window_start="-infinity",
        fingerprint=_FINGERPRINT,
        metrics={_METRIC: _MEASURED},
        blend=_BLEND,
        shrinkage_accepted=False,
    ),
    fault=None,
)
_DAMAGED = VersionAnswer(
    model="neighbours",
    version="20261119T030112.771306Z",
    current=False,
    current_of_model=True,
    was_current=True,
    made=None,
    fault="metadata.json cannot be read: No such file or directory",
)
MODELS: Examples = {
    "trained": ModelsAnswer(
        serving=ModelAnswer(name="ease", version=_VERSION),
        versions=[_PUBLISHED, _DAMAGED],
        runs=[_RUN],
        limit=10,
    ),
    "none yet": ModelsAnswer(serving=ModelAnswer(name="live", version=None), versions=[], runs=[], limit=10),
}
