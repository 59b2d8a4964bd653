"""`experiments list` and `experiments report` read the databases of the app."""

import re
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile

import psycopg
import pytest

from recommender.data.forgotten import FILE
from recommender.databases.queries import SQL_ROOT
from recommender.entities import DatabaseName
from recommender.experiments.tokens import Placement, TokenSigner
from recommender.training.forgetting import note_forgotten
from tests.support.commands import Run, runner
from tests.support.postgres import Urls

KEY = "k" * 32
SIGNER = TokenSigner([KEY])
EXPERIMENTS = """
[weighted.variants.control]
share = 0.4
[weighted.variants.content]
share = 0.4
content_weight = 0.9
collaborative_weight = 0.1

[ranker]
kind = "interleaving"
[ranker.variants.present]
[ranker.variants.content]
diversity = 1

[equal.variants.a]
share = 0.3
[equal.variants.b]
share = 0.3
[equal.variants.c]
share = 0.3

[halves.variants.a]
share = 0.5
[halves.variants.b]
share = 0.5
"""
REPORT = ("experiments", "report", "ranker")


def test_the_command_reports_from_the_databases(
    databases: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(databases, monkeypatch, capsys)
    define_experiments(tmp_path, monkeypatch)
    listed = run("experiments", "list")
    assert listed.out.splitlines()[:2] == [
        "weighted: ab",
        "  control: 40.0% of users, changes nothing",
    ]
    assert "ranker: interleaving, 100.0% of users" in listed.out
    unknown = run("experiments", "report", "none")
    assert (unknown.status, "there are: weighted, ranker" in unknown.err) == (2, True)
    assert "--since" in run("experiments", "report", "weighted").err
    compared = run("experiments", "report", "weighted", "--since", "2020-01-01")
    assert (compared.status, "against control: " in compared.out) == (0, True)
    assert (compared.out.count(", 95 %), "), "differences have" in compared.out) == (1, False)
    among_three = run("experiments", "report", "equal", "--since", "2020-01-01").out
    assert among_three.count(", 97.5 %), ") == 2
    assert "The 2 differences have intervals of 97.5 %" in among_three
    without = run("experiments", "report", "ranker")
    assert (without.status, "sql/optional/engagement_db/stream_exposures.sql" in without.err) == (1, True)
    store_tokens(databases)
    statement = add_statement(tmp_path, monkeypatch)
    found = run(*REPORT).out
    assert "25 users liked or watched something from a list of present and content." in found
    assert "content: 23 items, and more than the other with 23 users" in found
    assert "Not counted: 2 interactions" in found
    assert "Preference for content over present, from -0.5 to 0.5: +0.4200" in found
    assert "wins at least as far apart have a probability below 0.001 (sign test)." in found
    for name in ("ranker", "weighted"):
        ahead = run("experiments", "report", name, "--since", "2999-01-01")
        assert (ahead.status, ahead.out) == (2, "")
        assert "2999-01-01 00:00 UTC is in the future" in ahead.err
    just_now = datetime.now(UTC).isoformat()
    assert "25 users" not in run("experiments", "report", "ranker", "--since", just_now).out
    checked = run("check")
    assert "stream_exposures: prepares, from" in checked.out
    statement.write_text(statement.read_text().replace("i.token IS NOT NULL\n    AND ", ""))
    assert "content: 23 items, and more than the other with 23 users" in run(*REPORT).out, (
        "rows without tokens"
    )


def test_reports_leave_out_forgotten_users_whose_rows_still_exist(
    run_on_models: Run, databases: Urls, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    define_experiments(tmp_path, monkeypatch)
    users = store_tokens(databases)
    statement = add_statement(tmp_path, monkeypatch)
    since = ("--since", datetime.now(UTC).isoformat())

    def counted() -> tuple[int, int]:
        """Return how many users the A/B test and the interleaving experiment count."""
        compared = run_on_models("experiments", "report", "halves", *since).out
        merged = re.search(r"^(\d+) users liked", run_on_models(*REPORT).out)
        assert merged is not None
        return sum(map(int, re.findall(r": \d+ of (\d+), ", compared))), int(merged[1])

    known, merged = counted()
    assert (known > len(users), merged) == (True, 25)
    # The last one has a token of another user.
    note_forgotten(folder, [*users[:3], users[-1]])
    assert counted() == (known - 4, 22)
    assert "Not counted: 1 interactions" in run_on_models(*REPORT).out
    text = statement.read_text()
    # A row may have lost its user.
    nameless = f"nullif(i.user_id::text, '{users[3]}') AS user_id"
    statement.write_text(text.replace("i.user_id::text AS user_id", nameless))
    assert "Not counted: 2 interactions" in run_on_models(*REPORT).out
    (folder / FILE).write_text("{")
    for command in (REPORT, ("experiments", "report", "halves", *since)):
        failed = run_on_models(*command)
        assert (failed.status, failed.out, f"{FILE} was changed" in failed.err) == (1, "", True)


def define_experiments(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "experiments.toml"
    path.write_text(EXPERIMENTS)
    for variable, value in {"EXPERIMENTS_PATH": str(path), "EXPERIMENT_KEY": KEY}.items():
        monkeypatch.setenv(variable, value)


def add_statement(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add the statement that reads tokens, and return its path."""
    path = folder / "sql" / "engagement_db" / "stream_exposures.sql"
    path.parent.mkdir(parents=True)
    copyfile(SQL_ROOT / "optional" / "engagement_db" / path.name, path)
    monkeypatch.setenv("SQL_PATH", str(folder / "sql"))
    return path


def store_tokens(urls: Urls) -> list[str]:
    """Store tokens as an app would, and return the users.

    23 are of one team, 2 of the other, one is forged, and one of another user.
    """
    forger = TokenSigner(["f" * 32])
    with psycopg.connect(urls[DatabaseName.ENGAGEMENT]) as connection:
        connection.execute("ALTER TABLE interaction ADD COLUMN token text")
        connection.execute(
            "CREATE INDEX interaction_token_idx ON interaction (timestamp) WHERE token IS NOT NULL"
        )
        rows = connection.execute(
            "SELECT DISTINCT ON (user_id) id, user_id::text, media_id::text, "
            "extract(epoch FROM timestamp)::int FROM interaction "
            "WHERE type = 'LIKE' AND user_id IS NOT NULL AND media_id IS NOT NULL "
            "AND timestamp < now() ORDER BY user_id, id LIMIT 27"
        ).fetchall()
        for number, (row_id, user, item_id, happened_at) in enumerate(rows):
            team = "content" if number < 23 else "present"
            placement = Placement("ranker", team, user, item_id, 1, happened_at - 60)
            if number == 26:
                placement = placement._replace(user_id=rows[0][1])
            token = (forger if number == 25 else SIGNER).sign(placement)
            connection.execute("UPDATE interaction SET token = %s WHERE id = %s", (token, row_id))
    return [user for _, user, _, _ in rows]
