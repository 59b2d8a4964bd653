"""`serve`: run the service under Gunicorn; without configured databases, on a demo."""

import ctypes
import logging.config
import os
import shlex
import signal
import subprocess  # nosec B404 # what it starts is our own
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from types import FrameType
from urllib.parse import unquote, urlsplit

import click

from config.address import refuse_unusable_address
from config.database_settings import url_variables
from config.logging import logging_config
from config.setting_types import HOME, IS_INSTALLED, MODULE, PROGRAM, ROOT, how_to_install
from config.settings import Settings, load_settings
from recommender.cli.epilog import epilog
from recommender.cli.progress import show_progress
from recommender.configured import refuse_unknown_model
from recommender.data.forgotten import read_forgotten
from recommender.databases.database import Database
from recommender.databases.engagement_db import EngagementDatabase
from recommender.entities import DatabaseName
from recommender.errors import ArtifactError, ConfigurationError, DatabaseUnavailableError
from recommender.model_store.currents import serving_version
from recommender.observability.log_filters import LOG_FILTERS

_START_WAIT_S = 30.0
_STOP_WAIT_S = 35.0
_IPV4 = 4
# In place of an id, in the example request.
_ANY_USER = "USER_ID"
# PR_SET_PDEATHSIG of prctl(2).
_STOP_WITH_PARENT = 1
# By a name that no module in the current folder can shadow.
_APP = "marquee.wsgi:app" if IS_INSTALLED else "wsgi:app"


@click.command(epilog=epilog("serve", f"PORT=5001 {PROGRAM} serve"))
def serve() -> int:
    """Serve recommendations on HOST and PORT.

    For trials and for production: this is Gunicorn, configured by the settings.

    If no databases are configured, it starts an embedded PostgreSQL with generated demo data, and stops it at
    the end.
    """
    settings = load_settings()
    settings.require_api_keys()
    # Fail before a demo is loaded, which takes longer.
    refuse_unknown_model(settings.models.model)
    logs = settings.logging
    logging.config.dictConfig(logging_config(logs.level, logs.log_format, LOG_FILTERS))
    refuse_unusable_address(settings.http)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        # Until the server runs, a signal unwinds the stack, which stops what has been started.
        signal.signal(number, _exit)
    with (
        _databases_or_demo(settings) as urls,
        _stopping_on_signals(partial(_start_server, urls)) as server,
    ):
        _greet(server, settings, urls)
        status = server.wait()
    # Negative: a signal that ended it before it could handle one.
    return status if status >= 0 else 128 - status


def _start_server(urls: Mapping[DatabaseName, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  # nosec B603 # our own interpreter and files
        [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "config/gunicorn.conf.py"), _APP],
        cwd=HOME,
        env={**os.environ, **url_variables(urls)},
        # In its own process group: Ctrl-C reaches only this process, which passes it on.
        process_group=0,
        # This process has no other threads, whose locks the child could wait for.
        preexec_fn=_stopping_when_killed(),  # noqa: PLW1509 - see above
    )


def _stopping_when_killed() -> Callable[[], object] | None:
    """Return what a child process calls to be stopped if this one is killed; None if that needs Linux."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return partial(prctl, _STOP_WITH_PARENT, int(signal.SIGTERM))


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def _databases_or_demo(settings: Settings) -> Iterator[Mapping[DatabaseName, str]]:
    """Yield the URLs of the configured databases, or else of a demo's, which runs until the block ends."""
    if settings.databases.are_configured:
        yield {name: settings.databases.url(name) for name in DatabaseName}
        return
    try:
        # Needs the extra `demo`, which a deployment does not install.
        from recommender.demo.databases import demo_databases  # noqa: PLC0415 - see the comment above
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            "no databases are configured (DB_HOST, or USER_DB_URL and its like), and the demo's "
            f"PostgreSQL is not installed ({exc.name}): {how_to_install('demo')}"
        ) from exc
    click.echo("No databases are configured: starting the demo on an embedded PostgreSQL.", err=True)
    trains_first = settings.trains and serving_version(settings.models.model_path) is None
    with (
        _models_compiling() if trains_first else nullcontext(),
        demo_databases(settings.demo.demo_path, show_progress) as urls,
    ):
        yield urls


