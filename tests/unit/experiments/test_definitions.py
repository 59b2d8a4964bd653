"""The content of a file of experiments, and the error messages of an invalid one."""

from pathlib import Path

import pytest

from config.experiment_settings import ExperimentSettings
from config.setting_types import ROOT
from config.settings import given_variables, load_settings
from recommender.entities import Weights
from recommender.errors import ConfigurationError
from recommender.experiments.definitions import (
    Changes,
    ExperimentKind,
    experiments_fingerprint,
    load_experiments,
    parse_experiments,
)

MODELS = ("auto", "live", "ease")
KEY = "k" * 32
AB = """
[lists.variants.control]
share = 0.5
[lists.variants.diverse]
share = 0.25
diversity = 0.3
"""
DRAFT = """
[ranker]
kind = "interleaving"
share = 0.5
[ranker.variants.present]
[ranker.variants.ease]
model = "ease"
"""


def settings(path: Path, **values: object) -> ExperimentSettings:
    return ExperimentSettings.model_validate({"experiments_path": path, **values})


def variant(line: str, experiment: str = "e") -> str:
    return f"[{experiment}.variants.v]\nshare = 0.1\n{line}\n"


def test_the_file_that_comes_with_the_service_has_no_experiments() -> None:
    assert load_experiments(ExperimentSettings(), MODELS) == ()
    uncommented = (ROOT / "config" / "experiments.toml").read_text()
    example = "\n".join(line[4:] for line in uncommented.splitlines() if line.startswith("#   "))
    before_the_settings = example.partition('\nmodel = "ease"  ')
    found = parse_experiments(before_the_settings[0], MODELS)
    assert [each.name for each in found] == ["diverse_lists", "ranker"]
    allowed = "".join(before_the_settings[1:])
    (every,) = parse_experiments(variant(allowed), MODELS)
    assert every.changed == {"model", "weights", "content", "window_days", "diversity"}


def test_variants_have_shares_and_change_settings() -> None:
    (lists,) = parse_experiments(AB, MODELS)
    assert (lists.name, lists.kind, lists.is_interleaving) == ("lists", ExperimentKind.AB, False)
    assert [(each.name, each.share) for each in lists.variants] == [("control", 0.5), ("diverse", 0.25)]
    assert [each.changes for each in lists.variants] == [Changes(), Changes(diversity=0.3)]
    (weighted,) = parse_experiments(variant("content_weight = 0\ncollaborative_weight = 1"), MODELS)
    assert weighted.variants[0].changes.weights == Weights(0, 1)


