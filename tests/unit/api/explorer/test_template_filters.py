"""Parameters of the explorer's sliders, and how values are shown in words."""

from datetime import datetime

import pytest
from werkzeug.datastructures import MultiDict

from recommender.api.errors import BadRequestError
from recommender.api.explorer import template_filters
from recommender.api.explorer.tuning import Tuning, tuning_query
from recommender.api.parsing import parse_query
from recommender.domains.media import MEDIA
from recommender.entities import Item, Weights
from recommender.texts.labels import name_of

DEFAULTS = Tuning(Weights(0.4, 0.6), 90, 12)


def parse(arguments: dict[str, str]) -> Tuning:
    return parse_query(MultiDict(arguments), tuning_query(100, MEDIA)).tuning(DEFAULTS)


def test_missing_parameters_have_the_configured_values() -> None:
    assert parse({}) == DEFAULTS


def test_given_parameters_return_in_the_address() -> None:
    given = {"content_weight": "0.25", "collaborative_weight": "1", "window_days": "0", "limit": "20"}
    tuning = parse(given)
    assert tuning == Tuning(Weights(0.25, 1.0), 0, 20)
    assert dict(tuning.arguments(DEFAULTS)) == given
    assert DEFAULTS.arguments(DEFAULTS) == []


@pytest.mark.parametrize("text", ["0.333", "0.1234567890123456", "0.00001", "0.00000000000000000001"])
def test_a_weight_returns_in_the_address_as_it_was_given(text: str) -> None:
    tuning = parse({"content_weight": text})
    assert tuning.arguments(DEFAULTS) == [("content_weight", text)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("content_weight", "1.1"),
        ("content_weight", "-0.1"),
        ("content_weight", "nan"),
        ("content_weight", "1e-1"),
        ("collaborative_weight", "\u0660"),
        ("collaborative_weight", "0.4 "),
        ("window_days", "36501"),
        ("window_days", "-1"),
        ("window_days", "7.5"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "9" * 5000),
    ],
)
def test_impossible_values_are_refused_with_a_message(name: str, text: str) -> None:
    with pytest.raises(BadRequestError, match=f"{name} must be a .*number from") as refused:
        parse({name: text})
    assert len(str(refused.value)) < 130


def test_the_windows_to_choose_from_hold_the_configured_and_the_chosen_one() -> None:
    assert DEFAULTS.window_steps(DEFAULTS) == [7, 14, 30, 60, 90, 180, 365, 0]
    chosen = Tuning(DEFAULTS.weights, 45, 12)
    assert chosen.window_steps(Tuning(DEFAULTS.weights, 1000, 12)) == [
        7, 14, 30, 45, 60, 90, 180, 365, 1000, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cover", "shown"),
    [
        ("https://covers.example/1.jpg", "https://covers.example/1.jpg"),
        ("http://covers.example/1.jpg", "http://covers.example/1.jpg"),
        ("/explorer/covers/1.svg?title=T", "explorer/covers/1.svg?title=T"),
        ("/explorer/covers/a%2Fb.svg?title=AC/DC", "explorer/covers/a%2Fb.svg?title=AC/DC"),
        ("/explorer/surprise", None),
        ("/explorer/covers/../surprise", None),
        ("/explorer/covers/..\\surprise", None),
        ("/explorer/covers/..", None),
        ("/explorer/covers/%2e%2e", None),
        ("/explorer/covers/%2e%2e/surprise.svg", None),
        ("https:metrics", None),
        ("http:explorer/surprise", None),
        ("https:/metrics", None),
        ("ht\ntps:metrics", None),
        ("https:\\metrics", None),
        ("https:///metrics", None),
        ("//covers.example/1.jpg", None),
        (None, None),
        ("", None),
        ("javascript:alert(1)", None),
        ("data:image/svg+xml,<svg/>", None),
        ("covers/1.jpg", None),
        ("http://[", None),
    ],
)
def test_a_cover_url_is_used_only_if_browsers_may_open_it(cover: str | None, shown: str | None) -> None:
    item = Item("m", "T", ("DRAMA",), {"cover_url": cover, "release_year": 2024})
    assert template_filters.cover(MEDIA, item) == (
        shown or "explorer/covers/m.svg?title=T&genre=DRAMA&year=2024"
    )


def test_values_are_shown_in_words() -> None:
    assert [template_filters.window(days) for days in (0, 1, 90)] == ["all time", "1 day", "90 days"]
    assert [name_of(name) for name in ("SCIENCE_FICTION", "drama", "Film-Noir", "TV")] == [
        "Science fiction",
        "Drama",
        "Film-Noir",
        "Tv",
    ]
    assert [template_filters.age(seconds) for seconds in (5.9, 60, 7300, 86_400 * 3)] == [
        "5 s",
        "1 minute",
        "2 hours",
        "3 days",
    ]
    assert [template_filters.amount(value) for value in (None, 2.0, 0.63, float("nan"))] == [
        None,
        "2",
        "0.63",
        None,
    ]
    assert template_filters.day(datetime(2026, 3, 5)) == "5 Mar 2026"  # noqa: DTZ001 - naive UTC
