"""The content of the explorer's models page, read from the folder of the models."""

from pathlib import Path

from recommender.api.explorer.training import SHOWN_RUNS, read_training
from recommender.model_store.runs import write_run
from tests.support.training_history import CHALLENGER, DEFAULT, publish_versions, record_history, run, variant


def test_an_empty_folder_shows_nothing(tmp_path: Path) -> None:
    page = read_training(tmp_path / "missing")
    assert (page.versions, page.runs, page.metric, page.served, page.compared) == ((), (), None, None, None)
    assert page.current is None


def test_runs_are_listed_latest_first_and_drawn_earliest_first(tmp_path: Path) -> None:
    record_history(tmp_path)
    page = read_training(tmp_path)
    assert [each.run.number for each in page.runs] == [5, 4, 3, 2, 1]
    assert page.served is not None
    assert [mark.point.variant.name for mark in page.served.marks] == [DEFAULT, DEFAULT, CHALLENGER]
    assert [each.number for _, each in page.served.unmeasured] == [1, 4]
    assert page.compared is not None
    assert len(page.compared.marks) == 9


def test_measured_variants_have_a_bar_and_refused_ones_have_none(tmp_path: Path) -> None:
    record_history(tmp_path)
    bars = read_training(tmp_path).runs[0].bars
    assert [bar is None for bar in bars] == [False, False, False, True]


def test_without_measured_runs_there_is_no_plot(tmp_path: Path) -> None:
    write_run(tmp_path, run(1, variant(DEFAULT, "neighbours", 0.1), (), metric=None, compared=()))
    page = read_training(tmp_path)
    assert (len(page.runs), page.served, page.compared) == (1, None, None)


def test_a_run_with_another_metric_is_listed_and_not_drawn(tmp_path: Path) -> None:
    default = variant(DEFAULT, "neighbours", 0.1)
    write_run(tmp_path, run(1, default, (), metric="map@10"))
    write_run(tmp_path, run(2, default, ()))
    page = read_training(tmp_path)
    assert page.metric == "ndcg@10"
    assert page.served is not None
    assert [mark.point.run.number for mark in page.served.marks] == [2]
    assert len(page.runs) == 2


def test_only_the_latest_runs_are_read(tmp_path: Path) -> None:
    default = variant(DEFAULT, "neighbours", 0.1)
    for number in range(1, SHOWN_RUNS + 3):
        write_run(tmp_path, run(number, default, ()))
    assert [each.run.number for each in read_training(tmp_path).runs] == list(range(SHOWN_RUNS + 2, 2, -1))


def test_the_champion_is_the_version_promoted_last(tmp_path: Path) -> None:
    versions = publish_versions(tmp_path)
    page = read_training(tmp_path)
    assert page.current is not None
    assert page.current.ref == versions[1]
    assert [each.fault is None for each in page.versions] == [False, True, True]
