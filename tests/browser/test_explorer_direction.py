"""Tests that Chromium sets the words around a right-to-left title from left to right."""

import psycopg
from playwright.sync_api import Browser, expect

from recommender.entities import DatabaseName
from tests.support.browser import visiting
from tests.support.gunicorn import running_gunicorn
from tests.support.postgres import Urls

# The left edges of the letters around the titles in reasons, line by line.
_LEFT_EDGES = """
    (reasons) => {
        const nodes = reasons.flatMap((reason) => [...reason.childNodes]);
        return nodes.filter((node) => node.nodeType === 3).flatMap((node) => {
            const lines = new Map();
            for (let place = 0; place < node.length; place++) {
                const range = document.createRange();
                range.setStart(node, place);
                range.setEnd(node, place + 1);
                const box = range.getClientRects()[0];
                if (box?.width) lines.set(box.top, [...(lines.get(box.top) ?? []), box.left]);
            }
            return [...lines.values()];
        });
    }
"""


def test_a_right_to_left_title_does_not_change_text_around_it(
    browser: Browser, databases: Urls, user: str
) -> None:
    with psycopg.connect(databases[DatabaseName.CATALOG]) as connection:
        connection.execute("UPDATE medias SET title = %s || title", ("\u2069\u202e\u2067\u202e",))
    with running_gunicorn(databases, WORKERS="1") as server, visiting(browser, server.port) as here:
        here.go(f"/explorer?user={user}")
        expect(here.page.locator(".card")).to_have_count(12)
        assert here.page.locator(".reason bdi").count() > 12
        lines = here.page.locator(".reason").evaluate_all(_LEFT_EDGES)
        assert len(lines) > 12
        assert all(edges == sorted(edges) for edges in lines)
        here.page.locator(".card .opener").first.click()
        lines = here.page.locator("#similar-why").evaluate_all(_LEFT_EDGES)
        assert lines
        assert all(edges == sorted(edges) for edges in lines)
        assert here.complaints == []
