"""An unknown name in MODEL is an error at start that lists the known names."""

from pathlib import Path

import pytest

from recommender.models.registry import MODELS
from tests.support.processes import GUNICORN, refusal

CONFIGURED = {"DB_HOST": "localhost"}
USER = "11111111-1111-4111-8111-111111111111"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "databases"),
    [
        pytest.param(GUNICORN, CONFIGURED, id="gunicorn"),
        pytest.param(["app.py"], CONFIGURED, id="serve"),
        pytest.param(["app.py"], {}, id="demo"),
        pytest.param(["-m", "recommender", "trainer", "--once"], CONFIGURED, id="trainer"),
        pytest.param(["-m", "recommender", "recommend", USER], CONFIGURED, id="recommend"),
    ],
)
def test_the_error_of_an_unknown_model_lists_the_known_ones(
    command: list[str], databases: dict[str, str], tmp_path: Path
) -> None:
    demo = tmp_path / "demo"
    said = refusal(command, MODEL="eese", DEMO_PATH=str(demo), MODEL_PATH=str(tmp_path), **databases)
    (line,) = [line for line in said.splitlines() if "eese" in line]
    assert line.endswith(f"MODEL: must be one of auto, live, {', '.join(MODELS)}, got 'eese'")
    assert not demo.exists()
