"""A company's program on loopback: notes what it is told, and answers as a test wants it to."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from tests.endpoints import SECRET

Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (204, {}, b"")


@dataclass(frozen=True)
class Told:
    """One request: its headers in small letters, its body as it came, and when that was."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def read(self, secret: str = SECRET) -> dict[str, Any]:
        """The body, its signature verified as an integrator does it. Raises WebhookVerificationError."""
        read: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return read

    @property
    def text(self) -> str:
        return str(self.read()["data"]["body"])


class Receiver:
    """`answer` decides, for each request, what is said; it may take its time."""

    def __init__(self, answer: Callable[[Told], Answer] = lambda told: OK) -> None:
        self.answer = answer
        self.told: list[Told] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.02), daemon=True).start()

    def say(self, *answers: Answer | int) -> None:
        """These answers one after the other, the last one for ever."""
        left = [answer if isinstance(answer, tuple) else (answer, {}, b"") for answer in answers]
        self.answer = lambda told: left.pop(0) if len(left) > 1 else left[0]

    def texts(self) -> list[str]:
        return [told.text for told in self.told]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told = Told({name.lower(): value for name, value in self.headers.items()}, body, time.monotonic())
            receiver.told.append(told)
            status, headers, answer = receiver.answer(told)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
