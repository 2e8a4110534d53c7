"""What rows show for a release by themselves, noted once each: workers that live, an event that came in, and so on."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select

from portal.clock import now
from portal.db import db, first_id_at
from portal.models import Alert, AlertNotice, Direction, EventState, EvidenceItem, Message, Relay, Release, WebhookEvent
from portal.monitor.smoke.calls import MARK
from portal.queries.health import OLDEST_HEARTBEAT
from portal.queries.releases import counts_since, evidence_for
from portal.queue import QUEUES
from portal.services.releases import record_evidence

# A busy portal stores thousands of events an hour, and one of the newest is enough.
NEWEST_EVENTS = 200
# How long the smoke test waits for a receipt at most.
SMOKE_TAKES = timedelta(minutes=30)


def record_shown(release: Release) -> None:
    """Note what is shown now and was not yet; in the transaction that locked the release."""
    shown = evidence_for(release)
    since = counts_since(release)
    for item, look in LOOKS.items():
        if item not in shown:
            detail = look(since[item])
            if detail is not None:
                record_evidence(item, is_ok=True, detail=detail)


def _workers(since: datetime) -> str | None:
    """Those before the release show nothing of it, and still end."""
    fresh = func.clock_timestamp() - OLDEST_HEARTBEAT
    living = select(Relay.queue, func.count().label("number")).where(
        Relay.started_at > since, Relay.heartbeat_at > fresh
    )
    counted = {row.queue: row.number for row in db.session.execute(living.group_by(Relay.queue))}
    if not set(QUEUES) <= counted.keys():
        return None
    return "alive: " + ", ".join(f"{counted[queue]} for {queue}" for queue in QUEUES)


def _webhook(since: datetime) -> str | None:
    """What was looked up came by no webhook."""
    newest = select(WebhookEvent.id).order_by(WebhookEvent.id.desc()).limit(NEWEST_EVENTS)
    applied = (
        select(WebhookEvent.event, WebhookEvent.received_at)
        .where(
            WebhookEvent.id.in_(newest),
            WebhookEvent.state == EventState.DONE,
            WebhookEvent.unit_id.is_not(None),
            WebhookEvent.repair_id.is_(None),
            WebhookEvent.received_at > since,
        )
        .order_by(WebhookEvent.id.desc())
        .limit(1)
    )
    row = db.session.execute(applied).one_or_none()
    if row is None:
        return None
    took_s = (now() - row.received_at).total_seconds()
    return f"{row.event} stored at {row.received_at:%H:%M:%S} UTC and applied within {took_s:.1f} s"


def _smoke(since: datetime) -> str | None:
    """By the ids, which begin with the time: there is no index of the smoke test's own."""
    oldest = first_id_at(max(since, now() - SMOKE_TAKES))
    arrived_at = func.coalesce(Message.delivered_at, Message.read_at)
    arrived = (
        select(Message.sent_at, arrived_at.label("arrived_at"))
        .where(
            Message.id >= oldest,
            Message.direction == Direction.OUTBOUND,
            Message.client_message_id.startswith(MARK, autoescape=True),
            Message.is_test.is_(False),
            Message.sent_at > since,
            arrived_at.is_not(None),
        )
        .order_by(Message.id.desc())
        .limit(1)
    )
    row = db.session.execute(arrived).one_or_none()
    if row is None:
        return None
    took_s = (row.arrived_at - row.sent_at).total_seconds()
    return f"smoke message sent at {row.sent_at:%H:%M:%S} UTC, its receipt {took_s:.1f} s later"


def _alert(since: datetime) -> str | None:
    """Told over a channel; where none is set, whoever acknowledged it saw it on the page."""
    notices = select(AlertNotice).where(AlertNotice.alert_id == Alert.id)
    is_told = notices.where(AlertNotice.told_at.is_not(None)).exists()
    seen = (
        select(Alert)
        .where(Alert.acknowledged_at > since, or_(is_told, ~notices.exists()))
        .order_by(Alert.acknowledged_at.desc())
        .limit(1)
    )
    alert = db.session.scalar(seen)
    return f"alert {alert.metric}, {_how(alert.id)}, acknowledged" if alert else None


def _how(alert_id: UUID) -> str:
    told = select(AlertNotice.channel).where(AlertNotice.alert_id == alert_id, AlertNotice.told_at.is_not(None))
    channels = sorted(db.session.scalars(told.distinct()))
    return f"told by {' and '.join(channels)}" if channels else "shown on the page"


LOOKS: Mapping[EvidenceItem, Callable[[datetime], str | None]] = {
    EvidenceItem.WORKER: _workers,
    EvidenceItem.WEBHOOK: _webhook,
    EvidenceItem.SMOKE: _smoke,
    EvidenceItem.ALERT: _alert,
}
