"""The note of a run under way is read back, also that of another release."""

import json
from pathlib import Path

import pytest

from recommender.model_store.runs import Trigger
from recommender.system.clock import utc_now
from recommender.trainer.begun import BegunRun, read_begun, remove_begun, write_begun


def test_a_note_is_read_as_it_was_written_until_it_is_removed(tmp_path: Path) -> None:
    run = BegunRun(number=3, started_at=utc_now(), trigger=Trigger.SCHEDULE)
    write_begun(tmp_path, run)
    assert read_begun(tmp_path) == run
    remove_begun(tmp_path)
    assert read_begun(tmp_path) is None


def test_fields_that_a_newer_release_added_are_ignored(tmp_path: Path) -> None:
    run = BegunRun(number=3, started_at=utc_now(), trigger=Trigger.SCHEDULE)
    write_begun(tmp_path, run)
    path = tmp_path / ".begun.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "a"}))
    assert read_begun(tmp_path) == run


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_damaged_note_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / ".begun.json").write_text(content)
    assert read_begun(tmp_path) is None