@contextmanager
def _models_compiling() -> Iterator[None]:
    """Compile the code of models while data is loaded, so that the first training need not."""
    process = subprocess.Popen(  # noqa: S603  # nosec B603 # our own interpreter and files
        [sys.executable, "-m", MODULE, "compile"],
        cwd=HOME,
        stdin=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _stopping_on_signals(
    start: Callable[[], "subprocess.Popen[bytes]"],
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the server, pass signals on to it and wait for its end, so that its databases stop last.

    A signal that arrives while it starts is passed on afterwards: if it unwound the stack, nothing would know
    the server, which would go on without its databases.
    """
    server: subprocess.Popen[bytes] | None = None
    is_told = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal is_told
        is_told = True
        if server is not None:
            # At SIGQUIT, Gunicorn does not wait for open requests. The others would reload or end it at once.
            server.send_signal(number if number == signal.SIGQUIT else signal.SIGTERM)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        server = start()
        if is_told:
            server.terminate()
        yield server
    finally:
        if server is not None and server.poll() is None:
            server.terminate()
            server.wait(_STOP_WAIT_S)
        for number, handler in before.items():
            signal.signal(number, handler)


def _greet(server: "subprocess.Popen[bytes]", settings: Settings, urls: Mapping[DatabaseName, str]) -> None:
    """When the server answers, print its address and an example request."""
    host = _reachable(settings.http.host)
    if not _wait_until_it_answers(server, host, settings.http.port):
        return
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.http.port}"
    click.echo(f"\nMarquee serves at {address}")
    if settings.http.explorer:
        click.echo(f"Explorer:           {address}/explorer")
    # A service manager would keep the id of a real user in its log.
    is_shown = not settings.databases.are_configured or sys.stdout.isatty()
    user_id = _example_user(settings, urls) if is_shown else _ANY_USER
    if user_id is None:
        click.echo("engagement_db has no user to show, or does not answer; see the log.")
    else:
        _show_request(user_id, settings, address)
    if not settings.databases.are_configured:
        user, _, folder = urlsplit(urls[DatabaseName.USER]).netloc.partition("@")
        click.echo("For other commands, in another shell:")
        click.echo(f"\n  export DB_HOST={shlex.quote(unquote(folder))} DB_USER={user}\n")
    click.echo("Stop with Ctrl-C.")


def _show_request(user_id: str, settings: Settings, address: str) -> None:
    if user_id != _ANY_USER:
        click.echo(f"A user to try:      {user_id}")
    key = '-H "Authorization: Bearer $KEY" ' if settings.access.api_keys else ""
    click.echo(f'\n  curl {key}"{address}/api/recommendations/{user_id}?limit=5"\n')


def _reachable(host: str) -> str:
    """Return an address of a server that listens on `host`, which may be a wildcard."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == _IPV4 else "::1"


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", host: str, port: int) -> bool:
    """Return whether the server answers in time; false at once if it ends."""
    deadline = time.monotonic() + _START_WAIT_S
    while server.poll() is None and time.monotonic() < deadline:
        connection = HTTPConnection(host, port, timeout=1)
        try:
            connection.request("GET", "/health")
            connection.getresponse()
        except (OSError, HTTPException):
            time.sleep(0.1)
        else:
            return True
        finally:
            connection.close()
    return False


def _example_user(settings: Settings, urls: Mapping[DatabaseName, str]) -> str | None:
    """Return a user with recent interactions who is not forgotten, if there is one."""
    database = Database(DatabaseName.ENGAGEMENT, settings.databases.with_urls(urls))
    database.open()
    try:
        forgotten = read_forgotten(settings.models.model_path)
        users = EngagementDatabase(database, settings.interaction_types).fetch_example_users()
    except (ArtifactError, DatabaseUnavailableError):
        return None
    finally:
        database.close()
    return next((user_id for user_id in users if user_id not in forgotten), None)