def test_an_interleaving_experiment_has_two_variants_and_one_share() -> None:
    (ranker,) = parse_experiments(DRAFT, MODELS)
    assert (ranker.kind, ranker.share) == (ExperimentKind.INTERLEAVING, 0.5)
    users = [ranker.variant_for(str(number)) for number in range(200)]
    assert {each.name if each else None for each in users} == {"present", None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = ", "cannot be read as TOML"),
        ("x = 1", "^x: must be a table"),
        ("[A]", "^A: a name must be"),
        ("[e]", "^e: variants is missing"),
        ("[e.variants]", "^e: variants must be one or more"),
        ("[e.variants.V]", r"^e\.variants\.V: a name must be"),
        ("[e.variants.v]", r"^e\.variants\.v: share is missing"),
        (
            "[e]\nkind = 'bandit'\n[e.variants.v]\nshare = 1",
            "^e: kind: .*'ab' or 'interleaving', got 'bandit'",
        ),
        ("[e]\nshare = 1\n[e.variants.v]\nshare = 1", "^e: share belongs to each variant"),
        (variant("share_of = 1"), r"^e\.variants\.v: there is no share_of; share, model, .* are allowed"),
        (variant("model = 'als'"), r"^e\.variants\.v: model must be one of auto, live, ease, got 'als'"),
        (variant("content = 'history'"), r"^e\.variants\.v: content: .*'stated' or 'profile'"),
        (variant("content_weight = 0.5"), "content_weight and collaborative_weight: give both"),
        (variant("diversity = 1.5"), r"^e\.variants\.v: diversity: .*less than or equal to 1, got 1\.5"),
        (variant("window_days = -1"), r"^e\.variants\.v: window_days: .*greater than or equal to 0"),
        (variant("window_days = '30'"), r"^e\.variants\.v: window_days: .*valid integer"),
        (AB.replace("0.25", "0.6"), r"^lists: the shares .* at most 1, got 1\.1"),
        (AB.replace("0.25", "true"), r"^lists\.variants\.diverse: share: .*valid number, got True"),
        (AB.replace("0.25", "'0.25'"), r"^lists\.variants\.diverse: share: .*valid number, got '0\.25'"),
        (AB.replace("0.25", "0"), r"^lists\.variants\.diverse: share: .*greater than 0"),
        (
            variant("diversity = 0.1") + variant("diversity = 0.2", "f"),
            "^f: changes diversity, as e does; .* different things",
        ),
        (DRAFT.replace("[ranker.variants.present]", ""), "^ranker: variants must be two .* got 1"),
        (DRAFT + "share = 0.5", r"^ranker\.variants\.ease: share belongs to the experiment"),
        (DRAFT + "window_days = 7", r"^ranker\.variants\.ease: window_days is not allowed"),
        (
            DRAFT + DRAFT.replace("ranker", "other").replace('model = "ease"', "diversity = 0.5"),
            "^other: is of kind interleaving, as ranker is",
        ),
    ],
)
def test_an_error_in_the_file_names_the_place_and_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_experiments(text, MODELS)


def test_a_file_that_is_named_must_be_there_and_a_message_names_it(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    with pytest.raises(ConfigurationError, match=f"^EXPERIMENTS_PATH: there is no file {path}"):
        load_experiments(settings(path), MODELS)
    path.write_text("[e]")
    with pytest.raises(ConfigurationError, match=f"^{path}: e: variants is missing"):
        load_experiments(settings(path), MODELS)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=f"^{path}: cannot be read"):
        load_experiments(settings(path), MODELS)


def test_interleaving_needs_a_key(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(DRAFT)
    with pytest.raises(ConfigurationError, match=r"^EXPERIMENT_KEY: ranker .* needs a key"):
        load_experiments(settings(path), MODELS)
    (ranker,) = load_experiments(settings(path, experiment_key=KEY), MODELS)
    assert ranker.name == "ranker"


def test_a_description_changes_only_with_the_experiments() -> None:
    first, again = (parse_experiments(AB, MODELS) for _ in range(2))
    assert experiments_fingerprint(first) == experiments_fingerprint(again)
    other = parse_experiments(AB.replace("0.3", "0.4"), MODELS)
    assert experiments_fingerprint(first) != experiments_fingerprint(other)
    assert experiments_fingerprint(()) == ""


def test_an_empty_path_switches_the_default_file_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text("[e]")
    monkeypatch.setattr("config.settings.DEFAULT_EXPERIMENTS", path)
    for dotenv in ("EXPERIMENTS_PATH=\n", "EXPERIMENTS_PATH=''\n"):
        (tmp_path / ".env").write_text(dotenv)
        monkeypatch.delenv("EXPERIMENTS_PATH", raising=False)
        given = load_settings({}, tmp_path / ".env").experiments
        assert given.experiments_path is None
        assert load_experiments(given, MODELS) == ()
        # As the trainer gets them.
        variables = given_variables(tmp_path / ".env")
        assert load_settings(variables, None).experiments.experiments_path is None
    (tmp_path / ".env").write_text("")
    assert given_variables(tmp_path / ".env")["EXPERIMENTS_PATH"] == str(path)
    assert load_settings({}, tmp_path / ".env").experiments == ExperimentSettings()
