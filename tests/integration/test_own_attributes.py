"""An app's own attributes, added by SQL and a declaration, are shown and filtered like built-in ones."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import create_app
from recommender.cli.main import main
from recommender.errors import ConfigurationError
from recommender.texts.names import name_key
from tests.support.batches import interrupt, read_csv, read_parquet
from tests.support.checks import Checker
from tests.support.clients import NO_CAPS, PATIENT, get, running_client, settings_for, whole_ranking
from tests.support.commands import variables
from tests.support.contract import Contract
from tests.support.own_attributes import CATALOG, add_columns, declare
from tests.support.postgres import Templates, Urls
from tests.support.reference import Reference

Item = dict[str, Any]


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return declare(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def own_databases(templates: Templates) -> Iterator[Urls]:
    with templates.clone() as urls:
        add_columns(urls)
        yield urls


@pytest.fixture(scope="module")
def own_client(own_databases: Urls, declared: dict[str, str]) -> Iterator[FlaskClient]:
    with running_client(own_databases, **declared, **NO_CAPS, **PATIENT) as client:
        yield client


@pytest.fixture(scope="module")
def user(own_databases: Urls) -> str:
    reference = Reference(own_databases)
    return next(user for user in reference.users if 5 < len(reference.seen[user]) < 40)


def names(item: Item, attribute: str) -> set[str]:
    value = item[attribute]
    return {name_key(name) for name in ([value] if isinstance(value, str) else value or [])}


FILTERS: list[tuple[Item, Callable[[Item], bool]]] = [
    ({"language": ["french"]}, lambda item: names(item, "language") == {"french"}),
    (
        {"language": ["FRANÇAIS", "german"]},
        lambda item: names(item, "language") <= {"français", "german"} != {""},
    ),
    ({"exclude_language": ["French"]}, lambda item: names(item, "language") != {"french"}),
    ({"tags": ["NOIR", "quiet"]}, lambda item: bool(names(item, "tags") & {"noir", "quiet"})),
    (
        {"tags": ["noir", "award winner"], "match": "all"},
        lambda item: names(item, "tags") >= {"noir", "award winner"},
    ),
    (
        {"tags": ["noir", "award winner"], "genre": ["drama", "war"], "match_tags": "all"},
        lambda item: (
            names(item, "tags") >= {"noir", "award winner"} and bool(names(item, "genres") & {"drama", "war"})
        ),
    ),
    (
        {"tags": ["noir", "award winner"], "genre": ["drama", "war"], "match": "all", "match_genre": "any"},
        lambda item: (
            names(item, "tags") >= {"noir", "award winner"} and bool(names(item, "genres") & {"drama", "war"})
        ),
    ),
    ({"exclude_tags": ["Noir"]}, lambda item: "noir" not in names(item, "tags")),
    ({"min_age_rating": 12}, lambda item: (item["age_rating"] or 0) >= 12),
    (
        {"min_age_rating": 0, "max_age_rating": 16.5},
        lambda item: item["age_rating"] is not None and item["age_rating"] <= 16.5,
    ),
    ({"exclude_genre": ["drama"], "max_age_rating": 6}, lambda item: item["age_rating"] in (0, 6)),
    ({"exclude_media_type": ["MOVIE"]}, lambda item: names(item, "media_type") != {"movie"}),
]


def passes(item: Item, filters: Item, check: Callable[[Item], bool]) -> bool:
    if "language" in filters and not item["language"]:
        return False
    if "exclude_genre" in filters and "drama" in names(item, "genres"):
        return False
    return check(item)


@pytest.mark.parametrize(("filters", "check"), FILTERS, ids=[str(filters) for filters, _ in FILTERS])
def test_every_list_of_items_is_filtered_alike(
    own_client: FlaskClient, user: str, filters: Item, check: Callable[[Item], bool]
) -> None:
    whole = whole_ranking(own_client, user)
    wanted = [item for item in whole if passes(item, filters, check)]
    assert 0 < len(wanted) < len(whole)
    assert get(own_client, user, limit=100, **filters)["recommendations"] == wanted[:100]
    body = {"limit": 100, **filters}
    batch = own_client.post("/api/recommendations/batch", json={"user_ids": [user], **body}).get_json()
    assert batch["results"][user]["recommendations"] == wanted[:100]
    preview = own_client.post("/api/recommendations/preview", json=body).get_json()["recommendations"]
    popular = own_client.get("/api/media/popular", query_string={"limit": 100, **filters}).get_json()["media"]
    similar = own_client.get(
        f"/api/media/{whole[0]['id']}/similar", query_string={"limit": 100, **filters}
    ).get_json()["similar"]
    for found in (preview, popular, similar):
        assert found
        assert all(passes(item, filters, check) for item in found)


def test_own_attributes_follow_the_built_in_ones_and_null_stays_null(own_client: FlaskClient) -> None:
    items = own_client.get("/api/media/popular?limit=100").get_json()["media"]
    for item in items:
        assert list(item)[6:10] == ["genres", "language", "age_rating", "tags"]
    shown = {(item["language"], item["age_rating"], tuple(item["tags"])) for item in items}
    assert shown == {
        ("French", 6.0, ("award winner", "Noir")),
        ("FRENCH", 12.0, ("noir",)),
        ("français", 16.0, ("Award Winner", "NOIR")),
        ("FRANÇAIS", None, ()),
        ("German", 18.5, ("quiet",)),
        (None, None, ()),
        (None, 0.0, ()),
    }


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "min_age_rating=x",
            "min_age_rating must be a number from -999999999999999 to 999999999999999, such",
        ),
        (
            "min_age_rating=9&max_age_rating=8.5",
            "min_age_rating must not be above max_age_rating, got 9 and 8.5",
        ),
        ("match=both", "match must be any or all, got 'both'"),
        ("match_tags=none", "match_tags must be any or all, got 'none'"),
        ("exclude_tags=", "each of exclude_tags must be of 1 to 100 characters"),
    ],
)
def test_an_invalid_filter_is_refused(own_client: FlaskClient, query: str, says: str) -> None:
    response = own_client.get(f"/api/media/popular?{query}")
    assert response.status_code == 400
    assert response.get_json()["error"].startswith(says)


def test_the_description_covers_the_declared_attributes(own_client: FlaskClient, user: str) -> None:
    contract = Contract(own_client.get("/openapi.json").get_json())
    OpenAPIV31SpecValidator(contract.document).validate()
    properties = contract.document["components"]["schemas"]["Recommended"]["properties"]
    assert properties["language"] == {"type": ["string", "null"], "description": "As spoken."}
    parameters = {each["name"]: each for each in contract.operations["getPopular"]["parameters"]}
    assert parameters["min_age_rating"]["schema"]["type"] == "number"
    assert parameters["exclude_tags"]["description"].startswith("Media with none of these for tags")
    for _, _, _, media_type in contract.media_types():
        for example in media_type["examples"].values():
            contract.validate(media_type["schema"], example["value"])
    contract.check("getRecommendations", own_client.get(f"/api/recommendations/{user}?explain=true"))
    contract.check("getPopular", own_client.get("/api/media/popular?tags=noir"))


@pytest.fixture
def environment(own_databases: Urls, declared: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (variables(own_databases) | declared).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.usefixtures("environment")
def test_files_have_own_attributes_as_the_last_columns(user: str, form: str, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(user)
    output = tmp_path / f"out.{form}"
    assert main(["batch", str(tmp_path / "ids"), "--output", str(output), "--limit", "100"]) == 0
    head, *rows = read_csv(output) if form == "csv" else read_parquet(output)
    assert head[-4:] == ["model_version", "language", "age_rating", "tags"]
    assert ["français", "16.0", "Award Winner|NOIR"] in [row[-3:] for row in rows]


def test_the_explorer_shows_and_filters_by_own_attributes(own_client: FlaskClient, user: str) -> None:
    page = own_client.get(f"/explorer/users/{user}").text
    assert 'name="language"' in page
    assert 'name="min_age_rating" type="number"' in page
    assert '<li class="own"><span>age rating</span> <bdi>12</bdi></li>' in page
    response = own_client.get(
        f"/explorer/users/{user}/recommendations?language=german&tags=&min_age_rating=18"
    )
    assert "<bdi>German</bdi>" in response.text
    assert "<bdi>French</bdi>" not in response.text
    assert response.headers["HX-Replace-Url"].endswith("language=german&min_age_rating=18")


def test_check_says_which_column_is_missing_or_of_a_wrong_type(
    check: Checker, urls: Urls, databases: Urls, tmp_path: Path
) -> None:
    add_columns(databases)
    settings = declare(tmp_path)
    assert check(urls, **settings).faults == set()
    path = tmp_path / CATALOG / "fetch_media.sql"
    whole = path.read_text()
    for old, new, says in (
        (
            ",\n    m.tags::text[] AS tag_names",
            "",
            "does not return tag_names, which the file of attributes decl",
        ),
        ("AS language", "AS tongue", "does not return language, which the file of attributes declares"),
        (
            "::float8 AS age",
            "::text AS age",
            "column 9 as text, but the service expects float8 or float4 or int",
        ),
        ("m.tags::text[]", "m.tags[1]::text", "column 10 as text, but the service expects text[]"),
    ):
        path.write_text(whole.replace(old, new))
        report = check(urls, **settings)
        assert report.faults == {("error", CATALOG, "statement fetch_media")}
        assert says in report.find("statement fetch_media")["means"]


def test_a_wrong_declaration_stops_the_start_and_is_reported_by_check(
    shared_databases: Urls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "attributes.toml"
    path.write_text('[genre]\nkind = "set"\n')
    says = f"{path}: genre: requests have a parameter genre"
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        create_app(settings_for(shared_databases, ATTRIBUTES_PATH=str(path)))
    for name, value in (variables(shared_databases) | {"ATTRIBUTES_PATH": str(path)}).items():
        monkeypatch.setenv(name, value)
    assert main(["check"]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("environment")
def test_the_command_shows_own_attributes_before_the_scores(
    user: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", user, "--limit", "100"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:8] == ["title", "year", "type", "genres", "language", "age", "rating", "tags"]
    assert any("français" in row and "16.0" in row and "Award Winner, NOIR" in row for row in rows)


@pytest.mark.usefixtures("environment", "few_at_once")
def test_a_job_resumes_only_with_the_same_attributes(
    own_databases: Urls, at: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ids").write_text("\n".join(Reference(own_databases).users[:60]))
    command = ["batch", str(tmp_path / "ids"), "--output", str(tmp_path / "out.csv"), "--limit", "1"]
    at(20, interrupt)
    assert main(command) == 1
    with monkeypatch.context() as patched:
        patched.delenv("ATTRIBUTES_PATH")
        patched.delenv("SQL_PATH")
        assert main(command) == 2
    assert main(command) == 0


def test_a_missing_declared_column_is_reported_with_the_statement(
    databases: Urls, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"ATTRIBUTES_PATH": declare(tmp_path)["ATTRIBUTES_PATH"]}
    with running_client(databases, **settings) as client:
        assert client.get("/api/media/popular").status_code == 503
    assert "catalog_db/fetch_catalogue returns 5 columns, but 8 are declared" in caplog.text


def test_streams_contain_own_attributes(own_client: FlaskClient, user: str) -> None:
    headers = {"Accept": "application/x-ndjson"}
    body = {"user_ids": [user], "limit": 1, "language": ["German"]}
    response = own_client.post("/api/recommendations/batch", json=body, headers=headers)
    (item,) = json.loads(response.data)["recommendations"]
    assert (item["language"], item["age_rating"], item["tags"]) == ("German", 18.5, ["quiet"])
