"""The main job from end to end: connect, scan, hear a customer, answer, and know that it was read.

The portal is served for Evolution's webhooks, a simulated Evolution with its phones stands beside it, and the relays
run on a thread. What is logged meanwhile, and what is kept, names no secret.
"""

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
import structlog
from flask import Flask
from sqlalchemy import inspect, select
from werkzeug.serving import WSGIRequestHandler, make_server

from local.evolution import Simulator, SimulatorSettings, create_simulator, serve
from portal.db import db
from portal.extensions import parts
from portal.inbox import relay as inbox
from portal.models import AuditEvent, Connection, Contact, EvolutionServer, Message, ScanLink, Unit, WebhookEvent
from portal.outbox import owners, servers
from portal.outbox.relay import OutboxRelay
from portal.secrets import webhook_jwt_purpose
from portal.services import connections, conversations
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_tenant, make_unit

pytestmark = pytest.mark.commits

KEY = "an-evolution-key-for-the-main-job"
SHOP, CUSTOMER = "5511999990001", "5511999990002"
DEADLINE_S = 15.0
TIMES = {
    "create_wait_s": 1.5,
    "first_qr_s": 0.02,
    "pairing_s": 0.02,
    "send_latency_s": 0.0,
    "receipt_delay_s": 0.05,
    "read_delay_s": 0.15,
    "retry_initial_s": 0.1,
}


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def rows(model: Any) -> list[Any]:
    keys = inspect(model).primary_key
    with across_tenants("a test looks at the rows"):
        return list(db.session.scalars(select(model).order_by(*keys).execution_options(populate_existing=True)))


