"""Releases with what their checkpoints found, alerts, and counts, as rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    Alert,
    AlertNotice,
    Checkpoint,
    Evidence,
    EvidenceItem,
    Level,
    MetricMinute,
    MetricTotal,
    NoticeChannel,
    NoticeKind,
    Release,
    Verdict,
)
from portal.monitor.metrics import METRICS
from portal.tenancy import across_tenants

WHY = "a test makes what belongs to no tenant"
MINUTES = (10, 20, 30, 60)


def make_release(version: str = "v1.2.3", *, ago: timedelta = timedelta(minutes=15)) -> Release:
    """A release with its four checkpoints, none of them done."""
    at = now() - ago
    with across_tenants(WHY), atomic() as session:
        release = Release(version=version, registered_at=at, totals={})
        session.add(release)
        session.flush()
        for number, minutes in enumerate(MINUTES, start=1):
            session.add(Checkpoint(release_id=release.id, number=number, due_at=at + timedelta(minutes=minutes)))
    return release


def do_checkpoint(
    release: Release, number: int, verdict: Verdict, *, bad: Mapping[str, tuple[Level, str]] | None = None
) -> None:
    """A checkpoint at which all metrics were OK, but for those that are named."""
    readings = []
    for metric in METRICS:
        level, value = (bad or {}).get(metric, (Level.OK, "0"))
        readings.append({"metric": metric, "level": level, "value": value, "detail": f"{metric} in figures"})
    with across_tenants(WHY), atomic() as session:
        checkpoint = session.query(Checkpoint).filter_by(release_id=release.id, number=number).one()
        checkpoint.checked_at, checkpoint.verdict = checkpoint.due_at, verdict
        checkpoint.readings, checkpoint.totals = readings, {}
        session.get_one(Release, release.id).verdict = verdict


def show(item: EvidenceItem, *, is_ok: bool = True, detail: str = "", record: dict[str, object] | None = None) -> None:
    with across_tenants(WHY), atomic() as session:
        session.add(Evidence(item=item, is_ok=is_ok, detail=detail or f"{item} was tried", record=record))


def make_alert(
    metric: str = "http_5xx", *, level: Level = Level.CRITICAL, value: str = "17", **columns: object
) -> UUID:
    with across_tenants(WHY), atomic() as session:
        alert = Alert(metric=metric, level=level, value=value, **columns)
        session.add(alert)
        session.flush()
        return alert.id


def make_notice(alert_id: UUID, *, channel: NoticeChannel = NoticeChannel.WEBHOOK, **columns: object) -> None:
    named = {"kind": NoticeKind.OPENED, "level": Level.CRITICAL, "value": "17", **columns}
    with across_tenants(WHY), atomic() as session:
        session.add(AlertNotice(alert_id=alert_id, channel=channel, **named))


def count(name: str, number: int, *, at: datetime | None = None) -> None:
    """As the processes write down what they counted."""
    minute = (at or now()).replace(second=0, microsecond=0)
    with across_tenants(WHY), atomic() as session:
        session.merge(MetricMinute(minute=minute, name=name, count=number))
        total = session.get(MetricTotal, name) or MetricTotal(name=name, count=0)
        total.count += number
        session.add(total)


def find_alert(alert_id: UUID) -> Alert:
    with across_tenants(WHY):
        return db.session.get_one(Alert, alert_id)
