"""A unit's pace: what people type becomes a pace, or a sentence beside the field."""

from datetime import date, datetime, time, timedelta

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import AuditEvent, Lane, MessageSource, MessageStatus, Unit
from portal.pacing import Pace
from portal.queries.pacing import DayUse, count_today, pace_of
from portal.services import paces
from portal.services.paces import OWN, TypedPace
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_tenant

FREE = Pace()
OFFICE = {"window_from": "09:00", "window_to": "18:00"}


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


def set_pace(scope: TenantScope, unit: Unit, **typed: object) -> Pace:
    """The unit's pace after somebody typed this."""
    with acting_for(scope):
        paces.set_pace(scope, unit.id, TypedPace(**{"preset": "normal", **typed}))  # type: ignore[arg-type]
    return pace_now(scope, unit)


def pace_now(scope: TenantScope, unit: Unit) -> Pace:
    with acting_for(scope):
        return pace_of(scope.get(Unit, unit.id))


def set_lane(scope: TenantScope, unit: Unit, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Lane).where(Lane.unit_id == unit.id).values(columns))


def lane_of(scope: TenantScope, unit: Unit) -> Lane:
    with acting_for(scope):
        found = scope.select(Lane).where(Lane.unit_id == unit.id).execution_options(populate_existing=True)
        lane: Lane = db.session.scalars(found).one()
        return lane


def log_of(scope: TenantScope) -> list[AuditEvent]:
    with acting_for(scope):
        changes = scope.select(AuditEvent).where(AuditEvent.action == "unit.pace_changed")
        return list(db.session.scalars(changes.order_by(AuditEvent.id)))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({}, FREE),
        ({"preset": "careful"}, Pace(min_s=8, max_s=20)),
        ({"preset": "careful", "min_s": "nonsense"}, Pace(min_s=8, max_s=20)),
        ({"preset": OWN}, FREE),
        ({"preset": OWN, "min_s": "3"}, Pace(min_s=3)),
        ({"preset": OWN, "min_s": "2,5", "max_s": " 2.5 "}, Pace(min_s=2.5, max_s=2.5)),
        ({"preset": OWN, "min_s": "1", "max_s": "3600"}, Pace(min_s=1, max_s=3_600)),
        ({"daily_cap": "200"}, Pace(daily_cap=200)),
        (OFFICE, Pace(window_from=time(9), window_to=time(18))),
        ({"window_days": ["5", "1", "1"]}, Pace(window_days=frozenset({1, 5}))),
        ({"skips_holidays": True}, Pace(skips_holidays=True)),
    ],
    ids=str,
)
def test_what_was_typed_is_the_pace(scope: TenantScope, unit: Unit, typed: dict[str, object], expected: Pace) -> None:
    assert set_pace(scope, unit, **typed) == expected


def test_blank_fields_take_back_what_was_set(scope: TenantScope, unit: Unit) -> None:
    set_pace(scope, unit, preset="careful", daily_cap="10", **OFFICE, window_days=["1"], skips_holidays=True)

    assert set_pace(scope, unit) == FREE


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"preset": ""}, ["preset"]),
        ({"preset": "rushed"}, ["preset"]),
        ({"preset": OWN, "min_s": "0.5"}, ["min_s"]),
        ({"preset": OWN, "max_s": "3601"}, ["max_s"]),
        ({"preset": OWN, "min_s": "-3", "max_s": "nan"}, ["min_s", "max_s"]),
        ({"preset": OWN, "min_s": "1e2"}, ["min_s"]),
        ({"preset": OWN, "min_s": "10"}, ["max_s"]),
        ({"preset": OWN, "min_s": "10", "max_s": "9"}, ["max_s"]),
        ({"daily_cap": "0"}, ["daily_cap"]),
        ({"daily_cap": "many"}, ["daily_cap"]),
        ({"daily_cap": "100001"}, ["daily_cap"]),
        ({"daily_cap": "9" * 400}, ["daily_cap"]),
        ({"window_from": "09:00"}, ["window_to"]),
        ({"window_to": "09:00"}, ["window_from"]),
        ({"window_from": "9 o'clock", "window_to": "25:00"}, ["window_from", "window_to"]),
        ({"window_from": "18:00", "window_to": "09:00"}, ["window_to"]),
        ({"window_from": "09:00", "window_to": "09:00"}, ["window_to"]),
        ({"window_days": []}, ["window_days"]),
        ({"window_days": ["0", "8", "Monday"]}, ["window_days"]),
        ({"preset": "", "daily_cap": "x", "window_days": [], "window_from": "x"}, None),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_by_field_and_changes_nothing(
    scope: TenantScope, unit: Unit, typed: dict[str, object], fields: list[str] | None
) -> None:
    with pytest.raises(Invalid) as refused:
        set_pace(scope, unit, **typed)

    everything = ["preset", "daily_cap", "window_from", "window_to", "window_days"]
    assert list(refused.value.fields) == (fields or everything)
    assert pace_now(scope, unit) == FREE
    assert log_of(scope) == []


