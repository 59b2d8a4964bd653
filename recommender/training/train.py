"""Train one model: read a dataset, fit the model to it, publish it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recommender.data.dataset import Dataset
from recommender.data.forgotten import read_forgotten
from recommender.errors import ArtifactError
from recommender.model_store.artifact import KNOWN_ITEMS, Metadata, Provenance
from recommender.model_store.currents import CurrentVersions, PromotionScope
from recommender.model_store.publishing import publishing
from recommender.model_store.shrinkage import refuse_shrunk
from recommender.model_store.store import KEPT_VERSIONS
from recommender.models.fitting import UNBOUNDED, Estimate, Fitting
from recommender.models.registry import MODELS
from recommender.training.publication import Publication, RecordPublication, record_nothing

BY_COMMAND = Provenance(made_by="train")


def train(
    name: str,
    folder: Path,
    read: Callable[[], Dataset],
    *,
    accept_shrinkage: bool = False,
    hyperparameters: Mapping[str, Any] = MappingProxyType({}),
    fitting: Fitting = UNBOUNDED,
    announce: Callable[[Estimate], None] = lambda _: None,
    provenance: Provenance = BY_COMMAND,
    promotion: PromotionScope = PromotionScope.ALL,
    since: CurrentVersions | None = None,
    replaced: Metadata | None = None,
    wait_s: float = 0.0,
    kept_versions: int = KEPT_VERSIONS,
    record: RecordPublication = record_nothing,
) -> Metadata:
    """Train a registered model without forgotten users, and publish it; one run at a time per model.

    Args:
        name: of the model.
        folder: of all models.
        read: returns the dataset.
        accept_shrinkage: publish even if the dataset has far fewer users or pairs than the one before.
        hyperparameters: that differ from the model's defaults.
        fitting: the memory limit, and the function that progress is reported to.
        announce: called with the estimate of time and memory, before learning begins.
        provenance: how the model is made.
        promotion: which `current` links the new version gets.
        since: what was in use when the decision to train began; what people changed since then stays.
        replaced: the version whose size the new one is compared with, as servers will; None for the current
            one of the model.
        wait_s: how many seconds to wait for another run that is training this model.
        kept_versions: how many versions of the model are kept.
        record: called with the publication.

    Raises:
        ArtifactError: the dataset is empty or has shrunk, another run is training this model, users were
            forgotten meanwhile, or the list of them cannot be read. Nothing is published.
        TrainingMemoryError: learning needs more memory than `fitting` allows. Nothing is published.
        DatabaseUnavailableError: from `read`.
        OSError: the folder cannot be written.
    """
    with publishing(folder, name, kept_versions=kept_versions, wait_s=wait_s) as publisher:
        data = read_forgotten(folder).leave_out(read())
        _refuse_empty(data)
        former = None if accept_shrinkage else replaced or publisher.former()
        refuse_shrunk(name, data.counts, former)
        model = MODELS[name].make(hyperparameters)
        announce(model.estimate(data))
        model.fit(data, fitting)
        # Known only after fitting: a model may leave items out.
        refuse_shrunk(name, {KNOWN_ITEMS: len(model.items)}, former, what="this training gives")
        provenance = replace(provenance, for_all=promotion is not PromotionScope.MODEL)
        metadata = publisher.publish(
            model,
            data,
            provenance,
            shrinkage_accepted=accept_shrinkage,
            promotion=promotion,
            since=since,
        )
        is_current = publisher.is_current(metadata.version)
        record(Publication(model, data, metadata, publisher.versions(), is_current))
        return metadata


def _refuse_empty(data: Dataset) -> None:
    if not all(data.counts.values()):
        raise ArtifactError(
            "engagement_db has no likes or watches inside INTERACTION_WINDOW_DAYS. Nothing is published."
        )
