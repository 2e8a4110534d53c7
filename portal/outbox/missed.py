"""Which of Evolution's stored messages are news to us: those that we lack, and those of which we know less."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from portal.db import db
from portal.models import EventState, Message, MessageStatus, WebhookEvent
from portal.services import delivery, events
from portal.tenancy import TenantScope

# Our own send that is still in doubt may be what was stored about then: the inbox tells, and nothing was missed.
ECHO_WINDOW = timedelta(minutes=3)
BODIES_AT_ONCE = 50


@dataclass(frozen=True)
class Difference:
    """By WhatsApp's ids: `news` is for the inbox; what was `missed` of it should have come by itself."""

    news: frozenset[str]
    missed: frozenset[str]


def compare(scope: TenantScope, unit_id: UUID, stored: Mapping[str, dict[str, Any]]) -> Difference:
    """Compare stored messages, as events by WhatsApp's ids, with what the unit has."""
    known = _statuses(scope, unit_id, stored)
    behind = {id_ for id_, status in known.items() if _is_ahead(stored[id_]["data"], status)}
    lacking = stored.keys() - known.keys()
    lacking -= _on_their_way(scope, unit_id, lacking)
    lacking -= _handed_over(scope, {id_: stored[id_] for id_ in lacking})
    missed = lacking - _perhaps_echoes(scope, unit_id, [stored[id_]["data"] for id_ in lacking])
    return Difference(frozenset(lacking | behind), frozenset(missed))


def told_at(record: Mapping[str, Any]) -> datetime:
    """When WhatsApp says that it was written, in whole seconds."""
    return datetime.fromtimestamp(int(record.get("messageTimestamp") or 0), tz=UTC)


def _statuses(scope: TenantScope, unit_id: UUID, ids: Collection[str]) -> dict[str, MessageStatus]:
    statement = scope.select(Message, Message.external_id, Message.status).where(
        Message.unit_id == unit_id, Message.external_id.in_(ids)
    )
    return {row.external_id: MessageStatus(row.status) for row in db.session.execute(statement)}


def _is_ahead(record: Mapping[str, Any], status: MessageStatus) -> bool:
    """Whether Evolution knows of a higher rung than our row stands on."""
    rung = delivery.RUNGS.get(record["status"])
    is_own = record["key"].get("fromMe") is True
    return is_own and rung is not None and delivery.RANK[rung] > delivery.RANK[status]


def _on_their_way(scope: TenantScope, unit_id: UUID, ids: Collection[str]) -> set[str]:
    """Those that were delivered and that the inbox has not come to yet."""
    if not ids:
        return set()
    waiting = scope.select(WebhookEvent, WebhookEvent.body).where(
        WebhookEvent.unit_id == unit_id, WebhookEvent.state == EventState.NEW
    )
    bodies = db.session.scalars(waiting.execution_options(yield_per=BODIES_AT_ONCE))
    return {id_ for body in bodies for id_ in ids if id_ in body}


def _handed_over(scope: TenantScope, stored: Mapping[str, dict[str, Any]]) -> set[str]:
    """Those that an earlier comparison gave to the inbox, which made no message of them or is still at it."""
    hashes = {events.fingerprint(payload): id_ for id_, payload in stored.items()}
    statement = scope.select(WebhookEvent, WebhookEvent.body_hash).where(WebhookEvent.body_hash.in_(hashes))
    return {hashes[bytes(found)] for found in db.session.scalars(statement)} if hashes else set()


def _perhaps_echoes(scope: TenantScope, unit_id: UUID, records: Collection[Mapping[str, Any]]) -> set[str]:
    own = {record["key"]["id"]: told_at(record) for record in records if record["key"].get("fromMe") is True}
    if not own:
        return set()
    since, until = min(own.values()) - ECHO_WINDOW, max(own.values()) + ECHO_WINDOW
    in_doubt = scope.select(Message, Message.sending_at).where(
        Message.unit_id == unit_id,
        Message.external_id.is_(None),
        Message.sending_at.between(since, until),
        ~Message.is_test,
    )
    sent = list(db.session.scalars(in_doubt))
    return {id_ for id_, at in own.items() if any(abs(at - began_at) <= ECHO_WINDOW for began_at in sent)}
