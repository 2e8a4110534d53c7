"""What a release that goes live leaves behind: counts, checkpoints with their verdicts, evidence, and alerts."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class Level(StrEnum):
    """How good a measured value is, by the thresholds of its metric."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


class Verdict(StrEnum):
    """What the metrics of a checkpoint say together."""

    GO = "GO"
    MONITOR = "MONITOR"
    NO_GO = "NO-GO"


class EvidenceItem(StrEnum):
    """What has to be shown before and after a release, once each."""

    GATE = "gate"
    MIGRATION = "migration"
    RESTORE = "restore"
    WORKER = "worker"
    WEBHOOK = "webhook"
    SMOKE = "smoke"
    ALERT = "alert"


class NoticeKind(StrEnum):
    OPENED = "opened"
    WORSENED = "worsened"
    RECOVERED = "recovered"


class NoticeChannel(StrEnum):
    WEBHOOK = "webhook"
    MAIL = "mail"


class MetricMinute(Base):
    """How often something happened in one minute, in all processes together."""

    __tablename__ = "metric_minutes"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class MetricTotal(Base):
    """How often something happened ever: what lies between two moments is the difference of what was read at them."""

    __tablename__ = "metric_totals"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class ConnectionLoss(Base):
    """A unit lost its connection to WhatsApp, and nobody had asked for that."""

    __tablename__ = "connection_losses"
    __table_args__ = (same_tenant("unit_id", "units"), Index("ix_connection_losses_created_at", "created_at"))

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    reason: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[CreatedAt]


class Release(Base):
    """One version of the portal that went live, as its `release` process registered it."""

    __tablename__ = "releases"
    __table_args__ = (one_of("verdict", Verdict), Index("ix_releases_registered_at", "registered_at"))

    id: Mapped[Id]
    version: Mapped[str] = mapped_column(String(80))
    registered_at: Mapped[CreatedAt]
    # The totals of all counters then, by name: the first checkpoint counts from there.
    totals: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Of its newest checkpoint.
    verdict: Mapped[Verdict | None] = mapped_column(enum_text())


class Checkpoint(Base):
    """A look at all metrics at a set time after a release; they count since the look before."""

    __tablename__ = "release_checkpoints"
    __table_args__ = (
        UniqueConstraint("release_id", "number"),
        one_of("verdict", Verdict),
        Index("ix_release_checkpoints_due", "due_at", postgresql_where=text("checked_at IS NULL")),
    )

    id: Mapped[Id]
    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"))
    # 1 for the first.
    number: Mapped[int] = mapped_column(SmallInteger)
    due_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    verdict: Mapped[Verdict | None] = mapped_column(enum_text())
    # A list of {metric, level, value, detail}, and the totals of all counters, as they were read at `checked_at`.
    readings: Mapped[list[Any] | None] = mapped_column(JSONB)
    totals: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Evidence(Base):
    """That something a release needs was tried, what came of it, and when. Never changed."""

    __tablename__ = "golive_evidence"
    __table_args__ = (one_of("item", EvidenceItem), Index("ix_golive_evidence_created_at", "created_at"))

    id: Mapped[Id]
    item: Mapped[EvidenceItem] = mapped_column(enum_text())
    is_ok: Mapped[bool]
    # One line for people, in English: figures and names of checks, no secrets and no numbers of people.
    detail: Mapped[str] = mapped_column(Text)
    # What a program said, say each check of the gate.
    record: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]


class Alert(Base):
    """A metric that is not well, from when that was seen until it was well again; one at a time for each metric."""

    __tablename__ = "alerts"
    __table_args__ = (
        one_of("level", Level),
        Index("uq_alerts_metric_open", "metric", unique=True, postgresql_where=text("recovered_at IS NULL")),
        Index("ix_alerts_opened_at", "opened_at"),
    )

    id: Mapped[Id]
    # A key of portal/monitor/thresholds.toml, or `test` for one that an operator asked for.
    metric: Mapped[str] = mapped_column(String(40))
    level: Mapped[Level] = mapped_column(enum_text())
    # What was read last, with its unit, for people.
    value: Mapped[str] = mapped_column(String(200))
    opened_at: Mapped[CreatedAt]
    # How often in a row the metric was well since: one good look may be luck.
    good_looks: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    recovered_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))


class AlertNotice(Base):
    """One thing to tell about an alert over one channel; it waits as a row until it is told."""

    __tablename__ = "alert_notices"
    __table_args__ = (
        one_of("kind", NoticeKind),
        one_of("channel", NoticeChannel),
        one_of("level", Level),
        UniqueConstraint("alert_id", "kind", "channel", "level"),
        Index("ix_alert_notices_due", "due_at", postgresql_where=text("told_at IS NULL AND attempts < 8")),
    )

    id: Mapped[Id]
    alert_id: Mapped[UUID] = mapped_column(ForeignKey("alerts.id"))
    kind: Mapped[NoticeKind] = mapped_column(enum_text())
    channel: Mapped[NoticeChannel] = mapped_column(enum_text())
    # The alert's level and value when there was something to tell.
    level: Mapped[Level] = mapped_column(enum_text())
    value: Mapped[str] = mapped_column(String(200))
    due_at: Mapped[CreatedAt]
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    told_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[CreatedAt]
