"""What the inbox counts: events that were applied or failed, customers' messages, and how long that takes."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.clock import now
from portal.counters import INBOUND_S
from portal.db import atomic, db
from portal.models import Direction, EventState, MessageStatus, Repair, RepairKind, Unit, WebhookEvent
from portal.monitor.percentiles import number_of
from portal.services import delivery, parked_events
from portal.services.audit import Actor
from portal.services.events import store
from portal.services.parked_events import Filter
from portal.tenancy import TenantScope, across_tenants
from tests.factories import make_conversation, make_message
from tests.inbox.conftest import NAME, Evolution
from tests.inbox.payloads import echo, message, receipt, webhook

Take = Callable[[], dict[str, int]]
BROKEN = {"key": None}


def told(counted: Take) -> dict[str, int]:
    """But for times."""
    return {name: n for name, n in counted().items() if not name.startswith(("db_", "inbound_s"))}


def change(**columns: object) -> None:
    with across_tenants("a test changes events"), atomic():
        db.session.execute(update(WebhookEvent).values(columns).execution_options(synchronize_session=False))


@pytest.mark.usefixtures("unit")
def test_applied_events_are_counted_with_their_messages_and_times(evolution: Evolution, counted: Take) -> None:
    evolution.tell(
        ("messages.upsert", message("3A01", "um")),
        ("messages.upsert", message("3A02", "dois")),
        ("messages.upsert", echo("3A03", "meu")),
    )

    found = counted()
    assert (found["events_applied"], found["inbound"], number_of(INBOUND_S, found)) == (3, 2, 3)
    assert "events_failed" not in found


@pytest.mark.usefixtures("unit")
def test_failing_event_is_counted_at_its_first_attempt_only(evolution: Evolution, counted: Take) -> None:
    evolution.tell(("messages.upsert", BROKEN), ("messages.upsert", message("3A01", "Bom dia")))
    first = told(counted)
    change(retry_at=now() - timedelta(hours=1))
    evolution.tell()

    # What was undone with the batch is not counted twice.
    assert first == {"events_applied": 1, "events_failed": 1, "inbound": 1}
    assert told(counted) == {}


@pytest.mark.usefixtures("unit")
def test_time_of_an_event_is_from_stored_to_applied(evolution: Evolution, counted: Take) -> None:
    evolution.post("messages.upsert", message("3A01", "Bom dia"))
    change(received_at=now() - timedelta(seconds=8))

    evolution.tell()

    assert counted()[INBOUND_S.bucket(10)] == 1


@pytest.mark.usefixtures("unit")
def test_event_that_failed_before_has_no_time(evolution: Evolution, counted: Take) -> None:
    evolution.post("messages.upsert", message("3A01", "Bom dia"))
    change(state=EventState.PARKED, error="KeyError", attempts=5, received_at=now() - timedelta(days=3))
    parked_events.replay(Filter(), by=Actor(None))

    evolution.tell()

    found = counted()
    assert (found["events_applied"], number_of(INBOUND_S, found)) == (1, 0)


def test_message_that_was_looked_up_has_no_time(
    scope: TenantScope, unit: Unit, evolution: Evolution, counted: Take
) -> None:
    payload = webhook("messages.upsert", message("3A01", "Bom dia"), instance=NAME)
    with across_tenants("a test fills a hole"), atomic():
        hole = scope.add(Repair(unit_id=unit.id, kind=RepairKind.HOLE))
        db.session.flush()
        store(scope.tenant_id, unit.id, NAME, "messages.upsert", payload, repair_id=hole.id)

    evolution.tell()

    found = counted()
    assert (found["events_applied"], found["inbound"], number_of(INBOUND_S, found)) == (1, 1, 0)


def test_message_that_whatsapp_refuses_after_it_was_sent_is_counted_once(
    scope: TenantScope, unit: Unit, evolution: Evolution, counted: Take
) -> None:
    conversation = make_conversation(scope, unit)
    sent = {"direction": Direction.OUTBOUND, "status": MessageStatus.SENT, "external_id": "3EB0AA"}
    make_message(scope, conversation, **sent)

    evolution.tell(("messages.update", receipt("3EB0AA", delivery.ERROR)), ("messages.upsert", BROKEN))
    evolution.replay()

    assert told(counted)["sends_refused"] == 1
