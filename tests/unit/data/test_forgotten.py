"""Forgotten users are stored only as digests, and datasets without them equal those of the other users."""

import errno
import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from recommender.data import forgotten
from recommender.data.forgotten import FILE, Forgotten, ForgottenUsers, read_forgotten
from recommender.errors import ArtifactError
from recommender.model_store.folders import replace_text
from recommender.system import timely
from tests.support.datasets import dataset
from tests.support.waiting import wait_until

KEY = bytes(range(32))
USERS = [str(uuid.UUID(int=number << 64 | number)) for number in range(1, 5_001)]
HISTORIES = {"a": ["x", "y"], "b": ["y", "only-b"], "c": ["z"], "d": ["x"]}


def listed(*user_ids: str) -> Forgotten:
    return Forgotten(KEY).with_users(user_ids)


def test_without_a_list_no_user_is_forgotten() -> None:
    empty = Forgotten()
    assert "a" not in empty
    assert empty.state is None
    assert not empty
    data = dataset(HISTORIES)
    assert empty.leave_out(data) is data


def test_those_on_the_list_are_forgotten_and_no_other() -> None:
    forgotten = listed("a", "c")
    assert [user for user in HISTORIES if user in forgotten] == ["a", "c"]


def test_the_state_is_that_of_the_set_of_users() -> None:
    assert listed("a", "c").state == listed("c", "a").with_users(["a"]).state
    states = {listed().state, listed("a").state, listed("c").state, listed("a", "c").state}
    assert len(states) == 4
    assert Forgotten(bytes(32)).with_users(["a"]).state not in states


def test_a_dataset_without_forgotten_users_equals_that_of_the_others() -> None:
    left = listed("b", "c").leave_out(dataset(HISTORIES))
    alone = dataset({user: items for user, items in HISTORIES.items() if user not in {"b", "c"}})
    assert (left.user_ids, left.item_ids) == (alone.user_ids, alone.item_ids)
    for name in ("user_start", "item_idx", "values", "liked", "times"):
        assert getattr(left, name).tolist() == getattr(alone, name).tolist(), name
        assert getattr(left, name).dtype == getattr(alone, name).dtype, name
    assert left.forgotten == listed("b", "c").state


def test_a_dataset_of_forgotten_users_alone_is_empty() -> None:
    assert not any(listed(*HISTORIES).leave_out(dataset(HISTORIES)).counts.values())


_FORMS: dict[str, tuple[list[str], Callable[[str], bytes]]] = {
    "uuid": (USERS, lambda user_id: uuid.UUID(user_id).bytes),
    "integer": ([str(n) for n in range(1, 5_001)], lambda user_id: int(user_id).to_bytes(8, signed=True)),
    "text": ([f"user-{n}" for n in range(5_000)], lambda user_id: user_id.encode().ljust(32)),
    "text of digits": ([str(n) for n in range(5_000)], lambda user_id: user_id.encode().ljust(32)),
    "text like a uuid": ([f"{n:032x}" for n in range(5_000)], lambda user_id: user_id.encode()),
}


@pytest.mark.parametrize("form", _FORMS)
def test_binary_ids_are_found_among_thousands(form: str) -> None:
    ids, key_of = _FORMS[form]
    keys = [key_of(each) for each in ids]
    forgotten = listed(ids[7], ids[4_000])
    found = forgotten.among_keys(b"".join(keys), len(keys))
    assert np.flatnonzero(found).tolist() == [7, 4_000]
    assert not listed("some-name").among_keys(b"".join(keys), len(keys)).any()


def test_users_who_are_listed_together_are_found_as_those_listed_alone() -> None:
    ids = ["17", "a name", USERS[3], "-5", USERS[1], "another"]
    alone = [next(iter(listed(each).users.items())) for each in ids]
    assert listed(*ids).users == dict(alone)
    assert [fingerprint >= 0 for _, fingerprint in alone] == [True, True, True, True, True, True]


def test_keys_longer_than_any_binary_form_are_of_nobody_on_the_list() -> None:
    assert not listed("user-7", "x" * 33).among_keys(b"user-7".ljust(40), 1).any()


def test_the_file_gives_back_the_list_and_holds_no_id(tmp_path: Path) -> None:
    forgotten = listed(*USERS[:3])
    (tmp_path / FILE).write_text(forgotten.to_json())
    assert read_forgotten(tmp_path) == forgotten
    content = (tmp_path / FILE).read_bytes()
    for user in USERS[:3]:
        assert user.encode() not in content
        assert uuid.UUID(user).bytes not in content
        assert uuid.UUID(user).hex.encode() not in content


