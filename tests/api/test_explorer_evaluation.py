"""Tests that the explorer shows the last comparison of models, or says that there is none."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.databases.recording import recorded_statements
from recommender.evaluation import last_result
from recommender.evaluation.last_result import keep
from recommender.evaluation.results import Evaluation
from recommender.models.registry import MODELS
from tests.support.clients import NO_CAPS, PATIENT, running_client
from tests.support.evaluation import small_evaluation
from tests.support.postgres import Urls

READ_KEY, READ_ENTRY = make_key("page", [KeyScope.READ])
PATH = "/explorer/evaluation"
NONE_YET = "No comparison yet. Run <code>python -m recommender evaluate</code>."


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return small_evaluation()


@dataclass(frozen=True)
class Kept:
    """A service and the page of its evaluation."""

    client: FlaskClient
    models: Path

    @property
    def file(self) -> Path:
        return self.models / last_result.FOLDER / "evaluation.json"

    def shown(self) -> str:
        response = self.client.get(PATH, headers={"X-API-Key": READ_KEY})
        assert (response.status_code, response.mimetype) == (200, "text/html"), response.text
        return response.text


@pytest.fixture(scope="module")
def service(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    models = tmp_path_factory.mktemp("models")
    variables = {"MODEL_PATH": str(models), "API_KEYS": READ_ENTRY.entry, **NO_CAPS, **PATIENT}
    with running_client(shared_databases, **variables) as client:
        yield Kept(client, models)


@pytest.fixture
def kept(service: Kept) -> Iterator[Kept]:
    yield service
    service.file.unlink(missing_ok=True)


def test_the_last_comparison_is_shown_and_asks_no_database(kept: Kept, evaluation: Evaluation) -> None:
    keep(kept.models, evaluation)
    with recorded_statements() as statements:
        html = kept.shown()
    assert statements == []
    assert all(each.name in html for each in evaluation.variants)
    assert "Which model is best for made up &lt;&amp;&gt;" in html
    assert "<h1" not in html
    # The Content-Security-Policy forbids these.
    assert not re.search(r"<style|<script| style=| on[a-z]+=", html)


def test_the_latest_comparison_is_shown(kept: Kept, evaluation: Evaluation) -> None:
    keep(kept.models, evaluation)
    kept.shown()
    other = evaluation.description.model_copy(update={"source": "<script>alert(1)</script>"})
    keep(kept.models, evaluation.model_copy(update={"description": other}))
    assert "best for &lt;script&gt;alert(1)&lt;/script&gt;" in kept.shown()


def test_without_a_key_it_is_not_shown(kept: Kept, evaluation: Evaluation) -> None:
    keep(kept.models, evaluation)
    response = kept.client.get(PATH)
    assert response.status_code == 401
    assert "made up" not in response.text


def test_without_a_comparison_the_command_is_named(kept: Kept) -> None:
    assert NONE_YET in kept.shown()


def _without_figures(said: dict[str, Any]) -> None:
    said["variants"][0]["groups"] = {}


def _without_variants(said: dict[str, Any]) -> None:
    said["variants"] = []


def _of_other_users(said: dict[str, Any]) -> None:
    said["group"] = "others"


def _with_more(said: dict[str, Any]) -> None:
    said["more"] = 1


def _without_differences(said: dict[str, Any]) -> None:
    for variant in said["variants"]:
        for group in variant["groups"].values():
            group["against"] = {}


def _without_share(said: dict[str, Any]) -> None:
    said["variants"][0]["personalised"] = None


@pytest.mark.parametrize(
    "damage",
    [
        _without_figures,
        _without_variants,
        _of_other_users,
        _with_more,
        _without_differences,
        _without_share,
    ],
)
def test_an_incomplete_comparison_is_not_shown(
    kept: Kept, evaluation: Evaluation, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    keep(kept.models, evaluation)
    said = json.loads(kept.file.read_text())
    damage(said)
    kept.file.write_text(json.dumps(said))
    assert NONE_YET in kept.shown()
    assert "evaluation.json cannot be shown: " in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_damaged_file_is_not_shown(kept: Kept, evaluation: Evaluation, content: bytes) -> None:
    keep(kept.models, evaluation)
    kept.file.write_bytes(content)
    assert NONE_YET in kept.shown()


def test_a_file_that_is_too_large_is_not_read_to_its_end(
    kept: Kept, evaluation: Evaluation, caplog: pytest.LogCaptureFixture
) -> None:
    keep(kept.models, evaluation)
    with kept.file.open("ab") as file:
        file.write(b" " * (17 << 20))
    assert NONE_YET in kept.shown()
    assert "it has more than 16,777,216 bytes" in caplog.text


def test_a_path_that_is_not_a_file_is_not_shown(kept: Kept, evaluation: Evaluation) -> None:
    keep(kept.models, evaluation)
    kept.file.unlink()
    os.mkfifo(kept.file)
    assert NONE_YET in kept.shown()


def test_the_page_has_a_tab_and_the_style_sheet_only_there(service: Kept) -> None:
    page = service.client.get("/explorer?tab=evaluation&user=u1").text
    assert 'href="explorer?tab=evaluation&user=u1" aria-current="page"' in page.replace("&amp;", "&")
    assert page.count('aria-current="page"') == 1
    (address,) = re.findall(r'href="(explorer/static/report\.css\?v=[^"]+)"', page)
    assert service.client.get(f"/{address}").mimetype == "text/css"
    other = service.client.get("/explorer?tab=elsewhere").text
    assert "report.css" not in other
    assert 'href="explorer" aria-current="page"' in other


def test_no_model_has_the_name_of_the_evaluation_folder() -> None:
    assert last_result.FOLDER not in MODELS


def test_serving_imports_no_training_or_evaluation_code() -> None:
    program = (
        "import sys; import recommender.evaluation.last_result as _; "
        "print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    # Compiled code looks up ids, so numba is loaded, with the parts of scipy that it imports.
    unwanted = [
        "scipy.sparse",
        "pyarrow",
        "recommender.container",
        "recommender.evaluation.runner",
        "recommender.models.ease",
        "recommender.training",
    ]
    loaded = subprocess.run(  # noqa: S603 - the test's own arguments
        [sys.executable, "-c", program, *unwanted], capture_output=True, text=True, check=True, timeout=60
    )
    assert loaded.stdout == "[]\n"
