"""The port of the simulated Evolution, which can be closed for a while."""

import logging
import socket
import threading
import time
from http.server import HTTPServer
from typing import Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from local.evolution.wires import cut

LOOK_S = 0.05
TRY_AGAIN_S = 0.1
log = logging.getLogger(__name__)


class QuietHandler(WSGIRequestHandler):
    """Keep the requests out of the terminal, and paths as they were asked for."""

    def make_environ(self) -> dict[str, Any]:
        """Describe the request with its whole target: the library hides a double slash at the start."""
        return {**super().make_environ(), "RAW_URI": self.requestline.split()[1]}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: paths hold instance names, and the poll of the phone page would fill the screen."""


class Server(ThreadedWSGIServer):
    """Serve each request on a thread of its own until `shutdown`."""

    def __init__(self, host: str, port: int, app: Flask) -> None:
        super().__init__(host, port, app, QuietHandler)
        self._connections: set[Any] = set()
        self._away = threading.Lock()
        self._away_s = 0.0
        self._is_closed = threading.Event()
        self._is_ended = threading.Event()

    def serve_forever(self, poll_interval: float = LOOK_S) -> None:
        """Serve, with the times away in between."""
        try:
            while not self._is_ended.is_set():
                # The nearer class would close the port for good at the end of each loop.
                HTTPServer.serve_forever(self, poll_interval)
                if not self._is_ended.is_set():
                    self._stay_away()
        finally:
            self.server_close()

    def shutdown(self) -> None:
        """End, also while away."""
        self._is_ended.set()
        super().shutdown()

    def go_away(self, away_s: float, *, but: socket.socket | None) -> None:
        """Close the port for a while, so that callers are refused, and break every connection but one."""
        with self._away:
            self._away_s = away_s
            self._is_closed.clear()
            super().shutdown()
            self._is_closed.wait(timeout=5)
        for connection in self._connections - {but}:
            cut(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a request, remembering its connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """Forget a connection."""
        self._connections.discard(request)
        super().close_request(request)

    def _stay_away(self) -> None:
        self.socket.close()
        self._is_closed.set()
        self._is_ended.wait(self._away_s)
        while not (self._is_ended.is_set() or self._is_listening_again()):
            time.sleep(TRY_AGAIN_S)

    def _is_listening_again(self) -> bool:
        self.socket = socket.socket(self.address_family, self.socket_type)
        try:
            self.server_bind()
            self.server_activate()
        except OSError:
            # Somebody's outgoing connection may have taken the number meanwhile; it will end.
            log.exception("the port could not be opened again")
            self.socket.close()
            return False
        return True
