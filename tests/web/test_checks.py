"""What a unit's page tells of its checked state, and of what the portal put right by itself."""

import re
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.models import ConnectionStatus, Repair, RepairKind, StatusReason, Unit, UserSession
from portal.permissions import Role
from portal.secrets import matches
from portal.services import connections
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import SECRET, connection_of, make_connected_unit, make_parked_event, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll

PAGE = "/t/acme/units/jardins"


def note(scope: TenantScope, unit: Unit, **columns: object) -> None:
    with acting_for(scope), atomic():
        connection = lock_connection(scope, unit.id)
        for name, value in columns.items():
            setattr(connection, name, value)


def make_repair(scope: TenantScope, unit: Unit, kind: RepairKind = RepairKind.STATE, **columns: object) -> Repair:
    told = {"before": "connecting", "after": "connected", **columns}
    with acting_for(scope), atomic():
        return scope.add(Repair(unit_id=unit.id, kind=kind, **told))


def ago(**span: float) -> datetime:
    return now() - timedelta(**span)


@pytest.fixture
def others_hear(acme: TenantScope) -> Unit:
    unit = make_connected_unit(acme, "moema", phone="5511999990077")
    note(acme, unit, last_event_at=now())
    return unit


def test_panel_tells_how_old_everything_is_that_the_state_rests_on(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    note(acme, connected_unit, checked_at=ago(seconds=12), last_event_at=ago(minutes=3), last_receipt_at=ago(hours=2))

    page = admin.get(PAGE).text

    assert re.search(r"Checked 1[2-9] s ago", page)
    assert "<dt>Last event heard</dt><dd>3 min ago</dd>" in page
    assert "<dt>Last receipt</dt><dd>2 h ago</dd>" in page


def test_panel_of_a_new_unit_says_that_there_is_nothing_yet(admin: FlaskClient, unit: Unit) -> None:
    page = admin.get("/t/acme/units/centro").text

    assert "<dd>Not yet</dd>" in page
    assert page.count("<dd>None yet</dd>") == 2
    assert "Nothing so far." in page


def test_poll_is_quiet_until_something_else_is_to_be_read(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    note(acme, connected_unit, checked_at=ago(minutes=2, seconds=1))
    page = admin.get(PAGE).text
    quiet = poll(admin, page, "checked")
    make_repair(acme, connected_unit)

    news = poll(admin, page, "checked")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert "The state shown was “Connecting”" in news.text
    assert "<html" not in news.text


def test_silent_unit_is_its_own_warning_on_page_and_list(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, others_hear: Unit
) -> None:
    silent = {"last_event_at": ago(minutes=47), "connected_at": ago(hours=5), "usual_gap_s": 240.0}
    note(acme, connected_unit, **silent)

    for address in (PAGE, "/t/acme/"):
        assert "Messages come in and go out." not in (admin.get(address).text.partition('id="unit-moema"')[0])
        assert "Connected, but nothing heard for 47 min (usually 4 min)" in admin.get(address).text


def test_unit_that_is_as_quiet_as_all_others_is_not_warned_of(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    note(acme, connected_unit, last_event_at=ago(hours=5), connected_at=ago(hours=5))

    assert "nothing heard for" not in admin.get(PAGE).text


def test_unstable_number_tells_how_often_it_was_lost(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    note(acme, connected_unit, losses=6, losses_since=ago(minutes=30))

    for address in (PAGE, "/t/acme/"):
        assert re.search(r"Unstable: lost 6 times since .*\d+:\d\d", admin.get(address).text)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("evolution_unreachable", "Evolution does not answer, so the state shown here may be old."),
        ("evolution_key_refused", "Evolution does not accept the portal&#39;s key"),
        ("anything", "Evolution did not say how the connection is"),
    ],
)
def test_state_that_was_not_checked_for_long_says_since_when_and_why(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, error: str, sentence: str
) -> None:
    linked_at = ago(hours=5)
    told = {"check_at": now(), "checked_at": ago(minutes=20), "check_error": error}
    note(acme, connected_unit, instance_made_at=linked_at, **told)

    page = admin.get(PAGE).text

    assert "Not checked since" in page
    assert sentence in page
    assert "Not checked since" in admin.get("/t/acme/").text


def test_repaired_webhook_is_news_for_an_hour(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    make_repair(acme, connected_unit, RepairKind.WEBHOOK, before="url, events", created_at=ago(minutes=61))
    old = admin.get(PAGE).text
    make_repair(acme, connected_unit, RepairKind.WEBHOOK, before="enabled")

    new = admin.get(PAGE).text

    assert "Webhook repaired at" not in old
    assert "not as the portal had set it (another address, events left out)" in old
    assert "Webhook repaired at" in new


def test_restart_of_a_dead_connection_is_told(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    make_repair(acme, connected_unit, after="restarted")

    assert "The number had been reconnecting for minutes. <strong>Its connection was restarted." in admin.get(PAGE).text


def test_settings_that_were_put_right_are_named(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    make_repair(acme, connected_unit, RepairKind.SETTINGS, before="groupsIgnore, anythingNew", after=None)

    assert "not those of the unit (groups, anythingNew)" in admin.get(PAGE).text


def test_filled_hole_tells_from_when_to_when_and_how_many(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    noon = now().replace(hour=15, minute=2)
    hole = {"before": None, "after": None, "began_at": noon, "ended_at": noon + timedelta(minutes=29)}
    make_repair(acme, connected_unit, RepairKind.HOLE, found=1, **hole)
    make_repair(acme, connected_unit, RepairKind.HOLE, found=0, **hole)
    make_repair(acme, connected_unit, RepairKind.HOLE, found=6, **hole)

    page = admin.get(PAGE).text

    assert re.search(r"From .*12:02.PM to .*12:31.PM messages did not reach the portal.", page)
    for sentence in ("1 message was fetched.", "6 messages were fetched.", "They are being fetched from Evolution."):
        assert sentence in page


def test_ten_newest_repairs_stand_on_the_page_and_the_others_behind_a_link(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    made = [make_repair(acme, connected_unit, created_at=ago(minutes=n)).id for n in range(62)]
    read = [f"repair-{id_}" for id_ in made]

    page = admin.get(PAGE).text
    older = re.search(r'id="repairs-older" href="([^"]+)"', page)
    assert older
    second = admin.get(older[1]).text
    last = re.search(r'id="older-next" href="([^"]+)"', second)
    assert last

    assert re.findall(r'id="(repair-[^"]+)"', page) == read[:10]
    assert re.findall(r'id="(repair-[^"]+)"', second) == read[:60]
    assert re.findall(r'id="(repair-[^"]+)"', admin.get(last[1]).text) == read[:10] + read[60:]


def test_place_in_the_list_that_is_none_is_refused(admin: FlaskClient, connected_unit: Unit) -> None:
    assert admin.get(f"{PAGE}/checks?before=x").status_code == 400


def test_admin_is_told_how_many_events_wait_for_the_operator_and_nothing_more(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, browser: OpenBrowser
) -> None:
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))
    for _ in range(2):
        make_parked_event(acme, connected_unit, error="KeyError")

    page = admin.get(PAGE).text

    assert "2 events of this unit could not be applied yet; the operator was told." in page
    assert "KeyError" not in page
    assert "could not be applied yet" not in agent.get(PAGE).text


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (StatusReason.WRONG_NUMBER, "has another number than the one this unit expects"),
        (StatusReason.NUMBER_IN_USE, "This number is connected in another unit already"),
        (StatusReason.INSTANCE_GONE, "no longer knows the connection of this unit"),
    ],
)
def test_connect_page_says_why_it_ended_and_offers_a_new_code(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, reason: StatusReason, sentence: str
) -> None:
    with acting_for(acme), atomic():
        set_status(lock_connection(acme, connected_unit.id), ConnectionStatus.DISCONNECTED, reason)

    page = admin.get(f"{PAGE}/connect").text

    assert sentence in page
    assert "Generate a new code" in page
    assert sentence in admin.get(PAGE).text


def test_expected_number_stands_beside_the_code_and_only_its_end_behind_the_link(
    admin: FlaskClient, visitor: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    with acting_for(acme), atomic():
        acme.get(Unit, unit.id).expected_number = "5511988880001"
    with acting_for(acme):
        token = connections.create_scan_link(acme, unit.id)

    page, behind_the_link = admin.get("/t/acme/units/centro/connect").text, visitor.get(f"/scan/{token}").text

    assert "This unit expects the number +55 11 98888-0001." in page
    assert "This unit expects the number ****0001." in behind_the_link
    assert "8888" not in behind_the_link


def test_administrator_makes_a_new_webhook_secret(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    before = connection_of(acme, connected_unit.id).webhook_secret_hash
    address = f"{PAGE}/webhook-secret"

    question = admin.get(address)
    answer = admin.post(address, follow_redirects=True)

    assert f'href="{address}"' in admin.get(f"{PAGE}/checks").text
    assert "accepted for 30 minutes more" in question.text
    assert "There is a new secret." in answer.text
    assert connection_of(acme, connected_unit.id).webhook_secret_hash != before
    assert admin.post(address).status_code == 409


def test_unit_without_a_connection_offers_no_new_secret(admin: FlaskClient, unit: Unit) -> None:
    assert "webhook-secret" not in admin.get("/t/acme/units/centro/checks").text


def test_new_webhook_secret_asks_who_it_is(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    with across_tenants("a test sets the clock"), atomic():
        db.session.execute(update(UserSession).values(confirmed_at=ago(hours=1)))

    for answer in (admin.get(f"{PAGE}/webhook-secret"), admin.post(f"{PAGE}/webhook-secret")):
        assert (answer.status_code, "confirm" in answer.headers["Location"]) == (303, True)
    assert matches(SECRET, connection_of(acme, connected_unit.id).webhook_secret_hash)
