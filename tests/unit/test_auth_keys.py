"""Keys are random, stored as a hash, compared in constant time, and made by a command."""

import re

import pytest
from click.testing import CliRunner

from config.access_settings import ApiKey, KeyScope, parse_entry
from config.setting_types import SettingsError
from config.settings import Settings, load_settings
from recommender import auth_keys
from recommender.auth_keys import find_key, make_key
from recommender.cli.make_key import make_key as make_key_command

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def load(**variables: str) -> Settings:
    return load_settings(variables, dotenv_path=None)


def test_an_entry_is_name_scopes_and_hash() -> None:
    key = parse_entry(f"front-end.2:read+ops:{HASH}")
    assert (key.name, key.scopes) == ("front-end.2", frozenset(KeyScope))
    assert parse_entry(key.entry) == key


@pytest.mark.parametrize(
    "entry",
    [
        "secret-key",
        f"a:read:{HASH[:-1]}",
        f"a:read:{HASH.upper()}",
        f"a:write:{HASH}",
        f"a::{HASH}",
        f"a:read+:{HASH}",
        f":read:{HASH}",
        f"a b:read:{HASH}",
        f"a:read:{HASH}:secret",
        f"{'a' * 65}:read:{HASH}",
    ],
)
def test_another_entry_is_refused_and_not_shown(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"^API_KEYS: an entry is not of the form name") as caught:
        load(API_KEYS=f"b:ops:{'0' * 64}, {entry}")
    assert entry not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_several_entries_are_separated_by_commas_and_must_differ() -> None:
    keys = load(API_KEYS=f"a:read:{HASH}, a:ops:{'0' * 64},").access.api_keys
    assert [key.name for key in keys] == ["a", "a"]
    assert HASH not in repr(keys)
    with pytest.raises(SettingsError, match=r"^API_KEYS: two entries have the same key"):
        load(API_KEYS=f"a:read:{HASH},b:ops:{HASH}")


def test_a_made_key_is_long_random_and_found_by_its_hash_alone() -> None:
    made = [make_key(f"caller{number}", [KeyScope.READ]) for number in range(50)]
    known = [key for _, key in made]
    assert len({text for text, _ in made}) == 50
    for text, key in made:
        assert re.fullmatch(r"mq_[A-Za-z0-9_-]{43}", text)
        assert find_key(known, text) is key
        assert text not in key.entry
    assert find_key(known, known[0].digest.hex()) is None
    assert find_key(known, "") is None
    assert find_key([], made[0][0]) is None


def test_a_key_is_compared_with_every_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def counting(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return known == given

    monkeypatch.setattr(auth_keys, "compare_digest", counting)
    made = [make_key("caller", [KeyScope.READ]) for _ in range(5)]
    known: list[ApiKey] = [key for _, key in made]
    for text in (made[0][0], made[-1][0], "nobody's"):
        compared.clear()
        find_key(known, text)
        assert compared == [key.digest for key in known]


def test_the_command_prints_the_key_and_an_entry_that_knows_it() -> None:
    result = CliRunner().invoke(make_key_command, ["frontend", "--scope", "read", "--scope", "ops"])
    assert result.exit_code == 0
    key, entry = re.findall(r": +(\S+)$", result.output, re.MULTILINE)
    (known,) = load(API_KEYS=entry).access.api_keys
    assert find_key([known], key) == known
    assert (known.name, known.scopes) == ("frontend", frozenset(KeyScope))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a:b", "--scope", "read"], "must be up to 64 letters"),
        (["a", "--scope", "write"], "'write' is not one of"),
        (["a"], "Missing option '--scope'"),
    ],
)
def test_the_command_refuses_invalid_names_and_scopes(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(make_key_command, arguments)
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    load(HOST=host).require_api_keys()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "db.internal", "localhost.example"])  # noqa: S104 - not bound
def test_other_addresses_need_keys_or_allow_anonymous(host: str) -> None:
    with pytest.raises(SettingsError, match=rf"HOST: {re.escape(host)} .*API_KEYS.*ALLOW_ANONYMOUS=true"):
        load(HOST=host).require_api_keys()
    load(HOST=host, API_KEYS=f"a:read:{HASH}").require_api_keys()
    load(HOST=host, ALLOW_ANONYMOUS="true").require_api_keys()


def test_a_proxy_in_front_needs_keys_or_allow_anonymous() -> None:
    with pytest.raises(SettingsError, match=r"TRUSTED_PROXIES: .*API_KEYS.*ALLOW_ANONYMOUS=true"):
        load(TRUSTED_PROXIES="1").require_api_keys()
    load(TRUSTED_PROXIES="1", API_KEYS=f"a:read:{HASH}").require_api_keys()
    load(TRUSTED_PROXIES="1", ALLOW_ANONYMOUS="true").require_api_keys()
