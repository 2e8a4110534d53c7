"""A simulator with short waits, and a receiver of its webhooks."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import BaseWSGIServer
from werkzeug.test import TestResponse

from local.evolution import Simulator, SimulatorSettings, create_simulator, serve

KEY = "a-global-key-for-tests"
DEADLINE_S = 8.0


@dataclass(frozen=True)
class Received:
    """One request that reached the receiver."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def event(self) -> str:
        return str(self.json["event"])

    @property
    def data(self) -> Any:
        return self.json["data"]


class Receiver:
    """Take webhooks and answer as told: a status, or a status and where to go instead."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: deque[tuple[int, str | None]] = deque()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.05), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join(timeout=DEADLINE_S)
        self.server.server_close()

    def of(self, event: str) -> list[Received]:
        return [one for one in list(self.received) if one.body and one.event == event]

    def wait_for(self, event: str, count: int = 1) -> list[Received]:
        until(lambda: len(self.of(event)) >= count, f"{count} x {event}, there was {[o.path for o in self.received]}")
        return self.of(event)


def handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            receiver.received.append(Received(self.command, self.path, dict(self.headers), body))
            status, location = receiver.answers.popleft() if receiver.answers else (200, None)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


class World:
    """A simulator, driven as a client of Evolution and as the people with the phones."""

    def __init__(self, **changes: Any) -> None:
        short = {
            "create_wait_s": 0.0,
            "connect_wait_s": 0.0,
            "first_qr_s": 0.01,
            "pairing_s": 0.01,
            "removal_s": 0.01,
            "retry_initial_s": 0.05,
            "receipt_delay_s": 0.01,
            "read_delay_s": 0.03,
            "send_latency_s": 0.0,
        }
        self.flask = create_simulator(SimulatorSettings(**{"api_key": KEY, **short, **changes}))
        self.simulator: Simulator = self.flask.extensions["simulator"]
        self.http: FlaskClient = self.flask.test_client()

    def call(self, method: str, path: str, body: object = None, *, key: str | None = KEY) -> TestResponse:
        headers = {"apikey": key} if key else {}
        return self.http.open(path, method=method, json=body, headers=headers)

    def create(self, name: str = "shop", **body: Any) -> dict[str, Any]:
        answer = self.call("POST", "/instance/create", create_body(name, **body))
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.get_json()
        return created

    def open(self, name: str = "shop", **body: Any) -> dict[str, Any]:
        created = self.create(name, qrcode=True, **body)
        until(lambda: self.tool(name)["code"], "a QR code")
        scanned = self.http.post(f"/simulator/instances/{name}/scan", json={"number": "5511999990001"})
        assert scanned.status_code == 200, scanned.text
        self.wait_for_state(name, "open")
        return created

    def tool(self, name: str = "shop") -> dict[str, Any]:
        shown = self.http.get("/simulator/instances").get_json()
        return next(one for one in shown if one["name"] == name)

    def state(self, name: str = "shop") -> str:
        answer = self.call("GET", f"/instance/connectionState/{name}").get_json()
        return str(answer["instance"]["state"])

    def wait_for_state(self, name: str, state: str) -> None:
        until(lambda: self.state(name) == state, f"{name} in state {state}")

    def send(self, number: str = "5511999990002", text: str = "Olá!", **more: Any) -> TestResponse:
        return self.call("POST", "/message/sendText/shop", {"number": number, "text": text, **more})


def create_body(name: str, **body: Any) -> dict[str, Any]:
    return {"instanceName": name, "integration": "WHATSAPP-BAILEYS", **body}


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(**changes: Any) -> World:
        worlds.append(World(**changes))
        return worlds[-1]

    yield make
    for world in worlds:
        world.simulator.stop()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "evolution.json"


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object], str], None]:
    return until


@pytest.fixture
def server(world: World) -> Iterator[BaseWSGIServer]:
    """The simulator on a port of its own."""
    server, thread = serve(world.flask, 0)
    yield server
    world.simulator.stop()
    server.shutdown()
    thread.join(timeout=5)
    assert not thread.is_alive()
