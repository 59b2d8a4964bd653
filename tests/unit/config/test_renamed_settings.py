from pathlib import Path

import pytest

from config.renamed_settings import RENAMED
from config.setting_types import SettingsError
from config.settings import Settings, given_variables, load_overridden, load_settings

pytestmark = pytest.mark.fast

OLD, NEW = "CATALOGUE_MAX_LOSS", "CATALOG_MAX_LOSS"


def max_loss(settings: Settings) -> float:
    return settings.catalog.catalog_max_loss


def test_each_old_name_stands_for_a_setting_and_is_not_one_itself() -> None:
    assert set(RENAMED.values()) <= set(Settings.variables())
    assert not set(RENAMED) & set(Settings.variables())


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_still_works(old: str) -> None:
    settings = load_settings({old: "1"}, dotenv_path=None)
    assert settings == load_settings({RENAMED[old]: "1"}, dotenv_path=None)
    assert settings != load_settings({}, dotenv_path=None)


def test_both_names_may_be_set_to_the_same_value() -> None:
    assert max_loss(load_settings({OLD: "0.5", NEW: "0.5"}, dotenv_path=None)) == 0.5


def test_an_empty_name_counts_as_not_set() -> None:
    assert max_loss(load_settings({OLD: "0.5", NEW: ""}, dotenv_path=None)) == 0.5
    assert max_loss(load_settings({OLD: "", NEW: "0.5"}, dotenv_path=None)) == 0.5


def test_different_values_are_refused_with_both_names(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{OLD}=0.3\n")
    with pytest.raises(SettingsError, match=rf"^{NEW}: {OLD} is its old name"):
        load_settings({NEW: "0.5"}, dotenv_path=dotenv)


def test_a_wrong_value_under_an_old_name_is_named_by_the_new_one() -> None:
    with pytest.raises(SettingsError, match=rf"^{NEW}: "):
        load_settings({OLD: "2"}, dotenv_path=None)


@pytest.mark.parametrize("name", [OLD, NEW])
def test_an_override_wins_over_either_name(name: str, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{OLD}=0.3\n")
    assert max_loss(load_overridden({name: "0.5"}, {}, dotenv)) == 0.5


def test_another_process_takes_over_what_an_old_name_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{OLD}=0.3\n")
    variables = given_variables(dotenv)
    assert variables[NEW] == "0.3"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    dotenv.write_text(f"{OLD}=0.4\n")
    assert max_loss(load_settings(dotenv_path=dotenv)) == 0.3
