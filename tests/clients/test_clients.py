"""Tests clients that the guide's commands generate from the description of a running service."""

import compileall
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.setting_types import ROOT
from tests.support.gunicorn import GunicornServer
from tests.support.node import installed_packages, node, npx
from tests.support.reference import Reference

pytestmark = pytest.mark.slow

SOURCES = ROOT / "tests" / "clients"
# The commands of the guide, which has the service at the address of `make run`.
PYTHON = (
    "openapi-python-client generate --url http://localhost:5000/openapi.json --meta none "
    "--output-path marquee_client"
)
TYPESCRIPT = (
    "npx openapi-typescript http://localhost:5000/openapi.json --default-non-nullable=false "
    "--output marquee.ts"
)
TAKES_S = 300.0


@pytest.fixture(scope="module")
def users(reference: Reference) -> list[str]:
    """Three users, the first with a history."""
    first, *others = sorted(reference.users, key=lambda user: -len(reference.positive.get(user, ())))
    return [first, *others[:2]]


def address(service: GunicornServer) -> str:
    return f"http://127.0.0.1:{service.port}"


def command(line: str, service: GunicornServer) -> list[str]:
    return shlex.split(line.replace("http://localhost:5000", address(service)))


def succeeded(result: "subprocess.CompletedProcess[str]") -> str:
    """Return the output of a command that must succeed."""
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def run(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of the virtual environment in a folder."""
    scripts = str(Path(sys.executable).parent)
    return subprocess.run(  # noqa: S603 - our own files
        [Path(scripts) / arguments[0], *arguments[1:]],
        cwd=folder,
        env={**os.environ, "PATH": os.pathsep.join((scripts, os.environ["PATH"]))},
        capture_output=True,
        text=True,
        timeout=TAKES_S,
        check=False,
    )


def test_the_guide_has_the_commands() -> None:
    guide = (ROOT / "docs" / "how-to" / "generate-a-client.md").read_text()
    lines = [line.strip() for line in guide.splitlines()]
    assert {PYTHON, TYPESCRIPT} <= set(lines)


def test_the_lockfile_names_no_registry() -> None:
    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_a_python_client_compiles_and_gets_what_the_service_answers(
    service: GunicornServer, users: list[str], tmp_path: Path
) -> None:
    shutil.copy(SOURCES / "program.py", tmp_path)
    generated = succeeded(run(*command(PYTHON, service), folder=tmp_path))
    assert "warning" not in generated.lower(), generated
    assert compileall.compile_dir(tmp_path, quiet=1)
    # Check types of the program only: the generator's own client.py has errors.
    succeeded(run("mypy", "--strict", "--follow-imports", "silent", "program.py", folder=tmp_path))
    got = succeeded(run("python", "program.py", address(service), *users, folder=tmp_path))
    compare(json.loads(got), service, users)


def test_typescript_types_compile_and_a_program_gets_what_the_service_answers(
    service: GunicornServer, users: list[str], tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(installed_packages(SOURCES))
    for name in ("package.json", "tsconfig.json", "program.ts"):
        shutil.copy(SOURCES / name, tmp_path)
    succeeded(npx(*command(TYPESCRIPT, service)[1:], folder=tmp_path))
    succeeded(npx("tsc", "--noEmit", folder=tmp_path))
    got = succeeded(node("program.ts", address(service), *users, folder=tmp_path))
    compare(json.loads(got), service, users)


def compare(got: dict[str, Any], service: GunicornServer, users: list[str]) -> None:
    """Compare a client's results with the service's answers to plain requests."""
    path = f"/api/recommendations/{users[0]}"
    batch = {"user_ids": users, "limit": 3}
    accept = {"Accept": "application/x-ndjson"}
    stream = service.ask("/api/recommendations/batch", accept, {**batch, "explain": True}).body.decode()
    lines = [json.loads(line) for line in stream.splitlines()]
    assert got["page"] == service.get(f"{path}?limit=3").body
    explained = service.get(f"{path}?limit=3&explain=true").body
    assert got["explained"] == explained
    assert got["explanations"] == [
        {
            "reason": item["reason"],
            "titles": [own["title"] for own in item["because_you_liked"]],
            "content": item["score_parts"]["content"],
        }
        for item in explained["recommendations"]
    ]
    assert any(found["titles"] for found in got["explanations"])
    assert got["batch"] == service.post("/api/recommendations/batch", batch).body
    assert got["lines"] == lines
    assert got["reasons"] == [
        {"user_id": line["user_id"], "reasons": [item["reason"] for item in line["recommendations"]]}
        for line in lines
    ]
    assert got["error"] == service.get(f"{path}?limit=0").body