def test_new_number_warms_up_from_the_day_that_it_is_there(
    scope: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paces, "now", lambda: datetime.fromisoformat("2026-12-01T01:00Z"))
    begun = set_pace(scope, unit, is_new=True)
    monkeypatch.setattr(paces, "now", lambda: datetime.fromisoformat("2026-12-06T12:00Z"))

    assert begun.warm_up_from == date(2026, 11, 30)
    assert set_pace(scope, unit, is_new=True, daily_cap="30").warm_up_from == date(2026, 11, 30)
    assert set_pace(scope, unit).warm_up_from is None
    assert set_pace(scope, unit, is_new=True).warm_up_from == date(2026, 12, 6)


def test_audit_log_tells_what_was_changed_only(scope: TenantScope, unit: Unit) -> None:
    set_pace(scope, unit, **OFFICE, daily_cap="200")
    set_pace(scope, unit, **OFFICE, daily_cap="200")
    set_pace(scope, unit, window_from="09:30", window_to="18:00", daily_cap="200")

    first, second = log_of(scope)
    assert first.before == {"daily_cap": None, "window_from": None, "window_to": None}
    assert first.after == {"daily_cap": 200, "window_from": "09:00:00", "window_to": "18:00:00"}
    assert (second.before, second.after) == ({"window_from": "09:00:00"}, {"window_from": "09:30:00"})
    assert second.subject_id == unit.id


def test_lane_that_rests_until_tomorrow_looks_again_after_a_gap(scope: TenantScope, unit: Unit) -> None:
    tomorrow = now() + timedelta(days=1)
    set_lane(scope, unit, campaign_at=tomorrow, campaign_until=tomorrow + timedelta(hours=9))

    set_pace(scope, unit, preset="careful")

    lane = lane_of(scope, unit)
    assert lane.campaign_at is not None
    assert lane.campaign_until is not None
    assert timedelta(seconds=15) < lane.campaign_at - now() <= timedelta(seconds=20)
    # What waits in it is judged anew before it leaves.
    assert lane.campaign_until <= now()


def test_lane_that_is_due_sooner_stays_so_and_one_without_a_campaign_rests(scope: TenantScope, unit: Unit) -> None:
    due = now() + timedelta(seconds=3)
    set_lane(scope, unit, campaign_at=due)
    set_pace(scope, unit, preset="careful")
    assert lane_of(scope, unit).campaign_at == due

    set_lane(scope, unit, campaign_at=None, campaign_until=None)
    set_pace(scope, unit, preset="normal")
    assert (lane_of(scope, unit).campaign_at, lane_of(scope, unit).campaign_until) == (None, None)


def test_nothing_that_changed_lets_the_lane_rest_on(scope: TenantScope, unit: Unit) -> None:
    tomorrow = now() + timedelta(days=1)
    set_lane(scope, unit, campaign_at=tomorrow)

    set_pace(scope, unit)

    assert lane_of(scope, unit).campaign_at == tomorrow


def test_unit_of_another_company_has_no_pace_to_set(scope: TenantScope, unit: Unit) -> None:
    rival = make_tenant("rival")

    with pytest.raises(NotFound):
        set_pace(rival, unit, preset="careful")

    assert pace_now(scope, unit) == FREE


def test_day_is_counted_from_the_lane_and_from_what_was_sent_since_midnight(scope: TenantScope, unit: Unit) -> None:
    conversation = make_conversation(scope, unit)
    day = FREE.day_of(now())
    for source, sent_at in (
        (MessageSource.PERSON, now()),
        (MessageSource.AUTOMATIC, now()),
        (MessageSource.API, now()),
        (MessageSource.API, now() - timedelta(days=2)),
        (MessageSource.CAMPAIGN, now()),
        (MessageSource.PHONE, now()),
    ):
        sent = {"status": MessageStatus.SENT, "source": source, "sent_at": sent_at}
        make_message(scope, conversation, direction="outbound", **sent)  # type: ignore[arg-type]
    set_lane(scope, unit, campaign_day=day, campaign_count=34)

    with acting_for(scope):
        unit = scope.get(Unit, unit.id)
        assert count_today(scope, unit) == DayUse(campaigns=34, replies=2, api=1)

    set_lane(scope, unit, campaign_day=day - timedelta(days=1))
    with acting_for(scope):
        assert count_today(scope, scope.get(Unit, unit.id)).campaigns == 0
