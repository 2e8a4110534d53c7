"""A person's wishes for one unit, the worker that carries them out, and a simulated Evolution with short waits."""

import time
from collections.abc import Callable
from typing import Any

import requests

from local.evolution import Simulator, SimulatorSettings, create_simulator, serve
from portal.db import atomic, db
from portal.models import Connection, ConnectionAction, ConnectionStatus, StatusReason, Unit
from portal.outbox import instances, owners
from portal.services import connections
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, acting_for
from tests.factories import connection_of

KEY = "a-key-for-tests-only"
OWNER = owners.new_owner()
DEADLINE_S = 10.0
SHORT = {
    "create_wait_s": 0.3,
    "connect_wait_s": 0.2,
    "first_qr_s": 0.02,
    "pairing_s": 0.02,
    "removal_s": 0.02,
    "retry_attempts": 1,
}


class Evolution:
    """The simulated server, and what a person with a phone does there."""

    def __init__(self, **changes: Any) -> None:
        self.flask = create_simulator(SimulatorSettings(**{"api_key": KEY, **SHORT, **changes}))
        self.simulator: Simulator = self.flask.extensions["simulator"]
        self.server, _thread = serve(self.flask, 0)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.simulator.stop()

    def names(self) -> set[str]:
        return {instance.name for instance in self.simulator.instances.list_all()}

    def tool(self, name: str) -> dict[str, Any]:
        shown = requests.get(f"{self.url}/simulator/instances", timeout=5).json()
        return next(one for one in shown if one["name"] == name)

    def act(self, name: str, what: str, **body: str) -> None:
        requests.post(f"{self.url}/simulator/instances/{name}/{what}", json=body, timeout=5).raise_for_status()

    def scan(self, name: str) -> None:
        self.act(name, "scan", number="5511999990001")
        until(lambda: self.tool(name)["state"] == "open")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Desk:
    """Wishes for one unit, and the worker that carries them out."""

    def __init__(self, scope: TenantScope, unit: Unit) -> None:
        self.scope, self.unit_id = scope, unit.id

    def ask(self, wish: Callable[..., object], **options: object) -> None:
        with acting_for(self.scope):
            wish(self.scope, self.unit_id, **options)

    def work(self) -> Connection:
        for wish in instances.claim_actions(OWNER, limit=5):
            instances.carry_out(wish)
        return self.connection

    def move(self, status: ConnectionStatus, reason: StatusReason) -> None:
        """What the webhook would have said."""
        with acting_for(self.scope), atomic():
            set_status(lock_connection(self.scope, self.unit_id), status, reason)

    def hurry(self) -> None:
        """Let the time of what was put off be now."""
        with acting_for(self.scope), atomic():
            this = self.scope.update(Connection).where(Connection.unit_id == self.unit_id)
            db.session.execute(this.values(action_requested_at=Connection.created_at))

    @property
    def connection(self) -> Connection:
        return connection_of(self.scope, self.unit_id)

    @property
    def state(self) -> tuple[str, str | None]:
        return self.connection.status, self.connection.status_reason

    @property
    def name(self) -> str:
        return self.connection.instance_name or ""


def link(desk: Desk, evolution: Evolution) -> str:
    """Connect and scan; gives the instance's name."""
    desk.ask(connections.request_connect)
    desk.work()
    evolution.scan(desk.name)
    desk.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)
    return desk.name


def check(desk: Desk) -> Connection:
    with acting_for(desk.scope), atomic():
        connection = lock_connection(desk.scope, desk.unit_id)
        connection.action, connection.action_attempts = ConnectionAction.CHECK, 0
        connection.action_requested_at = connection.created_at
    return desk.work()
