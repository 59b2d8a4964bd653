"""Training runs during the faults. The models that they publish must be complete."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.database_settings import url_variables
from config.setting_types import ROOT
from recommender.errors import ArtifactError
from recommender.model_store import artifact
from recommender.model_store.runs import TrainingOutcome, Trigger, read_runs
from tests.support.gunicorn import settings_alone
from tests.support.postgres import Urls

_MODEL = "neighbours"
_PAUSE_S = 2.0
# Every fourth run is killed after this time.
_KILLED_EACH, _KILLED_AFTER_S = 4, 2.0
_LONGEST_S = 300.0
_ALL_RUNS = 1_000


class Training:
    """Makes training runs on the databases of the soak, in a folder that the service does not read.

    Answers are compared with the formula on the present rows, and a trained model knows earlier ones.
    """

    def __init__(self, urls: Urls, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            **settings_alone(MODEL=_MODEL, MODEL_PATH=str(folder), LOG_LEVEL="CRITICAL"),
            **url_variables(urls),
            **variables,
        }
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._repeat)
        self._killed = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the run in progress."""
        self._done.set()
        self._thread.join()

    def outcomes(self) -> Counter[str]:
        """Return the outcomes of the runs. Killed ones leave no record."""
        found = Counter(run.outcome.value for run in read_runs(self._folder, _ALL_RUNS))
        return found + Counter({"killed": self._killed})

    def problems(self) -> Iterator[str]:
        """Return what is wrong: nothing was published, or a version is incomplete."""
        if not self.outcomes()[TrainingOutcome.REFITTED.value]:
            yield "no training published anything"
            return
        version = artifact.current_version(self._folder, _MODEL)
        try:
            if version is None:
                raise ArtifactError("there is no current version")
            artifact.verify(
                self._folder / _MODEL / version, artifact.read_metadata(self._folder, _MODEL, version)
            )
        except ArtifactError as exc:
            yield f"what was trained is not whole: {exc}"

    def _repeat(self) -> None:
        number = 0
        while not self._done.wait(_PAUSE_S):
            number += 1
            self._run(_KILLED_AFTER_S if number % _KILLED_EACH == 0 else _LONGEST_S)

    def _run(self, longest_s: float) -> None:
        command = [sys.executable, "-m", "recommender", "trainer", "--once", "--trigger", Trigger.SCHEDULE]
        with subprocess.Popen(  # noqa: S603 - our own interpreter and files
            command, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE
        ) as process:
            try:
                process.wait(longest_s)
            except subprocess.TimeoutExpired:
                process.kill()
                self._killed += 1
