"""An instance that was linked before the portal came, whose row an older database brought: nobody scans again."""

import pytest

from portal.clock import now
from portal.models import ConnectionStatus, Lane, StatusReason
from portal.outbox.servers import default_server_id
from portal.tenancy import across_tenants
from tests.outbox.conftest import rows_of
from tests.outbox.desk import Desk, Evolution
from tests.outbox.rounds import change, check, instance_of, linked, repairs

pytestmark = pytest.mark.commits


def moved(desk: Desk, evolution: Evolution) -> str:
    """The name of a linked instance of which the row says no more than the script for older databases makes of it."""
    name = linked(desk, evolution).name
    instance_of(evolution, name).webhook = None
    desk.move(ConnectionStatus.DISCONNECTED, StatusReason.CONNECTION_LOST)
    change(
        desk,
        evolution_server_id=None,
        webhook_secret_hash=None,
        webhook_secret_encrypted=None,
        webhook_checked_at=None,
        phone=None,
        check_at=now(),
    )
    return name


def test_linked_instance_is_connected_and_its_webhook_set(desk: Desk, evolution: Evolution) -> None:
    name = moved(desk, evolution)

    check(desk)

    with across_tenants("a test looks"):
        server_id = default_server_id()
    connection, (lane,) = desk.connection, rows_of(Lane)
    assert desk.state == ("connected", "scan_completed")
    assert (connection.instance_name, connection.phone) == (name, "5511999990001")
    assert connection.evolution_server_id == lane.evolution_server_id == server_id
    assert lane.is_open
    webhook = instance_of(evolution, name).webhook
    assert webhook is not None
    assert "/webhooks/whatsapp/evolution/" in webhook.url
    assert ("webhook", "missing", None) in repairs()


def test_secret_is_made_once(desk: Desk, evolution: Evolution) -> None:
    moved(desk, evolution)
    check(desk)
    first = desk.connection.webhook_secret_hash

    check(desk, whole=True)

    assert first is not None
    assert desk.connection.webhook_secret_hash == first