LARGE_FINGERPRINT = json.dumps({"key": KEY.hex(), "users": {"00": 1 << 40}})


@pytest.mark.parametrize(
    "content", ["", "{}", '{"key": "00", "users": {}}', '{"key": 1, "users": []}', LARGE_FINGERPRINT]
)
def test_a_changed_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ArtifactError, match=FILE):
        read_forgotten(tmp_path)
    assert ForgottenUsers(tmp_path).current() is None
    assert not ForgottenUsers(tmp_path).are_left_out(None)


def test_a_list_with_more_fields_is_refused_as_that_of_a_newer_release(tmp_path: Path) -> None:
    users = listed(*USERS[:1])
    (tmp_path / FILE).write_text(json.dumps(json.loads(users.to_json()) | {"until": {}}))
    with pytest.raises(ArtifactError, match="has fields that this release does not know: a newer release"):
        read_forgotten(tmp_path)
    known = ForgottenUsers(tmp_path)
    assert known.current() is None
    assert known.last_read() == users, "left out of live SQL nevertheless"


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    assert ForgottenUsers(tmp_path).current() is None


def test_a_list_that_could_not_be_read_once_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgotten, "_READ_AGAIN_S", 0.05)
    users, earlier, later = ForgottenUsers(tmp_path), listed(*USERS[:1]), listed(*USERS[:2])
    replace_text(tmp_path / FILE, earlier.to_json())
    assert users.current() == earlier
    replace_text(tmp_path / FILE, later.to_json())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", too_many_files)
        assert users.current() is None
        assert users.last_read() == earlier, "still left out of live SQL"
    wait_until(lambda: users.current() == later)
    assert users.last_read() == later


def too_many_files(_: Path) -> bytes:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_one_thread_reads_a_changed_list_and_the_others_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, changed = ForgottenUsers(tmp_path), listed(*USERS[:2])
    replace_text(tmp_path / FILE, changed.to_json())
    reads, read_bytes = [], Path.read_bytes

    def read_slowly(path: Path) -> bytes:
        reads.append(path)
        time.sleep(0.2)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read_slowly)
    with ThreadPoolExecutor(8) as threads:
        found = [each.result() for each in [threads.submit(users.current) for _ in range(8)]]
    assert found == [changed] * 8
    assert len(reads) == 1


def test_a_list_that_is_read_for_long_is_not_known_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, earlier, later = ForgottenUsers(tmp_path), listed(*USERS[:1]), listed(*USERS[:2])
    replace_text(tmp_path / FILE, earlier.to_json())
    assert users.current() == earlier
    replace_text(tmp_path / FILE, later.to_json())
    monkeypatch.setattr(forgotten, "_READING_PATIENCE_S", 0.05)
    is_read, begun, read_bytes = threading.Event(), threading.Event(), Path.read_bytes

    def read_late(path: Path) -> bytes:
        begun.set()
        is_read.wait(60)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read_late)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(users.current)
        try:
            begun.wait(60)
            assert users.current() is None
            assert users.last_read() == earlier
        finally:
            is_read.set()
        assert reading.result() == users.current() == later


def test_a_change_is_known_at_the_next_look(tmp_path: Path) -> None:
    users = ForgottenUsers(tmp_path)
    assert users.are_left_out(None)
    for count in (1, 2, 3):
        forgotten = listed(*USERS[:count])
        replace_text(tmp_path / FILE, forgotten.to_json())
        assert not users.are_left_out(None)
        assert users.are_left_out(forgotten.state)
    (tmp_path / FILE).unlink()
    assert users.are_left_out(None)


def test_a_share_that_hangs_leaves_the_last_list_and_no_trained_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timely, "is_on_network", lambda _: True)
    monkeypatch.setattr(forgotten, "_PATIENCE_S", 0.2)
    users, known = ForgottenUsers(tmp_path), listed(*USERS[:1])
    replace_text(tmp_path / FILE, known.to_json())
    assert users.are_left_out(known.state)
    answers, stat = threading.Event(), Path.stat

    def hang(path: Path, **options: bool) -> os.stat_result:
        if path.name == FILE:
            answers.wait(60)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", hang)
    began = time.monotonic()
    try:
        assert users.current() is None
        assert users.last_read() == known, "still left out of live SQL"
        assert not users.are_left_out(known.state)
        assert time.monotonic() - began < 10
    finally:
        answers.set()
    wait_until(lambda: users.current() == known)
