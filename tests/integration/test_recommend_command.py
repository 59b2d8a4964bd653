"""`recommend` shows the answer of the API."""

import psycopg
import pytest
from flask.testing import FlaskClient

from recommender.cli.main import main
from recommender.entities import DatabaseName
from tests.support.clients import get
from tests.support.commands import Run
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference

USER, CATALOG, ENGAGEMENT = DatabaseName
STRANGER = "11111111-1111-4111-8111-111111111111"


def test_the_table_shows_the_answer_of_the_api_in_its_order(
    run: Run, client: FlaskClient, reference: Reference
) -> None:
    user = next(user for user in reference.positive if reference.genres_of_user.get(user))
    result = run("recommend", user.upper(), "--limit", 5)
    answer = get(client, user, limit=5)
    rows = [line for line in result.out.splitlines() if ".0000" in line or "  0." in line]
    assert (result.status, len(rows)) == (0, 5)
    for row, item in zip(rows, answer["recommendations"], strict=True):
        expected = [item["title"] or item["id"], str(item["release_year"] or ""), ", ".join(item["genres"])]
        expected += [
            f"{item[f'{kind}_score']:.4f}" for kind in ("recommendation", "content", "collaborative")
        ]
        assert all(text in row for text in expected), (row, expected)
    assert result.out.count(f"\n{answer['strategy']}: ") == 1
    assert "model live" in result.out


def test_an_unknown_user_gets_popular_items_and_a_note(run: Run) -> None:
    result = run("recommend", STRANGER)
    assert (result.status, result.err) == (0, "")
    assert "\npopular: popularity only" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "must be a UUID, got 'nobody'"),
        ([STRANGER, "--limit", "0"], "must be from 1 to 100 (MAX_LIMIT), got 0"),
        ([STRANGER, "--limit", "101"], "must be from 1 to 100 (MAX_LIMIT), got 101"),
    ],
)
def test_wrong_usage_is_reported_before_any_statement(run: Run, arguments: list[str], words: str) -> None:
    result = run("recommend", *arguments)
    assert (result.status, result.out) == (2, "")
    assert words in result.err


def test_a_missing_database_is_reported(run_alone: Run, outage: Outage) -> None:
    outage.stop(ENGAGEMENT)
    result = run_alone("recommend", STRANGER)
    assert result.status == 0
    assert "engagement_db did not answer: histories and similar users are not known" in result.out


def test_without_any_database_one_line_says_so(run_alone: Run, outage: Outage) -> None:
    outage.stop(*DatabaseName)
    result = run_alone("recommend", STRANGER)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("Error: catalog_db does not answer. `python -m recommender check` says what")
    assert result.err.count("\n") == 1


def test_an_empty_catalog_is_nothing_to_recommend(run_alone: Run, databases: Urls) -> None:
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("TRUNCATE medias")
    result = run_alone("recommend", STRANGER)
    assert (result.status, result.out) == (1, "")
    assert "the catalog is empty" in result.err


def test_titles_cannot_control_the_terminal(run_alone: Run, databases: Urls) -> None:
    with psycopg.connect(databases[CATALOG]) as connection:
        connection.execute("UPDATE medias SET title = E'[red]A\\u001b[2Jtitle'")
    result = run_alone("recommend", STRANGER)
    assert "[red]A [2Jtitle" in result.out
    assert "\x1b" not in result.out


def test_stated_genres_cannot_control_the_terminal(
    reference: Reference, run_alone: Run, databases: Urls
) -> None:
    user = next(user for user in reference.positive if reference.genres_of_user.get(user))
    with psycopg.connect(databases[USER]) as connection:
        changed = connection.execute(
            "UPDATE tb_user_genre SET genre_name = E'A\\u001b[2J\\u009b1mB\\u001b]0;C\\u0007' || genre_name"
        )
        assert changed.rowcount > 0
    result = run_alone("recommend", user, "--explain")
    assert "A [2J 1mB ]0;C " in result.out
    assert not {"\x1b", "\x9b", "\x07"} & set(result.out)


def test_without_databases_configured_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DB_HOST", *(f"{name.upper()}_URL" for name in DatabaseName)):
        monkeypatch.setenv(name, "")
    assert main(["recommend", STRANGER]) == 1
    said = capsys.readouterr().err
    assert "no databases are configured: set DB_HOST" in said
    assert "`make run`" in said
    assert said.count("\n") == 1


def test_with_explain_the_table_has_reasons_and_a_legend(
    run: Run, client: FlaskClient, reference: Reference
) -> None:
    user = next(user for user in reference.positive if reference.genres_of_user.get(user))
    result = run("recommend", user, "--limit", 3, "--explain")
    answer = get(client, user, limit=3, explain="true")
    assert result.status == 0
    told = " ".join(result.out.split())
    for item in answer["recommendations"]:
        # Reasons wrap within their column, so only single words can be compared.
        assert all(word in told for word in item["reason"].split())
    basis = answer["basis"]
    assert f"Stated genres: {', '.join(basis['stated_genres'])}. " in told
    assert f"Similar users: {basis['similar_users']}, by the last 90 days." in told
    assert "score = 0.4 × content + 0.6 × collaborative." in told
    assert "why" not in run("recommend", user, "--limit", 3).out
