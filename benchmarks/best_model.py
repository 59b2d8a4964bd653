"""The best model by evaluation, so that a run can report the cost of the best recommendations."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.dataset import SMALL, benchmark_data
from config.database_settings import url_variables
from config.setting_types import ROOT

_METRIC = "ndcg@10"
_USERS = "400"


def best_model(models: Sequence[str]) -> str:
    """Return the model with the largest NDCG@10 on the small data.

    A model counts by its best variant with default hyperparameters. The figures are kept with the data: on
    larger data, evaluation would take hours.

    Raises:
        ValueError: none of the models was compared.
    """
    figures = _ndcg_by_model()
    compared = [model for model in models if model in figures]
    if not compared:
        raise ValueError(f"no NDCG@10 for {', '.join(models)}; evaluated: {', '.join(figures)}")
    return max(compared, key=lambda model: figures[model])


def _ndcg_by_model() -> Mapping[str, float]:
    with benchmark_data(SMALL) as data:
        path = data.folder / "evaluation.json"
        if not path.exists():
            environment = {
                **os.environ,
                **url_variables(data.urls),
                "MODEL_PATH": str(data.folder / "models" / "evaluated"),
            }
            command = [sys.executable, "-m", "recommender", "evaluate", "--users", _USERS, "--k", "10"]
            command += ["--json", str(path)]
            subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own files
        return read_ndcg(path)


def read_ndcg(path: Path) -> dict[str, float]:
    """Return each model's largest NDCG@10 over its variants with default hyperparameters."""
    figures: dict[str, float] = {}
    for variant in json.loads(path.read_text())["variants"]:
        model, refused = variant["model"], variant["refused"]
        if model is not None and refused is None and not variant["hyperparameters"]:
            figure = float(variant["groups"]["all"]["metrics"][_METRIC]["mean"])
            figures[model] = max(figure, figures.get(model, figure))
    return figures
