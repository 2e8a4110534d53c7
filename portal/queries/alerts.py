"""Alerts as operators see them: what is open, who acknowledged it, and over which channels it was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from portal.db import among, db
from portal.models import Alert, AlertNotice, User
from portal.tenancy import across_tenants

WHY = "alerts are about the whole portal"
MOST_ATTEMPTS = 8
# What an operator asked for, to see whether alerts arrive.
TEST = "test"


class NoticeState(StrEnum):
    """What became of one notice."""

    WAITING = "waiting"
    TOLD = "told"
    # After all attempts nobody could be told.
    NOT_TOLD = "not_told"


@dataclass(frozen=True)
class AlertRow:
    """An alert, who acknowledged it, and its notices, the oldest first."""

    alert: Alert
    acknowledged_by: str | None
    notices: tuple[AlertNotice, ...]


def state_of(notice: AlertNotice) -> NoticeState:
    if notice.told_at is not None:
        return NoticeState.TOLD
    return NoticeState.NOT_TOLD if notice.attempts >= MOST_ATTEMPTS else NoticeState.WAITING


def list_alerts(limit: int) -> list[AlertRow]:
    """Open ones first, then by when they were opened, the newest first."""
    return _rows(_alerts().order_by(Alert.recovered_at.is_(None).desc(), Alert.opened_at.desc()).limit(limit))


def open_alerts() -> list[AlertRow]:
    """The newest first."""
    return _rows(_alerts().where(Alert.recovered_at.is_(None)).order_by(Alert.opened_at.desc()))


def count_open() -> int:
    with across_tenants(WHY):
        return db.session.scalar(select(func.count()).where(Alert.recovered_at.is_(None)).select_from(Alert)) or 0


def _alerts() -> Select[*tuple[Any, ...]]:
    named = select(Alert, User.email).outerjoin(User, User.id == Alert.acknowledged_by_id)
    return named.execution_options(populate_existing=True)


def _rows(statement: Select[*tuple[Any, ...]]) -> list[AlertRow]:
    with across_tenants(WHY):
        found = db.session.execute(statement).all()
        notices = _notices([alert.id for alert, _ in found])
    return [AlertRow(alert, email, tuple(notices.get(alert.id, ()))) for alert, email in found]


def _notices(alert_ids: Sequence[UUID]) -> dict[UUID, list[AlertNotice]]:
    theirs = select(AlertNotice).where(among(AlertNotice.alert_id, alert_ids)).order_by(AlertNotice.id)
    by_alert: dict[UUID, list[AlertNotice]] = {}
    for notice in db.session.scalars(theirs.execution_options(populate_existing=True)):
        by_alert.setdefault(notice.alert_id, []).append(notice)
    return by_alert
