"""Sends in doubt are looked for among the messages that Evolution stored; what is found goes in by the one door.

A stored message becomes a webhook event like any other, and the inbox settles the doubt with it as with an echo.
That none is found proves nothing, since Evolution may have failed to store it: then a person decides.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from portal import phone, queue
from portal.db import atomic, db, on_commit
from portal.evolution.errors import EvolutionError
from portal.outbox import servers, statements
from portal.services import events
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

# The echo usually comes first; Evolution may hold a send for 90 s, and stores it after that.
FIRST_LOOK_UP = timedelta(seconds=15)
# Seconds from each look to the next; after the last none is due.
LATER_LOOK_UPS_S = [60, 300, 1_800, 7_200]
MOST_TOGETHER = 200
UNITS_PER_SERVER = 4
# Evolution dates a message by WhatsApp's clock, in whole seconds.
BEFORE, AFTER = timedelta(minutes=1), timedelta(minutes=3)
# As `delivery.RANK` has them: a failure stands above what WhatsApp took, and below what arrived.
RECEIPTS = ("SERVER_ACK", "ERROR", "DELIVERY_ACK", "READ", "PLAYED")


@dataclass(frozen=True)
class LookUp:
    """One unit's doubts, sent between the first and the last of them."""

    tenant_id: UUID
    unit_id: UUID
    server_id: UUID
    instance_name: str
    # The unit's own number: it stands beside the customer's in what Evolution stored.
    phone: str | None
    first_at: datetime
    last_at: datetime


def claim(*, busy_servers: Collection[UUID] = ()) -> list[LookUp]:
    """The doubts whose next look is due, by unit; each is put off to the look after it."""
    values = {
        "busy": list(busy_servers),
        "most": MOST_TOGETHER,
        "units_each": UNITS_PER_SERVER,
        "later": LATER_LOOK_UPS_S,
    }
    with across_tenants("doubts of every tenant are looked up"), atomic():
        return [LookUp(**dict(row)) for row in db.session.execute(statements.CLAIM_DOUBTS, values).mappings()]


def carry_out(look_up: LookUp) -> None:
    """Ask Evolution what it stored of ours in that time and hand it to the inbox."""
    since, until = look_up.first_at - BEFORE, look_up.last_at + AFTER
    try:
        records = servers.client_for(look_up.server_id).find_sent(look_up.instance_name, since=since, until=until)
    except EvolutionError as e:
        log.info("stored messages not read", unit_id=str(look_up.unit_id), code=e.code)
        return
    with across_tenants("the look-up names the tenant"), atomic():
        for record in reversed(records):
            payload = event_of(record, instance_name=look_up.instance_name, own_phone=look_up.phone)
            events.store(look_up.tenant_id, look_up.unit_id, look_up.instance_name, payload["event"], payload)
        on_commit(queue.wake_inbox)
    log.info("sends in doubt looked up", unit_id=str(look_up.unit_id), found=len(records))


def event_of(record: dict[str, Any], *, instance_name: str, own_phone: str | None) -> dict[str, Any]:
    """A stored message as the webhook would have told it, with the highest receipt that Evolution stored."""
    return {
        "event": "messages.upsert",
        "instance": instance_name,
        "data": {**record, "status": highest_receipt(record) or "PENDING"},
        "sender": own_phone and own_phone + phone.PERSON_SUFFIX,
    }


def highest_receipt(record: dict[str, Any]) -> str | None:
    """How far a stored message is known to have come."""
    told = {update.get("status") for update in record.get("MessageUpdate") or [] if isinstance(update, dict)}
    return next((receipt for receipt in reversed(RECEIPTS) if receipt in told), None)