@pytest.fixture
def logged(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that the portal's handler writes, from the lowest level on."""
    written = io.StringIO()
    root = logging.getLogger()
    handler = next(h for h in root.handlers if isinstance(h.formatter, structlog.stdlib.ProcessorFormatter))
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(written)
    levels = {name: logging.getLogger(name).level for name in ("", "urllib3", "werkzeug", "rq")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield written
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    handler.setStream(before)


class Portal:
    """The portal as Evolution reaches it, with its relays at work."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.failures: list[BaseException] = []
        self.stopping = threading.Event()
        self.server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=WSGIRequestHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.server.serve_forever, self.drain)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.server.shutdown()
        for thread in self.threads:
            thread.join(timeout=DEADLINE_S)
        self.server.server_close()

    def drain(self) -> None:
        owner_id = owners.new_owner()
        outbox = OutboxRelay(self.app.app_context, owner_id)
        try:
            while not self.stopping.is_set():
                with self.app.app_context():
                    owners.beat(owner_id, "outbox")
                    inbox.drain()
                    outbox.drain()
                self.stopping.wait(0.01)
        except Exception as e:
            self.failures.append(e)
        assert outbox.finish(DEADLINE_S)


class Phones:
    """The simulated Evolution with its phones."""

    def __init__(self) -> None:
        flask = create_simulator(SimulatorSettings(api_key=KEY, **TIMES))  # type: ignore[arg-type]
        self.simulator: Simulator = flask.extensions["simulator"]
        self.server, _thread = serve(flask, 0)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.simulator.stop()

    def act(self, name: str, what: str, **body: str) -> None:
        requests.post(f"{self.url}/simulator/instances/{name}/{what}", json=body, timeout=5).raise_for_status()

    def chat(self, name: str) -> list[dict[str, Any]]:
        chats = requests.get(f"{self.url}/simulator/instances/{name}/chats", timeout=5).json()
        return [message for chat in chats for message in chat["messages"]]


@pytest.fixture
def phones() -> Iterator[Phones]:
    phones = Phones()
    yield phones
    phones.stop()


@pytest.fixture
def portal(app: Flask, database: None, phones: Phones, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    portal = Portal(app)
    config = replace(parts.config, base_url=portal.url, evolution_api_url=phones.url, evolution_api_key=KEY)
    monkeypatch.setattr(parts, "config", config)
    servers.sync_default()
    portal.start()
    yield portal
    portal.stop()
    assert portal.failures == []


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


def connection() -> Connection:
    found: Connection = rows(Connection)[0]
    return found


def test_a_customer_is_answered_and_no_secret_is_told(
    portal: Portal, phones: Phones, scope: TenantScope, unit: Unit, logged: io.StringIO
) -> None:
    """Everything that `logged` and the rows may not hold is looked for at the end."""
    name = show_code(scope, unit)
    link_phone(phones, name)
    hear_customer(phones, name)
    answer_customer(phones, scope, name)
    portal.stop()

    instance = phones.simulator.instances.find(name)
    assert instance is not None
    secrets = {
        "token": instance.token,
        "webhook secret": parts.vault.decrypt(connection().webhook_secret_encrypted or ""),
        "api key": KEY,
        "jwt key": parts.vault.derived(webhook_jwt_purpose(name))[0],
    }
    told = logged.getvalue()
    kept = [str(vars(row)) for row in (*rows(WebhookEvent), *rows(AuditEvent))]
    assert "/webhooks/whatsapp/evolution/[MASKED]" in told
    assert len(kept) > 8
    assert [what for what, secret in secrets.items() if secret in told] == []
    assert [what for what, secret in secrets.items() if any(secret in row for row in kept)] == []
    assert [number for number in (SHOP, CUSTOMER) if number in told] == []
    assert [row for row in map(vars, rows(AuditEvent)) if SHOP in str(row) or CUSTOMER in str(row)] == []
    assert {event.state for event in rows(WebhookEvent)} == {"done"}


def show_code(scope: TenantScope, unit: Unit) -> str:
    """Connect: the webhook brings the code before Evolution has answered the call that made the instance."""
    with acting_for(scope):
        connections.request_connect(scope, unit.id)
        connections.create_scan_link(scope, unit.id)
    until(lambda: connection().qr_code, "a code")
    assert [server.version for server in rows(EvolutionServer)] == [None]
    assert (connection().status, connection().status_reason) == ("qr", "waiting_scan")
    return connection().instance_name or ""


def link_phone(phones: Phones, name: str) -> None:
    """Scan: the page says whose number it is, and the scan link has done its work."""
    phones.act(name, "scan", number=SHOP, profileName="Loja Centro")
    until(lambda: connection().status == "connected", "the connection")
    assert (connection().phone, connection().profile_name) == (SHOP, "Loja Centro")
    assert connection().qr_code is None
    assert [link.ended_by_connecting for link in rows(ScanLink)] == [True]
    until(lambda: rows(EvolutionServer)[0].version == "2.3.6", "the version, which is asked after the answer")
    assert connection().action is None


def hear_customer(phones: Phones, name: str) -> None:
    """The customer writes, addressed by an anonymous id; the number is found all the same."""
    requests.post(
        f"{phones.url}/simulator/instances/{name}/messages",
        json={"from": CUSTOMER, "text": "Têm pão quente?", "lid": True},
        timeout=5,
    ).raise_for_status()
    until(lambda: rows(Message), "the customer's message")
    heard = rows(Message)[0]
    assert (heard.body, heard.status) == ("Têm pão quente?", "received")
    assert rows(Contact)[0].phone == CUSTOMER
    assert rows(Contact)[0].lid is not None


def answer_customer(phones: Phones, scope: TenantScope, name: str) -> None:
    """The reply reaches the phone once, and climbs to `read`."""
    with acting_for(scope):
        conversations.reply(scope, conversation_of(scope), text="Saiu agora!")
    until(lambda: rows(Message)[1].status == "read", "the receipts")
    answered = rows(Message)[1]
    assert len(rows(Message)) == 2
    assert None not in (answered.sent_at, answered.accepted_at, answered.delivered_at, answered.read_at)
    assert [m["text"] for m in phones.chat(name) if m["fromMe"]] == ["Saiu agora!"]
    assert [m["id"] for m in phones.chat(name) if m["fromMe"]] == [answered.external_id]
    assert len(phones.simulator.store.sends) == 1


def conversation_of(scope: TenantScope) -> Any:
    with acting_for(scope):
        return db.session.scalars(scope.select(Message, Message.conversation_id)).first()
