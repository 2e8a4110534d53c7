"""Little real servers on loopback: one that answers as told over HTTP, and some that break off."""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Talk = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    port: int


class Scripted:
    """Answers each request with the next of its answers, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: deque[tuple[int, object]] = deque()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.02), daemon=True).start()

    def answer(self, status: int, body: object) -> None:
        self.answers.append((status, body))

    def next_answer(self) -> tuple[int, object]:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(scripted: Scripted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def take(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(raw) if raw else None
            asked = Asked(self.command, self.path, dict(self.headers), body, self.client_address[1])
            scripted.asked.append(asked)
            status, answer = scripted.next_answer()
            told = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            if status in (301, 307):
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_DELETE = take

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def talking(talk: Talk, *, connections: int = 1) -> Iterator[str]:
    """A server that treats each of its connections with `talk`; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, talk, connections), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(timeout=5)


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def full_backlog() -> Iterator[str]:
    """A server that takes no more connections: whoever tries waits for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [_begin_connect(listener.getsockname()) for _ in range(4)]
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def read_request(connection: socket.socket) -> bytes:
    """Read one whole request."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65536)
    head, _, body = read.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return read


def reset(connection: socket.socket) -> None:
    """Break the connection without a goodbye."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def respond(connection: socket.socket, body: bytes, *, length: int | None = None) -> None:
    """Answer 201, perhaps with less than was announced."""
    head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {length or len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def _serve(listener: socket.socket, talk: Talk, connections: int) -> None:
    listener.settimeout(5)
    for _ in range(connections):
        connection, _address = listener.accept()
        with connection:
            talk(connection)


def _begin_connect(address: tuple[str, int]) -> socket.socket:
    begun = socket.socket()
    begun.setblocking(False)
    begun.connect_ex(address)
    return begun
