"""Deleting what the portal noted of itself, a while after anybody asks for it: a part of retention."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_

from portal.clock import now
from portal.db import atomic, db
from portal.models import Alert, AlertNotice, ConnectionLoss, MetricMinute
from portal.services.deleting import BATCH
from portal.tenancy import across_tenants

MINUTES_DAYS = 14
LOSSES_DAYS = 30
ALERTS_DAYS = 365


def list_tasks() -> Iterator[Callable[[], bool]]:
    """What each deletes one batch, and says whether there may be more. Totals, releases and evidence stay for good."""
    is_over = Alert.recovered_at < now() - timedelta(days=ALERTS_DAYS)
    yield partial(_delete, MetricMinute, MetricMinute.minute < now() - timedelta(days=MINUTES_DAYS))
    yield partial(_delete, ConnectionLoss, ConnectionLoss.created_at < now() - timedelta(days=LOSSES_DAYS))
    # Before the alerts that they are about.
    yield partial(_delete, AlertNotice, AlertNotice.alert_id.in_(select(Alert.id).where(is_over)))
    yield partial(_delete, Alert, is_over & ~select(AlertNotice).where(AlertNotice.alert_id == Alert.id).exists())


def _delete(model: Any, is_old: ColumnElement[bool]) -> bool:
    key = tuple(model.__table__.primary_key)
    some = select(*key).where(is_old).limit(BATCH)
    with across_tenants("what the portal noted of itself is of all tenants together"), atomic():
        old = delete(model).where(tuple_(*key).in_(some)).returning(*key)
        return len(db.session.execute(old.execution_options(synchronize_session=False)).all()) >= BATCH
