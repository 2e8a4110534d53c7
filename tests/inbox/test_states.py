"""The connection as Evolution's news moves it (contract §11.1, §11.2, §11.11, §12)."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, ConnectionAction, ConnectionStatus, Lane, Message, ScanLink, StatusReason, Unit
from portal.services import connections
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_tenant
from tests.inbox.conftest import NAME, Evolution
from tests.inbox.payloads import (
    CONNECTING,
    OPEN,
    QR_LIMIT,
    REFUSED,
    at,
    closed,
    instance_closed,
    message,
    qr_code,
    receipt,
)

Rows = Callable[..., list[Any]]
UPDATE = "connection.update"


def state_of(rows: Rows) -> tuple[str, str | None]:
    connection = rows(Connection)[0]
    return connection.status, connection.status_reason


@pytest.mark.usefixtures("pairing_unit")
def test_a_code_is_shown_until_the_next_one(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("qrcode.updated", qr_code("2@one", "ABCD1234"), at(1)))
    first = rows(Connection)[0]
    shown = (first.qr_code, first.pairing_code, first.qr_count, first.qr_updated_at)
    evolution.tell(("qrcode.updated", qr_code("2@two"), at(46)))

    second = rows(Connection)[0]
    assert shown[:3] == ("2@one", "ABCD1234", 1)
    assert (second.qr_code, second.pairing_code, second.qr_count) == ("2@two", None, 2)
    assert second.qr_updated_at > shown[3]
    assert state_of(rows) == ("qr", "waiting_scan")


@pytest.mark.usefixtures("pairing_unit")
def test_a_scan_links_the_number_and_opens_the_lane(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("qrcode.updated", qr_code(), at(1)))
    evolution.tell((UPDATE, CONNECTING, at(2)))
    meanwhile = state_of(rows), rows(Connection)[0].qr_code
    evolution.tell((UPDATE, OPEN, at(3)))

    assert meanwhile == (("qr", "waiting_scan"), "2@abc,def,ghi")
    linked = rows(Connection)[0]
    assert state_of(rows) == ("connected", "scan_completed")
    assert (linked.phone, linked.profile_name, linked.qr_code) == ("5511999990001", "Loja Centro", None)
    assert linked.connected_at is not None
    assert linked.synchronising_until is not None
    assert rows(Lane)[0].is_open is True


@pytest.mark.usefixtures("pairing_unit")
def test_an_open_that_leaves_out_the_names_keeps_them(evolution: Evolution, rows: Rows) -> None:
    evolution.tell((UPDATE, OPEN, at(1)))

    evolution.tell((UPDATE, {"instance": "unit_1", "state": "open", "statusReason": 200}, at(2)))

    assert (rows(Connection)[0].phone, rows(Connection)[0].profile_name) == ("5511999990001", "Loja Centro")


def test_a_scan_ends_the_scan_link(scope: TenantScope, pairing_unit: Unit, evolution: Evolution, rows: Rows) -> None:
    with acting_for(scope):
        connections.create_scan_link(scope, pairing_unit.id)

    evolution.tell((UPDATE, OPEN))

    assert [(link.ended_at is None, link.ended_by_connecting) for link in rows(ScanLink)] == [(False, True)]


@pytest.mark.usefixtures("unit")
def test_a_reconnection_closes_the_lane_until_it_is_open_again(evolution: Evolution, rows: Rows) -> None:
    connected_at = rows(Connection)[0].connected_at

    evolution.tell((UPDATE, CONNECTING, at(1)))
    lost = state_of(rows), rows(Lane)[0].is_open, rows(Connection)[0].disconnected_at is None
    evolution.tell((UPDATE, OPEN, at(2)))

    assert lost == (("connecting", "connection_lost"), False, False)
    assert state_of(rows) == ("connected", "scan_completed")
    assert rows(Lane)[0].is_open is True
    assert rows(Connection)[0].synchronising_until is None
    assert rows(Connection)[0].connected_at > connected_at


@pytest.mark.usefixtures("unit")
def test_an_open_told_twice_does_not_begin_anew(evolution: Evolution, rows: Rows) -> None:
    connected_at = rows(Connection)[0].connected_at

    evolution.tell((UPDATE, OPEN, at(1)), (UPDATE, OPEN, at(2)))

    assert rows(Connection)[0].connected_at == connected_at


LOGOUT = [
    ("status.instance", instance_closed(401), at(1)),
    ("logout.instance", None, at(2)),
    (UPDATE, closed(401), at(3)),
]
LIMIT = [
    ("qrcode.updated", QR_LIMIT, at(1)),
    (UPDATE, REFUSED, at(2)),
    ("logout.instance", None, at(3)),
    ("status.instance", instance_closed(401), at(3)),
    (UPDATE, closed(401), at(4)),
]


def banned(reason: int) -> list[tuple[str, object, str]]:
    return [
        ("status.instance", instance_closed(reason), at(1)),
        ("logout.instance", None, at(2)),
        (UPDATE, closed(reason), at(3)),
    ]


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    ("news", "reason"),
    [
        (LOGOUT, "logged_out"),
        (LIMIT, "qr_expired"),
        (banned(402), "number_banned"),
        (banned(403), "number_banned"),
        (banned(406), "number_banned"),
        ([(event, data, at(1)) for event, data, _told_at in banned(403)], "number_banned"),
        ([(event, data, at(1)) for event, data, _told_at in LIMIT], "qr_expired"),
        ([(UPDATE, closed(408), at(1))], "connection_lost"),
    ],
    ids=["logout", "qr_limit", "restricted", "forbidden", "banned", "banned_at_once", "qr_limit_at_once", "lost"],
)
@pytest.mark.parametrize("seed", range(5))
def test_an_end_is_told_with_what_led_to_it_in_any_order(
    evolution: Evolution, rows: Rows, news: list[tuple[str, object, str]], reason: str, seed: int
) -> None:
    told = news * 2
    random.Random(seed).shuffle(told)

    for one in told:
        evolution.tell(one)

    assert state_of(rows) == ("disconnected", reason)
    assert rows(Lane)[0].is_open is False
    assert rows(Connection)[0].disconnected_at is not None
    assert rows(Connection)[0].qr_code is None


@pytest.mark.usefixtures("unit")
def test_a_code_after_the_phone_was_unlinked_forgets_whose_it_was(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("qrcode.updated", qr_code(), at(1)))

    assert state_of(rows) == ("qr", "waiting_scan")
    assert (rows(Connection)[0].phone, rows(Connection)[0].profile_name) == (None, None)


@pytest.mark.usefixtures("pairing_unit")
@pytest.mark.parametrize(
    ("event", "data"),
    [(UPDATE, CONNECTING), (UPDATE, closed(408)), ("qrcode.updated", qr_code())],
    ids=["connecting", "close", "code"],
)
def test_old_news_does_not_undo_an_open_but_has_it_checked(
    evolution: Evolution, rows: Rows, event: str, data: object
) -> None:
    evolution.tell((UPDATE, OPEN, at(9)))

    evolution.tell((event, data, at(8)))

    connection = rows(Connection)[0]
    assert state_of(rows) == ("connected", "scan_completed")
    assert connection.qr_code is None
    assert (connection.action, connection.action_relay_id, connection.action_attempts) == ("check", None, 0)


def test_old_news_does_not_replace_what_a_person_asked_for(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell((UPDATE, OPEN, at(9)))
    with acting_for(scope):
        connections.request_restart(scope, unit.id)

    evolution.tell((UPDATE, CONNECTING, at(8)))

    assert rows(Connection)[0].action == ConnectionAction.RESTART


@pytest.mark.parametrize("kind", ["open", "close", "code", "logout"])
def test_news_of_the_instance_before_moves_nothing(
    scope: TenantScope, pairing_unit: Unit, evolution: Evolution, rows: Rows, kind: str
) -> None:
    news = {
        "open": (UPDATE, OPEN),
        "close": (UPDATE, closed(403)),
        "code": ("qrcode.updated", qr_code()),
        "logout": ("logout.instance", None),
    }
    replace_instance(scope)

    evolution.tell(news[kind])

    assert [event.state for event in evolution.events()] == ["done"]
    assert state_of(rows) == (ConnectionStatus.CONNECTING, StatusReason.INITIALIZING)
    assert rows(Connection)[0].qr_code is None


def test_messages_of_the_instance_before_still_count(
    scope: TenantScope, pairing_unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    replace_instance(scope)

    evolution.tell(("messages.upsert", message("AC01", from_me=True)), ("messages.update", receipt("AC01", "READ")))

    assert [m.status for m in rows(Message)] == ["read"]


def replace_instance(scope: TenantScope) -> None:
    """The unit is being connected anew: what the events are about is the instance before."""
    with acting_for(scope), atomic():
        this = scope.update(Connection).where(Connection.instance_name == NAME)
        columns = {
            "previous_instance_name": NAME,
            "previous_webhook_secret_hash": Connection.webhook_secret_hash,
            "previous_accepted_until": now() + timedelta(minutes=30),
            "instance_name": "unit_new",
            "webhook_secret_hash": "0" * 64,
        }
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


@pytest.mark.usefixtures("unit")
def test_a_flood_of_the_same_news_is_little_more_than_one(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(*[(UPDATE, CONNECTING, at(second % 60)) for second in range(200)])

    assert len(evolution.events()) == 60
    assert state_of(rows) == ("connecting", "connection_lost")


def expect(scope: TenantScope, number: str) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Unit).values(expected_number=number))


def test_a_wrong_number_is_refused_and_its_logout_is_no_news(
    scope: TenantScope, pairing_unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    expect(scope, "5511999990077")
    with acting_for(scope):
        connections.create_scan_link(scope, pairing_unit.id)
    evolution.tell(("qrcode.updated", qr_code(), at(1)))
    evolution.tell((UPDATE, OPEN, at(2)))
    refused, action = state_of(rows), rows(Connection)[0].action

    evolution.tell(*[(event, data, at(5)) for event, data, _told_at in LOGOUT])

    assert (refused, action) == (("disconnected", "wrong_number"), ConnectionAction.DISCONNECT)
    assert state_of(rows) == ("disconnected", "wrong_number")
    assert rows(Lane)[0].is_open is False
    # The person in the shop may scan with the right phone.
    assert rows(ScanLink)[0].ended_at is None


def test_a_number_in_use_is_refused_at_its_open(
    scope: TenantScope, pairing_unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    make_connected_unit(make_tenant("rival"), phone="5511999990001")

    evolution.tell((UPDATE, OPEN, at(1)))

    mine = next(row for row in rows(Connection) if row.unit_id == pairing_unit.id)
    assert (mine.status, mine.status_reason, mine.action) == ("disconnected", "number_in_use", "disconnect")


def test_a_ban_is_a_better_reason_than_a_refusal(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    expect(scope, "5511999990077")
    evolution.tell((UPDATE, OPEN, at(1)))

    evolution.tell((UPDATE, closed(403), at(2)))

    assert state_of(rows) == ("disconnected", "number_banned")


@pytest.mark.usefixtures("unit")
def test_news_that_the_instance_is_gone_is_checked_and_not_believed(evolution: Evolution, rows: Rows) -> None:
    evolution.tell((UPDATE, OPEN, at(1)))
    later = rows(Connection)[0]

    evolution.tell(("remove.instance", None, at(2)))

    connection = rows(Connection)[0]
    assert state_of(rows) == ("connected", "scan_completed")
    assert connection.check_at > later.check_at


@pytest.mark.usefixtures("unit")
def test_a_storm_of_the_same_news_moves_nothing_after_the_first(evolution: Evolution, rows: Rows) -> None:
    evolution.tell((UPDATE, CONNECTING, at(1)))
    first = rows(Connection)[0]

    evolution.tell(*[(UPDATE, CONNECTING, at(second)) for second in range(2, 60)])

    last = rows(Connection)[0]
    assert (last.status_at, last.check_at, last.losses) == (first.status_at, first.check_at, 1)
