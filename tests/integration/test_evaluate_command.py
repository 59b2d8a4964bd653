"""`evaluate` and `tune` on databases, MovieLens and Parquet, from the command line."""

import json
import os
import stat
import uuid
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.cli import evaluate as evaluate_command
from recommender.data.interactions import histories_of, interactions_of, positive_pairs
from recommender.databases.database import Database
from recommender.databases.engagement_db import EngagementDatabase
from recommender.entities import DatabaseName
from recommender.evaluation.results import Verdict
from recommender.evaluation.runner import Plan, evaluate
from recommender.evaluation.sources import movielens_source
from recommender.evaluation.splits import SplitKind, make_splits
from recommender.evaluation.variants import compared_variants
from recommender.training.forgetting import note_forgotten
from tests.support.clients import settings_for
from tests.support.commands import Run
from tests.support.evaluation import two_tastes
from tests.support.postgres import Urls


@pytest.fixture(autouse=True)
def models(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder in which `run` saves the last comparison."""
    # `run` sets its own folder.
    request.getfixturevalue("run")
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.mark.parametrize("split", ["time", "last-part", "leave-last-out"])
def test_evaluate_compares_on_the_databases(run: Run, tmp_path: Path, split: str) -> None:
    as_json, page = tmp_path / "evaluation.json", tmp_path / "evaluation.html"
    result = run(
        "evaluate",
        "--split",
        split,
        "--models",
        "item_knn",
        "--k",
        "5,10",
        "--json",
        as_json,
        "--html",
        page,
    )
    assert result.status == 0, result.err
    said = json.loads(as_json.read_text())
    assert [each["name"] for each in said["variants"]] == [
        "windowed popularity",
        "item_knn alone",
        "item_knn 40/60",
        "item_knn 40/60 (profile)",
        "neighbours 40/60",
    ]
    assert "user_db, as they are today" in result.out
    assert all(each["name"] in result.out and each["name"] in page.read_text() for each in said["variants"])
    assert "Ranking by item_knn" in result.err


def test_the_last_comparison_is_readable_for_others_with_any_umask(
    run: Run, models: Path, tmp_path: Path
) -> None:
    copies = {"evaluation.json": tmp_path / "copy.json", "evaluation.html": tmp_path / "copy.html"}
    options = ("--split", "last-part", "--models", "item_knn")
    umask = os.umask(0o077)
    try:
        first = run(
            "evaluate", *options, "--json", copies["evaluation.json"], "--html", copies["evaluation.html"]
        )
        kept = models / "evaluation"
        assert (first.status, "cannot be saved" in first.err) == (0, False)
        assert sorted(each.name for each in kept.iterdir()) == ["evaluation.html", "evaluation.json"]
        assert all((kept / name).read_text() == copy.read_text() for name, copy in copies.items())
        assert run("evaluate", *options, "--k", "10").status == 0
    finally:
        os.umask(umask)
    assert json.loads((kept / "evaluation.json").read_text())["description"]["ks"] == [10]
    assert sorted(each.name for each in kept.iterdir()) == ["evaluation.html", "evaluation.json"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (models, kept)] == [0o755, 0o755]
    assert {stat.S_IMODE(each.stat().st_mode) for each in kept.iterdir()} == {0o644}


def test_a_comparison_that_cannot_be_saved_is_shown_with_a_warning(run: Run, models: Path) -> None:
    models.write_text("a file where the folder would be")
    result = run("evaluate", "--split", "last-part", "--models", "item_knn")
    assert result.status == 0
    assert "item_knn alone" in result.out
    (line,) = (line for line in result.err.splitlines() if "cannot be saved" in line)
    assert line == f"The result cannot be saved in {models / 'evaluation'}: Not a directory."


def test_evaluation_and_training_use_the_same_positive_items(shared_databases: Urls) -> None:
    settings = settings_for(shared_databases)
    database = Database(DatabaseName.ENGAGEMENT, settings.databases.for_command())
    database.open()
    try:
        engagement_db = EngagementDatabase(database, settings.interaction_types)
        everything = interactions_of(engagement_db.stream_interactions())
        trained_on = {each.user_id: each for each in engagement_db.stream_positive_histories("-infinity")}
    finally:
        database.close()
    found = {each.user_id: each for each in histories_of(positive_pairs(everything), everything)}
    assert set(found) == set(trained_on)
    for user_id, history in found.items():
        expected = trained_on[user_id]
        for one, other in ((history, expected), (expected, history)):
            assert set(one.item_ids) == set(other.item_ids)
        order = [expected.item_ids.index(item_id) for item_id in history.item_ids]
        assert history.liked == [expected.liked[each] for each in order]
        assert np.allclose(history.total_values, np.array(expected.total_values)[order])
        assert np.array_equal(history.times, np.array(expected.times)[order])


def test_tune_prints_settings_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    as_json = tmp_path / "tuning.json"
    result = run("tune", "--split", "last-part", "--models", "item_knn", "--json", as_json)
    assert result.status == 0, result.err
    tuning = json.loads(as_json.read_text())
    for line in (*tuning["settings"], *tuning["commands"]):
        assert f"\n{line}\n" in result.out
    # Three fits alone and by 40/60 with either content score, and each in the ten other blends.
    assert tuning["tried"] == 3 * 3 + 3 * 10


@pytest.mark.parametrize(
    ("command", "spell"),
    [("evaluate", str.upper), ("evaluate", lambda text: text.replace("-", "")), ("tune", str.lower)],
    ids=["upper case", "without hyphens", "tune"],
)
def test_forgotten_users_are_left_out_of_files(
    run: Run, tmp_path: Path, models: Path, command: str, spell: Callable[[str], str]
) -> None:
    count = len(two_tastes().interactions.user_ids)
    users = [str(uuid.UUID(int=number << 64 | 0xABCDEF)) for number in range(count)]
    forgotten = users[::3]

    def figures_with(kept: Collection[str]) -> Any:
        folder = tmp_path / str(len(kept)) / "export"
        export_likes(folder, [spell(user) if user in kept else None for user in users])
        as_json = folder / "figures.json"
        options = ("--models", "item_knn", "--split", "last-part", "--json", as_json)
        result = run(command, "--parquet", folder, *options)
        assert result.status == 0, result.err
        return json.loads(as_json.read_text(), object_hook=without_durations)

    expected = figures_with(set(users) - set(forgotten))
    note_forgotten(models, forgotten)
    assert figures_with(users) == expected


def without_durations(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figure for name, figure in figures.items() if not name.endswith("seconds")}


def export_likes(folder: Path, users: Sequence[str | None]) -> None:
    """Write likes of two tastes under other ids of the users, without those whose id is None."""
    rows = two_tastes().interactions
    folder.mkdir(parents=True)
    # As rows without a user, which are left out.
    table = {
        "user_id": [users[user] for user in rows.user_idx],
        "item_id": [rows.item_ids[item] for item in rows.item_idx],
        "timestamp": rows.times,
        "type": ["LIKE"] * len(rows.times),
    }
    pq.write_table(pa.table(table), folder / "interactions.parquet")


def test_parquet_files_are_read_completely(run: Run, tmp_path: Path) -> None:
    rows = two_tastes().interactions
    table = {
        "user_id": [rows.user_ids[user] for user in rows.user_idx],
        "item_id": [rows.item_ids[item] for item in rows.item_idx],
        "timestamp": pa.array((rows.times * 1e6).astype(np.int64), pa.timestamp("us")),
        "type": ["LIKE"] * len(rows.times),
    }
    pq.write_table(pa.table(table), tmp_path / "interactions.parquet")
    pq.write_table(
        pa.table({"item_id": list(rows.item_ids), "genres": [["Drama"]] * len(rows.item_ids)}),
        tmp_path / "items.parquet",
    )
    as_json = tmp_path / "evaluation.json"
    result = run("evaluate", "--parquet", tmp_path, "--models", "neighbours", "--json", as_json)
    assert result.status == 0, result.err
    about = json.loads(as_json.read_text())["description"]
    assert about["items"] == len(rows.item_ids)
    assert about["train_pairs"] == int((rows.times < np.quantile(rows.times, 0.8, method="higher")).sum())
    pq.write_table(pa.table({"user_id": ["u"]}), tmp_path / "interactions.parquet")
    refused = run("evaluate", "--parquet", tmp_path)
    assert refused.status == 1
    assert "has no column item_id, timestamp" in refused.err


@pytest.mark.parametrize(
    "options",
    [
        ("--models", "nothing"),
        ("--k", "0"),
        ("--k", "ten"),
        ("--seed", "-1"),
        ("--split", "last-part", "--moment", "2026-01-01"),
    ],
)
def test_meaningless_options_are_refused(run: Run, options: tuple[str, ...]) -> None:
    assert run("evaluate", *options).status == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--json", "{folder}/no/a.json"), "there is no folder {folder}/no"),
        (("--html", "/proc/a.html"), "/proc/a.html cannot be written"),
        (("--json", "{folder}/link"), "there is no folder {folder}/no"),
        (("--json", "{folder}/a", "--html", "{folder}/../{name}/a"), "--json and --html name the same file"),
        (("--json", "/dev/stdout"), "/dev/stdout is the standard output"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "link").symlink_to("no/a.json")
    monkeypatch.setattr(evaluate_command, "splits_of", lambda *_: pytest.fail("it has begun"))
    result = run("evaluate", *(each.format(folder=tmp_path, name=tmp_path.name) for each in options))
    assert result.status == 2
    assert words.format(folder=tmp_path) in result.err


@pytest.mark.parametrize(
    ("command", "option"), [("evaluate", "--json"), ("evaluate", "--html"), ("tune", "--json")]
)
def test_figures_are_shown_even_if_a_file_cannot_be_written(run: Run, command: str, option: str) -> None:
    result = run(command, "--split", "last-part", "--models", "item_knn", option, "/dev/full")
    assert result.status == 1
    assert "item_knn" in result.out
    assert "No space left on device" in result.err


@pytest.mark.parametrize(
    "option",
    [("--split", "time"), ("--seed", "0"), ("--scale", "5"), ("--models", ""), ("--relevant", "likes")],
)
def test_a_replay_refuses_options_that_do_nothing_also_with_their_defaults(
    run: Run, option: tuple[str, str]
) -> None:
    result = run("evaluate", "--as-of", "2026-06-01", *option)
    assert result.status == 2
    assert f"{option[0]} cannot be used with --as-of." in result.err


@pytest.mark.parametrize("command", ["evaluate", "tune"])
def test_a_scale_is_refused_for_databases(run: Run, command: str) -> None:
    result = run(command, "--scale", "10")
    assert result.status == 2
    assert "--scale can only be used with --movielens or --parquet." in result.err


@pytest.mark.parametrize("moment", ["soon", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
@pytest.mark.parametrize(
    "command",
    [("evaluate", "--moment"), ("evaluate", "--as-of"), ("experiments", "report", "any", "--since")],
    ids=lambda command: command[-1],
)
def test_a_moment_that_is_none_in_utc_is_refused(run: Run, command: tuple[str, ...], moment: str) -> None:
    result = run(*command, moment)
    assert result.status == 2
    assert result.err.splitlines()[-1].endswith(
        f"must be a moment such as 2026-06-01 or 2026-06-01T12:00:00Z, got {moment!r}"
    )


def test_a_movielens_folder_gives_the_figures_of_the_split(
    run: Run, data_folder: Path, tmp_path: Path
) -> None:
    as_json = tmp_path / "evaluation.json"
    result = run(
        "evaluate",
        "--movielens",
        data_folder / "ml-latest-small",
        "--split",
        "last-part",
        "--models",
        "neighbours",
        "--json",
        as_json,
    )
    assert result.status == 0, result.err
    said = json.loads(as_json.read_text())
    found = {each["name"]: each["groups"]["with history"] for each in said["variants"]}
    assert 0.06 < found["windowed popularity"]["metrics"]["ndcg@10"]["mean"] < 0.07
    assert found["neighbours 40/60"]["metrics"]["ndcg@10"]["mean"] > 0.1
    assert found["neighbours 40/60"]["against"]["windowed popularity"]["ndcg@10"]["verdict"] == "better"


# Results of simple models on real ratings; popularity has 0.066 and 0.087.
LEAST = {
    "ml-latest-small": {
        "neighbours 40/60 (profile)": 0.106,
        "ease alone": 0.118,
        "ease 40/60 (profile)": 0.122,
        "ease_transitions 40/60 (profile)": 0.138,
    },
    "movietweetings-100k": {
        "neighbours 40/60 (profile)": 0.095,
        "ease alone": 0.096,
        "ease 40/60 (profile)": 0.097,
        "ease_transitions 40/60 (profile)": 0.111,
    },
}


@pytest.mark.parametrize(("folder", "scale"), [("ml-latest-small", 5.0), ("movietweetings-100k", 10.0)])
def test_models_are_far_better_than_popularity(data_folder: Path, folder: str, scale: float) -> None:
    source = movielens_source(data_folder / folder, scale)
    split = make_splits(source.interactions, SplitKind.LAST_PART).test
    compared = compared_variants(["neighbours", "ease", "ease_transitions"])
    # Nothing is asserted of the others.
    variants = [each for each in compared if not each.name.endswith("40/60")]
    evaluation = evaluate(source, split, variants, Plan(SplitKind.LAST_PART, ks=(10,)))
    found = {each.name: evaluation.of_group(each) for each in evaluation.measured}
    for name, least in LEAST[folder].items():
        assert found[name].metrics["ndcg@10"].mean >= least, name
        assert found[name].against["windowed popularity"]["ndcg@10"].verdict is Verdict.BETTER, name
    for name, group in found.items():
        if "(profile)" in name:
            # A content share by profile never makes the model worse than alone.
            assert group.against["the model alone"]["ndcg@10"].verdict is not Verdict.WORSE, name


def test_train_takes_the_hyperparameters_that_tune_prints(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_PATH", str(tmp_path))
    assert run("train", "item_knn", "--set", "shrinkage=5.5").status == 0
    (config,) = (tmp_path / "item_knn" / "current").resolve().glob("config.json")
    assert json.loads(config.read_text())["shrinkage"] == 5.5
    for wrong in ("shrinkage=-1", "nothing=1"):
        refused = run("train", "item_knn", "--set", wrong)
        assert refused.status == 2
        assert wrong.partition("=")[0] in refused.err
