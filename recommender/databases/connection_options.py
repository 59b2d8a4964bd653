"""Read the options of database URLs, and refuse those that contradict the service."""

import re
from collections.abc import Mapping

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn

from recommender.entities import DatabaseName
from recommender.errors import ConfigurationError, one_line

_WRITABLE = re.compile(
    r"default_transaction_read_only\s*=\s*(off?|f|fa|fal|fals|false|no?|0)\b", re.IGNORECASE
)


def parsed_options(name: DatabaseName, url: str) -> Mapping[str, str]:
    """Return the options of a database's URL, as `resolved_options` does.

    Raises:
        ConfigurationError: the URL or its service cannot be read.
    """
    try:
        return resolved_options(url)
    except psycopg.OperationalError as exc:
        raise ConfigurationError(
            f"the service that the URL of {name} or PGSERVICE names cannot be used: {one_line(exc)}"
        ) from None
    except psycopg.Error:
        # The driver's message may quote the URL, password and all.
        raise ConfigurationError(f"the URL of {name} is not a valid PostgreSQL URL") from None


def resolved_options(url: str) -> Mapping[str, str]:
    """Return the options of a URL, of the service that it names, and of libpq's environment variables.

    Raises:
        psycopg.ProgrammingError: the URL cannot be read; the message may quote it.
        psycopg.OperationalError: the service cannot be read.
    """
    # libpq reads a service only in order to connect. At an unknown sslmode, it gives up before it does so.
    connection = PGconn.connect_start(make_conninfo(url, sslmode="none").encode())
    try:
        options = {o.keyword.decode(): o.val.decode() for o in connection.info if o.val is not None}
        message = connection.get_error_message()
    finally:
        connection.finish()
    if "sslmode" not in options:
        raise psycopg.OperationalError(message)
    return options


def connect_timeout_s(given: Mapping[str, str], least_s: int) -> int:
    """Return how many seconds to wait for each host: as given, but no fewer than the service waits by itself.

    Raises:
        psycopg.ProgrammingError: what is given is not a number.
    """
    text = given.get("connect_timeout", "")
    try:
        # libpq takes 0 for no limit, but each wait needs one.
        return max(least_s, int(text or 0))
    except ValueError:
        raise psycopg.ProgrammingError(f"connect_timeout={text} is not a whole number") from None


def count_hosts(given: Mapping[str, str]) -> int:
    """Return how many hosts are named, at least one."""
    return max(len(given.get(key, "").split(",")) for key in ("host", "hostaddr"))


def refuse_contradictions(name: DatabaseName, given: Mapping[str, str], settings_by: str) -> None:
    """Refuse options with which no connection would work, or sessions could write.

    Raises:
        ConfigurationError: there is such an option; the message names it.
    """
    source = f"the URL of {name}, its service file"
    attributes = f"{source} or PGTARGETSESSIONATTRS has target_session_attrs"
    if given.get("target_session_attrs") == "read-write":
        raise ConfigurationError(
            f"{attributes}=read-write: the service's sessions are read-only, so no server would match. "
            "Use target_session_attrs=primary"
        )
    if given.get("target_session_attrs") == "read-only" and settings_by == "startup":
        raise ConfigurationError(
            f"{attributes}=read-only: the service's sessions are read-only, so a primary would match, too. "
            "Use target_session_attrs=standby or prefer-standby"
        )
    if _WRITABLE.search(given.get("options", "")):
        raise ConfigurationError(
            f"{source} or PGOPTIONS turns default_transaction_read_only off: the service's sessions are "
            "read-only. Remove it"
        )
