"""Runs commands in this process, with the output of a shell."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from config.database_settings import url_variables
from recommender.cli.main import main
from tests.support.clients import NO_CAPS, PATIENT
from tests.support.postgres import Urls
from tests.support.processes import NO_MODELS


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    status: int
    out: str
    err: str


Run = Callable[..., Result]


def variables(urls: Urls) -> dict[str, str]:
    """Return an environment with these databases, exact answers, and no trained model."""
    return {**url_variables(urls), **NO_CAPS, **PATIENT, "MODEL_PATH": NO_MODELS}


def runner(urls: Urls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs commands on some databases."""
    for name, value in variables(urls).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Result(status, printed.out, printed.err)

    return run
