"""Alerts: opened once, told again when worse, over after good looks in a row, acknowledged by a person."""

from collections.abc import Mapping

import pytest
from sqlalchemy import select

from portal.db import atomic, db
from portal.errors import Conflict, NotFound
from portal.models import Alert, AlertNotice, AuditEvent, Level
from portal.monitor import alerts
from portal.permissions import Role
from portal.queries.alerts import count_open, list_alerts, open_alerts
from portal.services.alerts import acknowledge, raise_test
from portal.services.audit import Actor
from portal.tenancy import across_tenants
from tests.factories import make_user
from tests.monitor.watching import make_look, use_settings

WARNING, CRITICAL = Level.WARNING, Level.CRITICAL
NOBODY = Actor(None)


@pytest.fixture(autouse=True)
def _database(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here has rows, and two channels."""
    use_settings(monkeypatch, alert_webhook_url="http://hooks.test/a", alert_mail_to="watch@portal.test")


def look(levels: Mapping[str, Level] | None = None, *, value: str = "7") -> None:
    with across_tenants("a test looks"), atomic():
        alerts.note(make_look(levels, value=value))


def notices() -> list[tuple[str, str, str]]:
    """Metric, kind and level of what is told by webhook, in the order in which it happened."""
    told = (
        select(Alert.metric, AlertNotice.kind, AlertNotice.level)
        .join(Alert, Alert.id == AlertNotice.alert_id)
        .where(AlertNotice.channel == "webhook")
        .order_by(AlertNotice.id)
    )
    with across_tenants("a test looks"):
        return [(metric, str(kind), str(level)) for metric, kind, level in db.session.execute(told)]


def test_portal_that_is_well_opens_nothing() -> None:
    look()

    assert (list_alerts(10), notices()) == ([], [])


def test_metric_that_is_not_well_opens_one_alert_and_is_told_once() -> None:
    for value in ("6", "8", "9"):
        look({"http_5xx": WARNING}, value=value)

    (row,) = open_alerts()
    assert (row.alert.metric, row.alert.level, row.alert.value) == ("http_5xx", "warning", "9")
    assert notices() == [("http_5xx", "opened", "warning")]
    assert [(notice.channel, notice.value) for notice in row.notices] == [("webhook", "6"), ("mail", "6")]


def test_worse_is_told_again_and_better_is_not() -> None:
    for level in (WARNING, CRITICAL, CRITICAL, WARNING, CRITICAL):
        look({"http_5xx": level})

    assert notices() == [("http_5xx", "opened", "warning"), ("http_5xx", "worsened", "critical")]
    assert open_alerts()[0].alert.level == "critical"


def look_well(times: int = alerts.GOOD_LOOKS) -> None:
    for _time in range(times):
        look()


def test_alert_is_over_after_five_good_looks_in_a_row() -> None:
    for _time in range(2):
        look({"retries": WARNING})
        look_well(4)
    still_open = count_open()
    look_well(1)

    assert (still_open, count_open()) == (1, 0)
    assert notices() == [("retries", "opened", "warning"), ("retries", "recovered", "ok")]
    assert list_alerts(10)[0].alert.level == "warning"


def test_metric_that_is_bad_now_and_then_is_one_alert() -> None:
    for _third_look in range(20):
        look({"retries": WARNING})
        look_well(2)

    assert notices() == [("retries", "opened", "warning")]


def test_metric_that_goes_wrong_again_opens_another_alert() -> None:
    look({"retries": WARNING})
    look_well()
    look({"retries": CRITICAL})

    assert [(row.alert.level, row.alert.recovered_at is None) for row in list_alerts(10)] == [
        ("critical", True),
        ("warning", False),
    ]
    assert [kind for _, kind, _ in notices()] == ["opened", "recovered", "opened"]


def test_each_metric_has_its_own_alert() -> None:
    look({"retries": WARNING, "http_429": CRITICAL})

    assert {row.alert.metric for row in open_alerts()} == {"retries", "http_429"}


def test_three_warnings_together_have_an_alert_of_their_own() -> None:
    look({"retries": WARNING, "http_429": WARNING})
    of_two = {row.alert.metric for row in open_alerts()}
    look({"retries": WARNING, "http_429": WARNING, "database": WARNING})

    assert "overall" not in of_two
    assert ("overall", "opened", "critical") in notices()


def test_verdict_that_one_critical_metric_makes_is_not_told_twice() -> None:
    look({"retries": CRITICAL})

    assert notices() == [("retries", "opened", "critical")]


def test_verdict_that_goes_on_for_another_reason_is_not_over() -> None:
    three = {"retries": WARNING, "http_429": WARNING, "database": WARNING}
    for levels in (three, *[{"retries": CRITICAL}] * alerts.GOOD_LOOKS):
        look(levels)

    assert "overall" in {row.alert.metric for row in open_alerts()}


def test_alert_of_a_metric_that_is_no_more_ends() -> None:
    with across_tenants("a test looks"), atomic():
        db.session.add(Alert(metric="of_a_version_before", level=WARNING, value="9"))

    look_well()

    assert [row.alert.recovered_at is None for row in list_alerts(10)] == [False]


def test_without_channels_an_alert_is_only_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, alert_webhook_url="", alert_mail_to="")

    look({"http_5xx": CRITICAL})

    assert [row.notices for row in open_alerts()] == [()]


def test_first_who_acknowledges_is_kept_and_stands_in_the_log() -> None:
    look({"http_5xx": CRITICAL})
    alert_id = open_alerts()[0].alert.id
    operator = make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)

    acknowledge(alert_id, Actor(operator.id, "203.0.113.7"))
    acknowledge(alert_id, NOBODY)

    (row,) = open_alerts()
    assert (row.acknowledged_by, row.alert.recovered_at) == ("op@portal.test", None)
    with across_tenants("a test looks"):
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "alert.acknowledged")).one()
    assert (event.tenant_id, event.user_id, event.subject_id, event.after) == (
        None,
        operator.id,
        alert_id,
        {"metric": "http_5xx"},
    )


def test_unknown_alert_is_not_found() -> None:
    alert = raise_test(NOBODY)

    with pytest.raises(NotFound):
        acknowledge(type(alert.id)(int=1), NOBODY)


def test_test_alert_goes_the_same_road_and_ends_when_acknowledged() -> None:
    alert = raise_test(NOBODY)
    look_well()
    still_open = count_open()
    acknowledge(alert.id, NOBODY)

    assert (still_open, count_open()) == (1, 0)
    assert notices() == [("test", "opened", "warning"), ("test", "recovered", "ok")]


def test_second_test_alert_waits_for_the_first() -> None:
    raise_test(NOBODY)

    with pytest.raises(Conflict):
        raise_test(NOBODY)

    assert count_open() == 1


def test_open_alerts_come_first_then_the_newest() -> None:
    look({"retries": WARNING})
    look_well()
    look({"http_429": WARNING})
    look({"http_429": WARNING, "database": WARNING})

    assert [row.alert.metric for row in list_alerts(10)] == ["database", "http_429", "retries"]
    assert len(list_alerts(2)) == 2
