"""The time that an exchange may take as a whole: a timeout counts anew with every byte that drips in."""

import contextlib
import socket
import ssl
import threading
from contextvars import ContextVar
from functools import cache
from types import TracebackType

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

LOOK_S = 0.5


class Watch:
    """While it is entered, ends what this thread connected to once the time is over; `is_over` says that it was."""

    def __init__(self, total_s: float) -> None:
        self._total_s = total_s
        self._done = threading.Event()
        self._connections: list[HTTPConnection] = []
        self.is_over = False

    def __enter__(self) -> "Watch":
        self._before = _entered.set(self)
        threading.Thread(target=self._look, name="webhook-watch", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        _entered.reset(self._before)

    def add(self, connection: HTTPConnection) -> None:
        self._connections.append(connection)

    def _look(self) -> None:
        is_done = self._done.wait(self._total_s)
        while not is_done:
            self.is_over = True
            for connection in self._connections:
                _cut(connection)
            # One that was only just connecting is cut the next time.
            is_done = self._done.wait(LOOK_S)


_entered: ContextVar[Watch] = ContextVar("watch")


class _WatchedHTTP(HTTPConnection):
    def connect(self) -> None:
        _entered.get().add(self)
        super().connect()


class _WatchedHTTPS(HTTPSConnection):
    def connect(self) -> None:
        _entered.get().add(self)
        # Instead of the certificates' file, which urllib3 would read once more for every connection.
        self.ssl_context, self.ca_certs = trust(), None
        super().connect()


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}


@cache
def trust() -> ssl.SSLContext:
    """The authorities whose certificates count. Reading them takes a tenth of a second."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def _cut(connection: HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
