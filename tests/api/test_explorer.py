"""Tests the content, errors and numbers of statements of the explorer's page and fragments."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import psycopg
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config.access_settings import KeyScope
from recommender.auth_keys import make_key
from recommender.databases.queries import SQL_ROOT
from recommender.databases.recording import recorded_statements
from recommender.entities import DatabaseName
from tests.support.clients import NO_CAPS, PATIENT, get, ids, running_client
from tests.support.postgres import Outage, Urls
from tests.support.reference import Reference
from tests.support.waiting import wait_until

READ_KEY, READ_ENTRY = make_key("page", [KeyScope.READ])
OPS_KEY, OPS_ENTRY = make_key("monitor", [KeyScope.OPS])
UNKNOWN_USER = "00000000-0000-4000-8000-000000000000"
OPEN = ["/", "/explorer", "/explorer/covers/x.svg", "/explorer/static/explorer.js"]
FRAGMENTS = [
    "/explorer/users",
    "/explorer/surprise",
    f"/explorer/users/{UNKNOWN_USER}",
    f"/explorer/users/{UNKNOWN_USER}/recommendations",
    "/explorer/media/x/similar",
    "/explorer/evaluation",
    "/explorer/models",
    "/explorer/health",
]


@pytest.fixture(scope="module")
def user(reference: Reference) -> str:
    return next(
        user
        for user in sorted(reference.seen)
        if reference.genres_of_user.get(user) and 8 < len(reference.seen[user]) < 40
    )


def shown(response: TestResponse) -> list[str]:
    """Return the ids of the recommended items, in order."""
    ranking = response.text.partition('<ol class="cards">')[2].partition("</ol>")[0]
    return re.findall(r'hx-get="explorer/media/([^/]+)/similar"', ranking)


def field(response: TestResponse, name: str) -> str:
    """Return the value of a field of the form."""
    (value,) = re.findall(f'name="{name}" value="([^"]*)"', response.text)
    return str(value)


def alert(response: TestResponse, status: int) -> str:
    """Return the error message of a fragment."""
    assert response.status_code == status, response.text
    assert response.mimetype == "text/html"
    # Without it, the page takes the message for that of a proxy.
    assert response.headers["X-Explorer-Fragment"] == "yes"
    assert 'role="alert"' in response.text
    return " ".join(re.sub("<[^>]*>", " ", response.text).split())


def test_the_page_is_the_same_for_all_and_asks_no_database(client: FlaskClient, user: str) -> None:
    with recorded_statements() as statements:
        for path in (
            "/explorer",
            f"/explorer?user={user}",
            "/explorer?tab=health",
            "/explorer?tab=evaluation",
            "/explorer?tab=models",
            "/",
        ):
            response = client.get(path)
            assert (response.status_code, response.mimetype) == (200, "text/html")
            assert response.headers["Cache-Control"] == "no-store"
            policy = response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; s")
            assert "unsafe" not in policy
    assert statements == []


@pytest.mark.parametrize("path", ["/explorer", "/docs"])
@pytest.mark.parametrize(
    "query", ["", "?user=a%2Fb&genre=Science%20fiction&genre=%C3%A9", "?//elsewhere.example"]
)
def test_a_slash_after_the_address_of_a_page_leads_to_the_page(
    client: FlaskClient, path: str, query: str
) -> None:
    response = client.get(f"{path}/{query}")
    assert response.status_code == 308
    # Relative, so that it also holds behind a proxy that serves the pages under a prefix.
    assert response.headers["Location"] == f"..{path}{query}"


def test_files_are_cached_without_limit_only_by_version(client: FlaskClient) -> None:
    page = client.get("/explorer").text
    addresses = [f"/{found}" for found in re.findall(r'(?:src|href)="(explorer/static/[^"]+)"', page)]
    assert len(addresses) >= 7
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        for other in (address.partition("?")[0], f"{address}0"):
            assert client.get(other).headers["Cache-Control"] == "no-cache"
    for path in ("vendor/README.md", "nothing.js", "../views.py", "/etc/passwd"):
        assert client.get(f"/explorer/static/{path}").status_code == 404


def test_a_cover_is_a_picture_without_permissions(client: FlaskClient) -> None:
    response = client.get("/explorer/covers/a%2Fb.svg?title=<script>&genre=DRAMA&year=x")
    assert response.status_code == 404
    response = client.get("/explorer/covers/a.svg?title=<script>&genre=DRAMA&year=x")
    assert response.mimetype == "image/svg+xml"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert response.headers["Cache-Control"] == "public, max-age=604800"
    assert "<script" not in response.text


def test_the_panel_shows_the_answer_of_the_api(client: FlaskClient, user: str) -> None:
    response = client.get(f"/explorer/users/{user}")
    assert response.status_code == 200
    assert shown(response) == ids(get(client, user, limit=12))
    assert f"<title>{user} · Marquee explorer</title>" in response.text
    assert response.headers["HX-Push-Url"] == f"explorer?user={user}"


def test_the_present_address_is_not_pushed_into_the_history_again(client: FlaskClient, user: str) -> None:
    current = f"http://localhost/explorer?user={user}&window_days=30"
    response = client.get(f"/explorer/users/{user}?window_days=30", headers={"HX-Current-URL": current})
    assert "HX-Push-Url" not in response.headers
    assert response.headers["HX-Replace-Url"] == f"explorer?user={user}&window_days=30"


@pytest.mark.parametrize(
    ("path", "statements"),
    [
        ("/explorer/users", 3),
        ("/explorer/users/{user}", 9),
        ("/explorer/users/{user}?content_weight=1", 14),
        ("/explorer/users/{user}/recommendations", 6),
        ("/explorer/users/{user}/recommendations?content_weight=1&baseline=x,y", 6),
        ("/explorer/media/{media}/similar", 2),
        ("/explorer/health", 0),
        ("/explorer/models", 0),
    ],
)
def test_a_fragment_runs_a_fixed_number_of_statements(
    client: FlaskClient, user: str, path: str, statements: int
) -> None:
    item_id = ids(get(client, user, limit=1))[0]
    with recorded_statements() as runs:
        response = client.get(path.format(user=user, media=item_id))
    assert response.status_code == 200
    assert len(runs) == statements, [run.name for run in runs]


def test_weights_change_the_ranking(client: FlaskClient, user: str) -> None:
    path = f"/explorer/users/{user}/recommendations?content_weight=1&collaborative_weight=0"
    response = client.get(path)
    assert set(re.findall(r"\+ (\d\.\d\d) collaborative", response.text)) == {"0.00"}
    page = client.get(f"/explorer/users/{user}")
    compared = client.get(f"{path}&baseline={field(page, 'baseline')}")
    assert shown(compared) == shown(response)
    moved = len(re.findall('class="move', compared.text))
    assert moved == sum(one != other for one, other in zip(shown(page), shown(compared), strict=True))


def test_repeated_filters_all_apply_and_stay_in_addresses(client: FlaskClient, user: str) -> None:
    query = "genre=Drama&genre=Comedy&match=all"
    answer = ids(get(client, user, genre=["Drama", "Comedy"], match="all", limit=12))
    assert answer != ids(get(client, user, genre="Drama", limit=12))
    panel = client.get(f"/explorer/users/{user}?{query}")
    assert shown(panel) == answer
    assert panel.headers["HX-Push-Url"] == f"explorer?user={user}&{query}"
    assert re.findall('name="(?:genre|match)" [^>]*value="([^"]*)"', panel.text) == ["Drama", "Comedy", "all"]
    links = re.findall('<a href="([^"]*genre[^"]*)"', panel.text)
    assert len(links) == 4
    page = client.get(f"/explorer?user={user}&{query}").text
    for address in [*links, *re.findall('(?:href|hx-get)="([^"]*genre[^"]*)"', page)]:
        assert unescape(address).endswith(query)


def test_the_longest_page_fits_into_the_request_of_a_slider(shared_databases: Urls, user: str) -> None:
    with running_client(shared_databases, MAX_LIMIT="1000", **NO_CAPS, **PATIENT) as client:
        page = client.get(f"/explorer/users/{user}?limit=1000")
    assert len(shown(page)) > 100
    assert 0 < len(quote(field(page, "baseline"))) <= 6 * len(shown(page)), "1000 fit into 8190 bytes"


def test_an_unknown_user_gets_popular_items(client: FlaskClient) -> None:
    response = client.get(f"/explorer/users/{UNKNOWN_USER}")
    assert response.status_code == 200
    assert "popularity only: no other score applies" in response.text
    assert len(shown(response)) == 12


@pytest.mark.parametrize("path", ["/explorer/users/{}", "/explorer/users/{}/recommendations"])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("content_weight=2", "content_weight must be a number from 0 to 1, such as 0.4, got &#39;2&#39;."),
        ("window_days=soon", "window_days must be a whole number from 0 to 36500, got &#39;soon&#39;."),
        ("limit=101", "limit must be a whole number from 1 to 100, got &#39;101&#39;."),
        ("limit=<b>", "limit must be a whole number from 1 to 100, got &#39;&lt;b&gt;&#39;."),
    ],
)
def test_invalid_parameters_are_refused_with_a_message(
    client: FlaskClient, user: str, path: str, query: str, said: str
) -> None:
    assert said in alert(client.get(f"{path.format(user)}?{query}"), 400)


def test_a_wrong_filter_in_the_address_leaves_the_form_to_correct_it(client: FlaskClient, user: str) -> None:
    query = "content_weight=0.9&max_year=1990&min_year=2030"
    response = client.get(f"/explorer/users/{user}?{query}")
    assert "min_year must not be above max_year, got 2030 and 1990." in alert(response, 400)
    assert f"<title>{user} · Marquee explorer</title>" in response.text
    assert field(response, "content_weight") == "0.9"
    assert re.findall('name="m.._year" [^>]*value="([^"]*)"', response.text) == ["2030", "1990"]
    assert shown(response) == shown(client.get(f"/explorer/users/{user}?content_weight=0.9"))
    assert response.headers["HX-Push-Url"] == f"explorer?user={user}&{query}"
    # A wrong slider has no text that could be corrected.
    response = client.get(f"/explorer/users/{user}?content_weight=2&genre=Drama")
    assert "content_weight must be" in alert(response, 400)
    assert response.headers["HX-Push-Url"] == f"explorer?user={user}&genre=Drama"


def test_invalid_ids_are_refused_with_a_message(client: FlaskClient) -> None:
    said = alert(client.get("/explorer/users/<b>x"), 400)
    assert said == "user_id must be a UUID, got &#39;&lt;b&gt;x&#39;."
    assert "not in the catalog" in alert(client.get("/explorer/media/<b>x/similar"), 404)


@pytest.mark.parametrize("target", ["results", "view"])
def test_an_error_does_not_replace_a_ranking(client: FlaskClient, user: str, target: str) -> None:
    response = client.get(f"/explorer/users/{user}/recommendations?limit=0", headers={"HX-Target": target})
    assert response.headers.get("HX-Retarget") == ("#problem" if target == "results" else None)


def test_names_from_the_databases_are_escaped(databases: Urls, user: str) -> None:
    hostile = '</h3><script>alert("1")</script>'
    with psycopg.connect(databases[DatabaseName.CATALOG]) as connection:
        connection.execute(
            "UPDATE medias SET title = %s, description = %s, media_type = %s, cover_url = 'javascript:x'",
            (hostile, hostile, "<i>"),
        )
        connection.execute("UPDATE tb_media_genre SET genre_name = '<b>' || left(genre_name, 40)")
    with psycopg.connect(databases[DatabaseName.USER]) as connection:
        connection.execute("UPDATE tb_user_genre SET genre_name = '<b>' || left(genre_name, 40)")
    with running_client(databases, **NO_CAPS, **PATIENT) as client:
        panel = client.get(f"/explorer/users/{user}")
        similar = client.get(f"/explorer/media/{shown(panel)[0]}/similar")
        for response in (panel, similar, client.get(f"/explorer/users?q={user[:3]}")):
            assert response.status_code == 200
            assert "&lt;" in response.text
            assert not re.search("<script|<i>|<b>|javascript:", response.text)


def test_titles_without_a_visible_character_are_none(databases: Urls, user: str) -> None:
    with psycopg.connect(databases[DatabaseName.CATALOG]) as connection:
        connection.execute("UPDATE medias SET title = %s", (" \u2003\u200b\n",))
    with running_client(databases, **NO_CAPS, **PATIENT) as client:
        answer = get(client, user, explain="true", limit=12)
        panel = client.get(f"/explorer/users/{user}").text
        similar = client.get(f"/explorer/media/{ids(answer)[0]}/similar").text
    for item in answer["recommendations"]:
        assert item["title"] is None
        assert "“" not in item["reason"]
    for html in (panel, similar):
        openers = re.findall('class="opener"[^>]*><span>(.*?)</span>', html)
        assert set(openers) == {"Untitled"}


@pytest.fixture(scope="module")
def locked(shared_databases: Urls) -> Iterator[FlaskClient]:
    entries = f"{READ_ENTRY.entry},{OPS_ENTRY.entry}"
    with running_client(shared_databases, API_KEYS=entries, **PATIENT) as client:
        yield client


@pytest.mark.parametrize("path", OPEN)
def test_pages_without_data_need_no_key(locked: FlaskClient, path: str) -> None:
    assert locked.get(path).status_code == 200


@pytest.mark.parametrize("path", FRAGMENTS)
def test_fragments_with_data_need_a_key_with_the_read_scope(locked: FlaskClient, path: str) -> None:
    with recorded_statements() as statements:
        assert "A valid API key" in alert(locked.get(path), 401)
        assert "does not have the scope" in alert(locked.get(path, headers={"X-API-Key": OPS_KEY}), 403)
    assert statements == []
    response = locked.get(path, headers={"X-API-Key": READ_KEY})
    assert response.status_code in (200, 404)
    assert response.headers["X-Explorer-Fragment"] == "yes"


def test_fragments_count_against_the_rate_limit_and_the_page_does_not(shared_databases: Urls) -> None:
    with running_client(shared_databases, RATE_LIMIT="2/hour", **PATIENT) as client:
        for path in [*OPEN, "/explorer/health", "/explorer/users", *OPEN]:
            assert client.get(path).status_code == 200
        response = client.get("/explorer/health")
        assert "Too many requests. Try again in a moment." in alert(response, 429)
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", [*OPEN[1:], *FRAGMENTS])
def test_the_explorer_can_be_disabled(shared_databases: Urls, path: str) -> None:
    with running_client(shared_databases, EXPLORER="false") as client:
        assert client.get(path).get_json()["code"] == "not_found"
        home = client.get("/")
        assert home.status_code == 200
        assert "explorer" not in home.text.lower()


def test_an_outage_of_catalog_db_with_an_empty_cache_is_reported(
    databases: Urls, outage: Outage, user: str
) -> None:
    with running_client(databases, **NO_CAPS) as client:
        assert client.get("/explorer/users").status_code == 200
        client.application.extensions["container"].wait_for_catalog(20)
        outage.stop(DatabaseName.CATALOG)
        response = client.get(f"/explorer/users/{user}")
    assert response.status_code == 200
    assert "Nothing can be shown" in response.text
    assert "catalog_db does not answer: titles are the last known" in response.text


@pytest.fixture(scope="module")
def slow_to_count(shared_databases: Urls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Let each count of popularity take a second, as with a large engagement_db."""
    folder = tmp_path_factory.mktemp("sql")
    (folder / "engagement_db").mkdir()
    ours = (SQL_ROOT / "engagement_db" / "count_positive_users.sql").read_text()
    slowed = ours.replace("media_id IS NOT NULL", "(SELECT pg_sleep(1)) IS NOT NULL AND media_id IS NOT NULL")
    assert slowed != ours
    (folder / "engagement_db" / "count_positive_users.sql").write_text(slowed)
    with running_client(shared_databases, SQL_PATH=str(folder), **NO_CAPS, **PATIENT) as client:
        wait_until(lambda: client.get("/ready").get_json()["status"] == "ready")
        yield client


