"""A configuration that cannot be read is a SettingsError, and at a reload changes nothing."""

from pathlib import Path

import pytest
from flask import Flask

from config.prepared_app import PreparedApp, latest_prepared_app, made_or_previous
from config.setting_types import SettingsError
from config.settings import given_variables, load_overridden, load_settings

TOO_LONG = "/" + "a" * 300
NOT_A_URL = r"^RATE_LIMIT_STORAGE: not memory://, nor of the form redis://:password@host:port/number"
# Its text would quote part of a password.
QUOTING = ValueError("Port could not be cast to integer value as 'secret'")


@pytest.fixture
def latin(tmp_path: Path) -> Path:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes("DB_PASSWORD=secrét\n".encode("latin-1"))
    return dotenv


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    dotenv = tmp_path / ".env"
    # Root may read any ordinary file, but reading this one fails.
    dotenv.symlink_to("/proc/self/mem")
    return dotenv


def test_an_environment_file_that_is_not_utf_8_is_refused_without_its_content(latin: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.env cannot be read: it is not in UTF-8$") as caught:
        load_settings({}, dotenv_path=latin)
    assert "secr" not in str(caught.value)


def test_an_environment_file_that_cannot_be_read_is_refused_with_the_reason(unreadable: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.env cannot be read: Input/output error$"):
        load_settings({}, dotenv_path=unreadable)


def test_no_way_to_read_the_settings_lets_another_error_through(latin: Path) -> None:
    with pytest.raises(SettingsError):
        load_overridden({}, {}, latin)
    with pytest.raises(SettingsError):
        given_variables(latin)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SQL_PATH": TOO_LONG}, r"^SQL_PATH: .*a{300} cannot be read: File name too long$"),
        ({"RATE_LIMIT_STORAGE": "redis://:secret/ss@host:6379/0"}, NOT_A_URL),
        ({"RATE_LIMIT_STORAGE": "redis://:12/secret@host:6379/0"}, NOT_A_URL),
        ({"RATE_LIMIT_STORAGE": "redis://u:12?secret@host:6379/0"}, NOT_A_URL),
        ({"RATE_LIMIT_STORAGE": "redis://:secret@host:notaport/0"}, NOT_A_URL),
        ({"RATE_LIMIT_STORAGE": "redis://:secret@host:99999/0"}, NOT_A_URL),
        ({"RATE_LIMIT_STORAGE": "redis://:secret@[bad/0"}, NOT_A_URL),
        ({"RATE_LIMIT_STORAGE": "redis://:secret@host/0?socket_timeout=secret"}, NOT_A_URL),
        ({"ID_PATTERN": "a{99999999999999999999}"}, r"^ID_PATTERN: not a regular expression"),
        ({"ID_PATTERN": "(" * 5000 + ")" * 5000}, r"^ID_PATTERN: not a regular expression"),
    ],
)
def test_a_value_that_its_library_cannot_read_is_named_without_its_secret(
    variables: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(variables, dotenv_path=None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "storage", ["redis://", "rediss://:p%2Fw@host:6379/0?socket_timeout=1", "redis://[::1]:6379", "redis://h"]
)
def test_a_redis_of_any_valid_form_is_accepted(storage: str) -> None:
    settings = load_settings({"RATE_LIMIT_STORAGE": storage}, dotenv_path=None)
    assert settings.access.rate_limit_storage == storage


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> PreparedApp:
    monkeypatch.setattr("config.prepared_app._latest", None)
    return made_or_previous(make)


def make() -> PreparedApp:
    return PreparedApp(load_settings({}, dotenv_path=None), Flask("served"))


@pytest.mark.parametrize(
    ("error", "said"), [(SettingsError("PORT: too large"), "PORT: too large"), (QUOTING, "ValueError at ")]
)
def test_whatever_a_reload_finds_the_previous_app_is_served(
    served: PreparedApp, error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> PreparedApp:
        raise error

    assert made_or_previous(fail) is served
    assert latest_prepared_app() is served
    (line,) = caplog.messages
    assert line.startswith(f"The reload failed, and the earlier configuration stays in use. {said}")
    assert "secret" not in caplog.text


def test_at_a_first_start_the_error_passes_on() -> None:
    def fail() -> PreparedApp:
        raise QUOTING

    assert latest_prepared_app() is None
    with pytest.raises(ValueError, match="Port"):
        made_or_previous(fail)
