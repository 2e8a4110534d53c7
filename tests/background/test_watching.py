"""What the portal noted of itself is deleted after its time, and nothing else of it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.background import watching
from portal.background.retention import Retention
from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    Alert,
    AlertNotice,
    ConnectionLoss,
    Level,
    MetricMinute,
    MetricTotal,
    NoticeChannel,
    NoticeKind,
    Release,
)
from portal.tenancy import across_tenants
from tests.factories import make_tenant, make_unit

A_DAY = timedelta(days=1)


def put(*rows: Any) -> None:
    with across_tenants("a test makes rows"), atomic():
        db.session.add_all(rows)


def count(model: Any) -> int:
    with across_tenants("a test counts rows"):
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def work() -> None:
    retention = Retention()
    while retention.work():
        pass


@pytest.mark.parametrize(("days", "kept"), [(watching.MINUTES_DAYS, 1)])
def test_old_minutes_go_and_totals_stay(days: int, kept: int) -> None:
    for age in (timedelta(days=days) - A_DAY, timedelta(days=days) + A_DAY):
        put(MetricMinute(minute=now() - age, name="sends_ok", count=1))
    put(MetricTotal(name="sends_ok", count=2))

    work()

    assert (count(MetricMinute), count(MetricTotal)) == (kept, 1)


def test_more_than_a_batch_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BATCH", 2)
    put(*(MetricMinute(minute=now() - timedelta(days=20 + day), name="sends_ok", count=1) for day in range(5)))

    work()

    assert count(MetricMinute) == 0


def test_old_losses_of_connections_go() -> None:
    scope = make_tenant()
    unit = make_unit(scope)
    for days in (watching.LOSSES_DAYS - 1, watching.LOSSES_DAYS + 1):
        at = now() - timedelta(days=days)
        put(ConnectionLoss(tenant_id=scope.tenant_id, unit_id=unit.id, created_at=at))

    work()

    assert count(ConnectionLoss) == 1


def test_alerts_that_are_long_over_go_with_their_notices_and_open_ones_stay() -> None:
    long_ago = now() - timedelta(days=watching.ALERTS_DAYS + 1)
    put(*(alert(recovered_at) for recovered_at in (long_ago, now(), None)))

    work()

    with across_tenants("a test looks at the rows"):
        left = set(db.session.scalars(select(Alert.recovered_at)))
    assert (len(left), long_ago in left, count(AlertNotice)) == (2, False, 2)


def test_releases_stay_for_good() -> None:
    put(Release(version="v1", totals={}, registered_at=now() - timedelta(days=4_000)))

    work()

    assert count(Release) == 1


def alert(recovered_at: datetime | None) -> Alert:
    """With a notice."""
    opened_at = now() - timedelta(days=watching.ALERTS_DAYS + 2)
    row = Alert(metric="http_5xx", level=Level.CRITICAL, value="16", opened_at=opened_at, recovered_at=recovered_at)
    put(row)
    told = {"kind": NoticeKind.OPENED, "channel": NoticeChannel.MAIL, "level": Level.CRITICAL, "value": "16"}
    put(AlertNotice(alert_id=row.id, **told))
    return row
