"""The output of `batch`, and the answers of the API for the same users."""

import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from flask.testing import FlaskClient

from tests.support.commands import Result, Run

STRANGER = "11111111-1111-4111-8111-111111111111"
STRANGERS = [f"22222222-2222-4222-8222-{number:012}" for number in range(50)]


def ids_file(folder: Path, user_ids: list[str]) -> Path:
    path = folder / "ids.txt"
    path.write_text("".join(f"{user_id}\n" for user_id in user_ids))
    return path


def streamed(client: FlaskClient, user_ids: list[str], limit: int = 10) -> bytes:
    response = client.post(
        "/api/recommendations/batch",
        json={"user_ids": user_ids, "limit": limit},
        headers={"Accept": "application/x-ndjson"},
    )
    return response.get_data()


def flat(lines: bytes) -> list[list[str]]:
    """Return the rows of a table of these answers, as text."""
    rows = []
    for answer in map(json.loads, lines.splitlines()):
        for rank, item in enumerate(answer["recommendations"], start=1):
            values = [answer["user_id"], rank, item["id"], item["title"], item["release_year"]]
            values += [item["media_type"], "|".join(item["genres"])]
            values += [item[f"{kind}_score"] for kind in ("recommendation", "content", "collaborative")]
            values += [answer["strategy"], "|".join(answer["degraded"])]
            values += [answer["model"], answer["model_version"]]
            rows.append(["" if value is None else str(value) for value in values])
    return rows


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def read_parquet(path: Path) -> list[list[str]]:
    table: dict[str, list[Any]] = ds.dataset(path).to_table().to_pydict()
    rows = zip(*table.values(), strict=True)
    return [list(table), *(["" if value is None else str(value) for value in row] for row in rows)]


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted(run: Run, at: Callable[..., None], *arguments: object) -> Result:
    """Run a job, stop it by Ctrl-C, and return its result."""
    at(20, interrupt)
    result = run(*arguments)
    assert result.status == 1
    assert "stopped before the end: interrupted" in result.err
    return result