def test_a_window_that_is_being_counted_is_no_outage(slow_to_count: FlaskClient, user: str) -> None:
    html = slow_to_count.get(f"/explorer/users/{user}?window_days=11").text
    assert "11 days are still being counted" in html
    assert "does not answer" not in html
    popular = slow_to_count.get("/api/media/popular?window_days=12").get_json()
    assert (popular["window_days"], popular["counting"], popular["degraded"]) == (90, True, [])


def test_more_cards_in_the_same_order_mark_nothing_as_new(client: FlaskClient, user: str) -> None:
    html = client.get(f"/explorer/users/{user}?limit=30").text
    assert html.count('class="card"') == 30
    assert 'class="move' not in html
    assert 'class="move' in client.get(f"/explorer/users/{user}?limit=30&content_weight=0").text


def test_the_shown_parts_of_a_card_add_up(client: FlaskClient, reference: Reference) -> None:
    shown = re.compile(r"<strong>([0-9.]+)</strong> = .*?>([0-9.]+) content<.*?\+ ([0-9.]+) collaborative<")
    sums = 0
    for user in reference.users[::20]:
        for total, content, collaborative in shown.findall(client.get(f"/explorer/users/{user}").text):
            assert round(float(content) + float(collaborative), 2) == float(total)
            sums += 1
    assert sums > 100


def test_a_malformed_address_in_a_header_is_harmless(client: FlaskClient, user: str) -> None:
    for address in ("http://[x", "", "\u00ff"):
        response = client.get(f"/explorer/users/{user}", headers={"HX-Current-URL": address})
        assert response.status_code == 200


def test_explored_users_are_not_counted_as_answered(client: FlaskClient, user: str) -> None:
    def answered() -> list[str]:
        text = client.get("/metrics").text
        return [line for line in text.splitlines() if line.startswith("marquee_answers_total")]

    before = answered()
    client.get(f"/explorer/users/{user}?content_weight=0")
    assert answered() == before
