"""Settings are read once, validated, and named when they are wrong."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from config.setting_types import HOME, SettingsError
from config.settings import LogSettings, Settings, load_log_settings, load_settings, misspelled_variables

URLS = {
    "USER_DB_URL": "postgresql://u:p@one/users",
    "CATALOG_DB_URL": "postgresql://u:p@two/media",
    "ENGAGEMENT_DB_URL": "postgres://u:p@three/events",
}


def load(**variables: str) -> Settings:
    return load_settings(variables, dotenv_path=None)


def test_host_user_and_password_make_the_three_urls() -> None:
    settings = load(DB_HOST="db.internal", DB_PORT="6432", DB_USER="app", DB_PASSWORD="p@ss/w%rd")
    assert settings.databases.are_configured
    for name in ("user_db", "catalog_db", "engagement_db"):
        assert settings.databases.url(name) == f"postgresql://app:p%40ss%2Fw%25rd@db.internal:6432/{name}"


def test_the_port_that_kubernetes_sets_for_a_service_is_refused_with_its_origin() -> None:
    with pytest.raises(SettingsError, match=r"^DB_PORT: .* named db.*enableServiceLinks: false") as caught:
        load(DB_HOST="db.internal", DB_PORT="tcp://10.96.0.5:5432")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(SettingsError, match="valid integer") as caught:
        load(DB_HOST="db.internal", DB_PORT="postgresql://u:hunter2@h")
    assert "hunter2" not in str(caught.value)


def test_a_socket_folder_can_be_the_host() -> None:
    url = load(DB_HOST="/var/run/postgresql").databases.url("user_db")
    assert url == "postgresql://%2Fvar%2Frun%2Fpostgresql:5432/user_db"


def test_a_url_of_its_own_wins_for_each_database() -> None:
    settings = load(DB_HOST="db", USER_DB_URL=URLS["USER_DB_URL"])
    assert settings.databases.url("user_db") == URLS["USER_DB_URL"]
    assert settings.databases.url("catalog_db") == "postgresql://db:5432/catalog_db"


def test_three_urls_need_no_host() -> None:
    settings = load(**URLS)
    assert settings.databases.url("engagement_db") == URLS["ENGAGEMENT_DB_URL"]


def test_without_databases_the_error_says_what_to_set() -> None:
    assert not load().databases.are_configured
    with pytest.raises(SettingsError, match=r"DB_HOST.*USER_DB_URL.*make run"):
        load().databases.url("user_db")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PORT": "abc"}, r"^PORT: .*valid integer"),
        ({"PORT": "0"}, r"^PORT: .*greater than or equal to 1"),
        ({"DB_PORT": "70000"}, r"^DB_PORT: "),
        ({"DEBUG": "maybe"}, r"^DEBUG: .*valid boolean"),
        ({"LOG_LEVEL": "LOUD"}, r"^LOG_LEVEL: .*'DEBUG', 'INFO'"),
        ({"CONTENT_WEIGHT": "1.5"}, r"^CONTENT_WEIGHT: "),
        ({"EXPERIMENT_KEY": "a" * 32 + ",short"}, r"^EXPERIMENT_KEY: each key must have at least 32 "),
        ({"CONTENT": "history"}, r"^CONTENT: .*'stated' or 'profile'"),
        ({"COLLABORATIVE_WEIGHT": "nan"}, r"^COLLABORATIVE_WEIGHT: "),
        ({"INTERACTION_WINDOW_DAYS": "-1"}, r"^INTERACTION_WINDOW_DAYS: "),
        ({"POOL_SIZE": "0"}, r"^POOL_SIZE: "),
        ({"ID_PATTERN": "("}, r"^ID_PATTERN: not a regular expression"),
        ({"SQL_PATH": "/no/such/folder"}, r"^SQL_PATH: there is no folder /no/such/folder"),
        ({"USER_DB_URL": "mysql://u:secret@h/d"}, r"^USER_DB_URL: not of the form postgresql://"),
        ({"USER_DB_URL": "postgresql://u:50%secret@h/d"}, r"^USER_DB_URL: .*percent-encoded"),
        ({"USER_DB_URL": "postgresql://u:secret@[h/d"}, r"^USER_DB_URL: not a valid URL"),
        ({"USER_DB_URL": URLS["USER_DB_URL"]}, "CATALOG_DB_URL, ENGAGEMENT_DB_URL not set"),
        ({"DB_USER": "app", "DB_PASSWORD": "secret"}, "DB_HOST not set"),
        ({"API_KEYS": "a:read:secret"}, r"^API_KEYS: an entry is not of the form name:scopes:hash"),
        ({"RATE_LIMIT": "often"}, r"^RATE_LIMIT: not of the form 600/minute"),
        ({"RATE_LIMIT": "0/minute"}, r"^RATE_LIMIT: not of the form"),
        ({"RATE_LIMIT": "5/minute or so"}, r"^RATE_LIMIT: not of the form"),
        ({"RATE_LIMIT_STORAGE": "http://:secret@h"}, r"^RATE_LIMIT_STORAGE: not memory://, nor"),
        ({"TRUSTED_PROXIES": "-1"}, r"^TRUSTED_PROXIES: "),
        ({"CORS_ORIGINS": "https://a.example,b.example"}, r"^CORS_ORIGINS: b.example is not of the form"),
        ({"CORS_ORIGINS": "https://a.example/"}, r"^CORS_ORIGINS: https://a.example/ is not"),
        ({"CORS_ORIGINS": "https://*.example"}, r"^CORS_ORIGINS: https://\*.example is not"),
        ({"CORS_ORIGINS": "https://u@a.example"}, r"^CORS_ORIGINS: https://u@a.example is not"),
        ({"CORS_ORIGINS": "https://a.example:65536"}, r"^CORS_ORIGINS: https://a.example:65536 is not"),
        ({"CORS_ORIGINS": "https://bücher.example"}, r"^CORS_ORIGINS: .* is not of the form .*xn--"),
        ({"CORS_ORIGINS": "https://[1::2::3]"}, r"^CORS_ORIGINS: .* has no valid IPv6 address"),
        (
            {"ALLOWED_HOSTS": "a.example:5000"},
            r"^ALLOWED_HOSTS: a.example:5000 is not a host name or address",
        ),
        ({"ALLOWED_HOSTS": "http://a.example"}, r"^ALLOWED_HOSTS: http://a.example is not a host name"),
        ({"ALLOWED_HOSTS": "*.example"}, r"^ALLOWED_HOSTS: \*.example is not a host name"),
        ({"ALLOWED_HOSTS": "[1::2::3]"}, r"^ALLOWED_HOSTS: \[1::2::3\] is not a host name"),
        ({"PORT": "x", "WORKERS": "y"}, r"(?s)PORT: .*\nWORKERS: "),
    ],
)
def test_a_wrong_setting_is_named_and_its_secret_is_not(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load(**variables)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:Tr0ub@secret@127.0.0.1:1/db",
        "postgresql://app:pa/secret@127.0.0.1/db",
        "postgresql://app:12/secret@127.0.0.1/db",
        "postgresql://app:12,secret/x@127.0.0.1/db",
        "postgresql://app@h1:1,h2:secret/db",
        "postgresql://app:a?b/secret@h/db",
        "postgresql://app@[::1]:secret/db",
    ],
)
@pytest.mark.parametrize("variable", [*URLS, "RECOMMENDATION_DB_URL"])
def test_a_password_that_would_be_taken_for_a_host_is_refused(variable: str, url: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{variable}: .*@, / and % in the password perc") as caught:
        load(**{variable: url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:Tr0ub%40dor%2F3@h1:5432,h2:5433/db?options=-c%20a=b@c",
        "postgresql://app:a?b:c@[::1]:5432/db",
        "postgresql://%2Fvar%2Frun/a%40b?passfile=/a@b",
        "postgresql://%40abstract/db",
        "postgres:///db",
        "postgres://",
    ],
)
def test_each_form_of_url_that_libpq_reads_is_accepted(url: str) -> None:
    assert load(**URLS | {"USER_DB_URL": url}).databases.url("user_db") == url


def test_errors_in_several_groups_are_reported_together() -> None:
    with pytest.raises(SettingsError) as caught:
        load(PORT="x", DB_USER="app", LIKE_TYPES="VIEW", WATCH_TYPES="VIEW")
    database, port, types = str(caught.value).splitlines()
    assert database.startswith("DB_HOST not set: ")
    assert port.startswith("PORT: ")
    assert types.startswith("LIKE_TYPES, WATCH_TYPES, DISLIKE_TYPES: VIEW ")


def test_relative_paths_mean_the_same_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sql").mkdir()
    monkeypatch.chdir(tmp_path)
    settings = load(SQL_PATH="sql", MODEL_PATH="m", ATTRIBUTES_PATH="a", EXPERIMENTS_PATH="e", DEMO_PATH="d")
    assert settings.databases.sql_path == HOME / "sql"
    assert settings.models.model_path == HOME / "m"
    assert settings.catalog.attributes_path == HOME / "a"
    assert settings.experiments.experiments_path == HOME / "e"
    assert settings.demo.demo_path == HOME / "d"


def test_a_variable_belongs_to_one_group() -> None:
    named = [variable for group in Settings.groups().values() for variable in group.variables()]
    assert len(named) == len(set(named)) == len(Settings.variables())
    assert {"DB_HOST", "PORT", "API_KEYS", "LIKE_TYPES", "MODEL_PATH"} <= set(named)


def test_other_urls_replace_those_of_the_environment() -> None:
    databases = load(DB_HOST="db", DB_PASSWORD="hunter2").databases.with_urls(
        {"user_db": "postgresql://u:p@other/x"}
    )
    assert databases.url("user_db") == "postgresql://u:p@other/x"
    assert databases.url("catalog_db") == "postgresql://:hunter2@db:5432/catalog_db"
    assert "u:p@" not in repr(databases)


def test_whole_reads_have_their_own_timeout_and_commands_none() -> None:
    databases = load(STATEMENT_TIMEOUT_MS="1", CATALOG_TIMEOUT_MS="2", POOL_TIMEOUT_MS="3").databases
    whole, command = databases.for_whole_reads(4), databases.for_command()
    assert (whole.pool_size, whole.pool_timeout_ms, whole.statement_timeout_ms) == (4, 3, 2)
    assert (command.pool_size, command.pool_timeout_ms, command.statement_timeout_ms) == (1, 30, 0)


def test_the_ranking_is_described_by_the_variables_that_it_depends_on() -> None:
    described = load(LIKE_TYPES="LIKE,LOVE", SHORTLIST="7").describe_ranking()
    assert described == (
        "CONTENT_WEIGHT=0.4, COLLABORATIVE_WEIGHT=0.6, INTERACTION_WINDOW_DAYS=90, SIMILAR_USERS=50, "
        "EXACT_UP_TO_PAIRS=200000, HISTORY_ITEMS=30, USERS_PER_ITEM=100, SHORTLIST=7, ITEMS_PER_USER=200, "
        "LIKE_TYPES=('LIKE', 'LOVE'), WATCH_TYPES=('WATCH',), DISLIKE_TYPES=('DISLIKE',), EXCLUDING_TYPES=()"
    ), "jobs begun by an earlier version compare it with theirs"


def test_the_ranking_is_described_by_a_content_score_other_than_the_default() -> None:
    assert "COLLABORATIVE_WEIGHT=0.6, CONTENT=profile, INTERACT" in load(CONTENT="profile").describe_ranking()


def test_the_ranking_is_described_by_a_model_other_than_the_default() -> None:
    assert load(MODEL="ease").describe_ranking().endswith(", EXCLUDING_TYPES=(), MODEL=ease")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(PORT="", DB_HOST="") == load()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_line_end_after_a_value_does_not_count(end: str) -> None:
    url = "postgresql://u:p@host/users"
    settings = load(
        DB_HOST="db", USER_DB_URL=url + end, DB_PASSWORD=f"hunter2{end}", MODEL_PATH=f"/models{end}", PORT=end
    )
    assert settings.databases.url("user_db") == url
    assert settings.databases.url("catalog_db") == "postgresql://:hunter2@db:5432/catalog_db"
    assert settings.models.model_path == Path("/models")
    assert settings.http.port == load().http.port


@pytest.mark.parametrize("variable", ["DB_PASSWORD", "USER_DB_URL", "MODEL_PATH", "API_KEYS"])
@pytest.mark.parametrize("control", ["\x00", "\x1b", "\x7f"])
def test_a_control_character_is_refused_without_quoting_the_value(variable: str, control: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{variable: f"hunter2{control}rest"})
    assert str(caught.value).startswith(f"{variable}: has a control character")
    assert "hunter2" not in str(caught.value)


def test_a_line_end_within_a_value_is_refused_except_in_a_list() -> None:
    assert load(LIKE_TYPES="LIKE,\nLOVE\n").interaction_types.likes == ("LIKE", "LOVE")
    with pytest.raises(SettingsError, match="DB_PASSWORD: has a control character"):
        load(DB_PASSWORD="hunter2\nrest")


def test_the_environment_wins_over_the_dotenv_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PORT=7000\nHOST=0.0.0.0\n")
    settings = load_settings({"PORT": "8000"}, dotenv_path=dotenv)
    assert (settings.http.port, settings.http.host) == (8000, "0.0.0.0")  # noqa: S104 - compared, not bound


@pytest.mark.parametrize(
    ("given", "host", "is_loopback"),
    [("[::1]", "::1", True), ("::1", "::1", True), ("[::]", "::", False), ("localhost", "localhost", True)],
)
def test_an_ipv6_address_to_listen_on_may_have_brackets(given: str, host: str, *, is_loopback: bool) -> None:
    http = load(HOST=given).http
    assert (http.host, http.is_loopback) == (host, is_loopback)


def test_lists_are_split_at_commas() -> None:
    assert load(CORS_ORIGINS="https://a.example , https://b.example,").access.cors_origins == (
        "https://a.example",
        "https://b.example",
    )


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://A.example:443", "https://a.example"),
        ("HTTP://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://a.example:08443", "https://a.example:8443"),
        ("https://[2001:DB8:0::7]:443", "https://[2001:db8::7]"),
        ("*", "*"),
    ],
)
def test_an_origin_is_put_into_the_spelling_of_browsers(given: str, sent: str) -> None:
    assert load(CORS_ORIGINS=given).access.cors_origins == (sent,)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().http.port = 1
    with pytest.raises(ValidationError, match="frozen"):
        load().http = load(PORT="1").http


def test_passwords_are_not_shown() -> None:
    redis = "redis://:hunter2@r:6379/0"
    shown = repr(load(DB_HOST="h", DB_PASSWORD="hunter2", RATE_LIMIT_STORAGE=redis, **URLS))
    assert "hunter2" not in shown
    assert "u:p@" not in shown


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"LIKE_TYPES": "LIKE,VIEW", "WATCH_TYPES": "VIEW"}, "VIEW is named more than once"),
        ({"DISLIKE_TYPES": "LIKE"}, "LIKE is named more than once"),
        ({"LIKE_TYPES": " , ", "WATCH_TYPES": ","}, "no interaction would count"),
    ],
)
def test_a_type_of_interaction_has_one_meaning(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(variables, dotenv_path=None)


def test_variables_that_are_nearly_named_like_a_setting_are_found(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("POOL_SIZ=5\nCOMPOSE_PROJECT_NAME=shop\nWORKERS=2\nTHREAD=\n")
    others = {"DB_USERNAME": "me", "PGHOST": "db", "HOSTNAME": "web", "CATALOGUE_TIMEOUT_MS": "9000"}
    assert misspelled_variables(others, dotenv) == {"POOL_SIZ": "POOL_SIZE", "DB_USERNAME": "DB_USER"}


def test_the_settings_of_the_log_are_read_whatever_is_wrong_with_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOG_FORMAT": "JSON\n", "LOG_LEVEL": "warning", "PORT": "none"}.items():
        monkeypatch.setenv(name, value)
    unreadable = tmp_path / ".env"
    unreadable.mkdir()
    for path in (None, unreadable):
        found = load_log_settings(path)
        assert (found.log_format, found.level) == ("json", "WARNING")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    assert load_log_settings(None) == LogSettings()
