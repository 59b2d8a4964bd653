"""How long a request's thread waits for its client."""

import socket
from collections.abc import Iterator

import pytest

from config.guarded_worker import Exchange

NEVER, AT_ONCE = 1_000_000.0, 0.0


@pytest.fixture
def client() -> Iterator[tuple[Exchange, socket.socket]]:
    """Return an exchange whose application works, and its client's end of the connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        exchange = Exchange(ours, head_ends_at=0.0)
        exchange.begin_work()
        yield exchange, theirs


def is_stopped(exchange: Exchange, theirs: socket.socket) -> bool:
    if not exchange.stop_if_overdue(AT_ONCE):
        return False
    assert theirs.recv(1) == b""
    return True


def test_while_the_application_works_no_client_is_too_slow(client: tuple[Exchange, socket.socket]) -> None:
    assert not is_stopped(*client)


@pytest.mark.parametrize("chunks", [[], [b"one", b"two"]], ids=["without a body", "with a body"])
def test_what_is_sent_after_the_last_chunk_has_a_time_limit(
    client: tuple[Exchange, socket.socket], chunks: list[bytes]
) -> None:
    exchange, _ = client
    assert list(exchange.sent_in_turn(chunks)) == chunks
    assert not exchange.stop_if_overdue(NEVER)
    assert is_stopped(*client)


def failing() -> Iterator[bytes]:
    yield b"one"
    raise ZeroDivisionError


def test_what_is_sent_after_an_error_has_a_time_limit(client: tuple[Exchange, socket.socket]) -> None:
    exchange, _ = client
    with pytest.raises(ZeroDivisionError):
        list(exchange.sent_in_turn(failing()))
    assert is_stopped(*client)
