"""Interactions as in real databases: without ids, of other types, disliked later, from the future."""

import re
from pathlib import Path

import pytest

from recommender.cli.main import main
from tests.support.clients import running_client
from tests.support.commands import variables
from tests.support.postgres import Urls
from tests.support.tiny import ASKER, CATALOG, ENGAGEMENT, USER, Tiny, key


@pytest.fixture
def tiny(empty_databases: Urls) -> Tiny:
    """The asker and user 10 share medium 100. User 10 also has 200. User 99 shares nothing with them."""
    tiny = Tiny(empty_databases)
    tiny.add(99, 109, hours_ago=1)
    tiny.add(1, 100, hours_ago=1)
    tiny.add(10, 100, hours_ago=2)
    tiny.add(10, 200, hours_ago=2)
    return tiny


def train(tiny: Tiny, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return variables with which a trained model answers."""
    for name, value in variables(tiny.urls).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MODEL_PATH", str(folder))
    assert main(["train", "neighbours"]) == 0
    return {"MODEL_PATH": str(folder)}


def test_rows_without_ids_are_ignored(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.execute(
        ENGAGEMENT, "ALTER TABLE interaction ALTER user_id DROP NOT NULL, ALTER media_id DROP NOT NULL"
    )
    before = tiny.answer()
    for kind in ("LIKE", "WATCH", "DISLIKE"):
        tiny.add(10, None, hours_ago=1, value=99.0, kind=kind)
        tiny.add(1, None, hours_ago=1, value=99.0, kind=kind)
        tiny.add(None, 100, hours_ago=1, value=99.0, kind=kind)
        tiny.add(None, 200, hours_ago=1, value=99.0, kind=kind)
        tiny.add(None, None, hours_ago=1, value=99.0, kind=kind)
    assert tiny.answer() == before
    with running_client(tiny.urls) as client:
        similar = client.get(f"/api/media/{key(100)}/similar").get_json()
        popular = client.get("/api/media/popular").get_json()
        found = client.get("/explorer/users?q=")
    assert [(item["id"], item["shared_user_count"]) for item in similar["similar"]] == [(key(200), 1)]
    most_popular = popular["media"][0]
    assert (most_popular["id"], most_popular["user_count"]) == (key(100), 2)
    assert found.status_code == 200
    assert set(re.findall(r'explorer/users/([0-9a-f-]{36})"', found.text)) == {key(n) for n in (1, 10, 99)}
    by_model = tiny.answer(**train(tiny, tmp_path / "models", monkeypatch))
    assert by_model["recommendations"] == before["recommendations"]
    output = tmp_path / "out.ndjson"
    assert main(["batch", "--all-users", "--output", str(output), "--limit", "1"]) == 0
    assert len(output.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE interaction ALTER interaction_value TYPE numeric",
        "ALTER TABLE interaction ALTER interaction_value TYPE integer",
        """CREATE TYPE kind AS ENUM ('WATCH', 'DISLIKE', 'LIKE');
        ALTER TABLE interaction ALTER type TYPE kind USING type::kind""",
        "CREATE EXTENSION citext; ALTER TABLE interaction ALTER type TYPE citext",
        "ALTER TABLE interaction ALTER timestamp TYPE timestamptz USING timestamp AT TIME ZONE 'UTC'",
    ],
)
def test_other_column_types_make_no_difference(
    tiny: Tiny, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.add(10, 201, hours_ago=3, value=2.0, kind="LIKE")
    tiny.add(10, 202, hours_ago=3, value=-2.0, kind="DISLIKE")
    before = tiny.answer()
    assert set(tiny.collaborative()) == {key(200), key(201)}
    tiny.execute(ENGAGEMENT, change)
    assert tiny.answer() == before
    by_model = tiny.answer(**train(tiny, tmp_path / "models", monkeypatch))
    assert by_model["recommendations"] == before["recommendations"]


def test_items_that_others_disliked_after_watching_are_not_recommended_by_them(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.add(10, 201, hours_ago=5, kind="LIKE")
    tiny.add(10, 200, hours_ago=1, value=-2.0, kind="DISLIKE")
    assert set(tiny.collaborative()) == {key(201)}
    assert set(tiny.collaborative(**train(tiny, tmp_path / "models", monkeypatch))) == {key(201)}


def test_an_item_disliked_after_watching_is_no_reason_and_stays_excluded(tiny: Tiny) -> None:
    tiny.add(1, 101, hours_ago=9)
    tiny.add(10, 101, hours_ago=9)
    own = {item["id"] for item in tiny.answer()["recommendations"][0]["because_you_liked"]}
    assert own == {key(100), key(101)}
    tiny.add(1, 101, hours_ago=8, value=-2.0, kind="DISLIKE")
    answer = tiny.answer()
    assert [each["id"] for each in answer["recommendations"][0]["because_you_liked"]] == [key(100)]
    assert key(101) not in {item["id"] for item in answer["recommendations"]}


def test_a_like_after_the_dislike_counts_again_and_a_watch_does_not(tiny: Tiny) -> None:
    tiny.add(10, 200, hours_ago=1.5, kind="DISLIKE")
    tiny.add(10, 200, hours_ago=1.2, kind="WATCH")
    assert tiny.collaborative() == {}
    tiny.add(10, 200, hours_ago=1, kind="LIKE")
    assert set(tiny.collaborative()) == {key(200)}


def test_reasons_say_liked_for_a_like_and_otherwise_watched(tiny: Tiny) -> None:
    first = tiny.answer()["recommendations"][0]
    assert first["because_you_liked"] == [{"id": key(100), "title": "Title 100", "interaction": "watched"}]
    assert first["reason"].startswith("Because you watched “Title 100”: ")
    tiny.add(1, 101, hours_ago=9, kind="LIKE")
    tiny.add(10, 101, hours_ago=9)
    first = tiny.answer()["recommendations"][0]
    assert {own["interaction"] for own in first["because_you_liked"]} == {"liked", "watched"}
    assert first["reason"].startswith("Because you liked “Title 101” and watched “Title 100”: ")


@pytest.mark.parametrize("value", [None, -2.0])
def test_similar_users_whose_values_add_nothing_are_no_reason(tiny: Tiny, value: float | None) -> None:
    tiny.add(10, 201, hours_ago=3, value=value)
    items = {item["id"]: item for item in tiny.answer()["recommendations"]}
    found, other = items[key(201)], items[key(200)]
    assert (found["collaborative_score"], found["similar_user_count"]) == (0.0, 1)
    assert found["because_you_liked"] == []
    assert found["reason"] == "Popular: 1 person liked or watched it."
    assert [own["id"] for own in other["because_you_liked"]] == [key(100)]
    assert "the one person most like you" in other["reason"]


def test_disliked_items_are_neither_popular_nor_similar(tiny: Tiny) -> None:
    tiny.add(10, 200, hours_ago=1, kind="DISLIKE")
    with running_client(tiny.urls, EXACT_UP_TO_PAIRS="0") as client:
        similar = client.get(f"/api/media/{key(100)}/similar").get_json()
        popular = client.get("/api/media/popular?limit=20").get_json()
    assert similar["similar"] == []
    assert {item["id"]: item["user_count"] for item in popular["media"]}[key(200)] == 0


def test_rows_from_the_future_lie_in_no_window(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tiny.answer()
    with running_client(tiny.urls) as client:
        similar_before = client.get(f"/api/media/{key(100)}/similar").get_json()
    for user in range(20, 40):
        # The year 2999, three days ahead, and infinity.
        tiny.add(user, 100, hours_ago=-24 * 365 * 970)
        tiny.add(user, 205, hours_ago=-72)
    tiny.execute(
        ENGAGEMENT,
        "UPDATE interaction SET timestamp = 'infinity' WHERE id % 3 = 0 AND timestamp > now() + '2 days'",
    )
    for capped in ({"USERS_PER_ITEM": "3"}, {"INTERACTION_WINDOW_DAYS": "0"}):
        answer = tiny.answer(**capped)
        assert answer["recommendations"] == before["recommendations"]
    with running_client(tiny.urls, USERS_PER_ITEM="3", EXACT_UP_TO_PAIRS="0") as client:
        assert client.get(f"/api/media/{key(100)}/similar").get_json()["similar"] == similar_before["similar"]
    by_model = tiny.answer(**train(tiny, tmp_path / "models", monkeypatch))
    assert by_model["recommendations"] == before["recommendations"]


def test_timestamps_some_hours_ahead_count(tiny: Tiny) -> None:
    tiny.add(10, 203, hours_ago=-20)
    assert set(tiny.collaborative()) == {key(200), key(203)}


def test_the_types_of_interactions_are_settings(tiny: Tiny) -> None:
    for user, item, kind in (
        (1, 101, "play"),
        (11, 101, "play"),
        (11, 204, "thumb up"),
        (11, 205, "thumb up"),
        (12, 109, "play"),
    ):
        tiny.add(user, item, hours_ago=2, kind=kind)
    tiny.add(11, 205, hours_ago=1, kind="thumb down")
    assert set(tiny.collaborative()) == {key(200)}
    types = {"LIKE_TYPES": "thumb up", "WATCH_TYPES": "play,finish", "DISLIKE_TYPES": "thumb down"}
    assert set(tiny.collaborative(**types)) == {key(204)}


def test_types_that_do_not_exclude_leave_items_to_be_recommended(tiny: Tiny) -> None:
    tiny.add(1, 200, hours_ago=1, kind="IMPRESSION")
    assert tiny.collaborative() == {}
    assert set(tiny.collaborative(EXCLUDING_TYPES="WATCH,LIKE,DISLIKE")) == {key(200)}


def test_no_reason_claims_that_an_item_was_not_seen(tiny: Tiny) -> None:
    """The service does not know all that a user has seen, for example with a narrower EXCLUDING_TYPES."""
    tiny.add(1, 205, hours_ago=1, kind="IMPRESSION")
    answer = tiny.answer(EXCLUDING_TYPES="WATCH,LIKE,DISLIKE")
    reasons = {item["id"]: item["reason"] for item in answer["recommendations"]}
    assert reasons[key(205)] == "Nothing fits better."


def test_equal_scores_rank_by_popularity_live_and_by_a_model(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.4 × 1/2 + 0.6 × 216/1365 and 0.6 × 671/1365, which as floats differ in the last bit."""
    tiny.execute(CATALOG, "INSERT INTO tb_media_genre VALUES (%s, 'Drama')", key(202))
    tiny.execute(USER, "INSERT INTO user_preferences VALUES (gen_random_uuid(), %s)", ASKER)
    for genre in ("Drama", "Comedy"):
        tiny.execute(USER, "INSERT INTO tb_user_genre VALUES (%s, %s)", ASKER, genre)
    for item, value in ((201, 13.65), (202, 2.16), (203, 6.71)):
        tiny.add(10, item, hours_ago=2, value=value)
    orders = []
    # Users with nothing in common with the asker make one of the two more popular, then the other.
    for fans, item in (([97], 202), ([97, 98], 203)):
        for fan in fans:
            tiny.add(fan, item, hours_ago=1)
        orders.append([item["id"] for item in tiny.answer()["recommendations"]][:3])
    assert orders == [[key(201), key(202), key(203)], [key(201), key(203), key(202)]]
    by_model = tiny.answer(**train(tiny, tmp_path / "models", monkeypatch))
    assert [item["id"] for item in by_model["recommendations"]][:3] == orders[1]
