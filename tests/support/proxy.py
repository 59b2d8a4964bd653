"""A TCP proxy in front of PostgreSQL that stops forwarding on demand, as a broken network would."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

_BLOCK = 1 << 16
_TICK_S = 0.05


class HangingProxy:
    """Forwards connections to a server's socket, until `hang` is called."""

    def __init__(self, target: Path, delay_s: float, address: tuple[str, int]) -> None:
        self._target = target
        self._delay_s = delay_s
        self._flowing = threading.Event()
        self._flowing.set()
        self._closing = threading.Event()
        self._listener = socket.create_server(address)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """The port that the proxy listens on."""
        return int(self._listener.getsockname()[1])

    def url(self, database: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a database behind the proxy, by a name or address of its host."""
        return f"postgresql://postgres@{host}:{self.port}/{quote(database)}"

    def hang(self) -> None:
        """Accept connections and data, and forward nothing in either direction."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward everything that has arrived meanwhile, and go on."""
        self._flowing.set()

    def close(self) -> None:
        self._closing.set()
        self._flowing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._forward, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _forward(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            self._closing.wait(self._delay_s)
            server.connect(str(self._target))
            other = {client: server, server: client}
            while not self._closing.is_set():
                readable, _, _ = select.select(other, [], [], _TICK_S)
                self._flowing.wait()
                for source in readable:
                    data = source.recv(_BLOCK)
                    if not data:
                        return
                    other[source].sendall(data)


@contextlib.contextmanager
def hanging_proxy(
    target: Path, delay_s: float = 0.0, address: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[HangingProxy]:
    """Start a proxy that delays each login by `delay_s`, and close it at the end."""
    proxy = HangingProxy(target, delay_s, address)
    try:
        yield proxy
    finally:
        proxy.close()
