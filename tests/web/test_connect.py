from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, ConnectionAction, ConnectionStatus, ScanLink, StatusReason, Unit
from portal.services import connections
from portal.services.connections import lock_connection
from portal.tenancy import TenantScope, acting_for
from tests.factories import connection_of
from tests.web.htmx import PART, poll

PAGE = "/t/acme/units/centro/connect"
CODE = "2@abc,def,ghi"
S, R, A = ConnectionStatus, StatusReason, ConnectionAction


@pytest.mark.parametrize(
    ("status", "reason", "action", "title", "polls"),
    [
        (S.NOT_CONFIGURED, None, None, "Not connected yet", False),
        (S.CONNECTING, R.INITIALIZING, A.CONNECT, "Preparing the code", True),
        (S.CONNECTING, R.INITIALIZING, None, "Preparing the code", True),
        (S.QR, R.WAITING_SCAN, None, "Waiting for the phone", True),
        (S.CONNECTING, R.RESTARTING, None, "Restarting", True),
        (S.CONNECTING, R.CONNECTION_LOST, None, "Connection lost", True),
        (S.CONNECTED, R.SCAN_COMPLETED, None, "Connected", False),
        (S.CONNECTED, R.SCAN_COMPLETED, A.CHECK, "Connected", False),
        (S.CONNECTED, R.SCAN_COMPLETED, A.DISCONNECT, "Disconnecting", True),
        (S.CONNECTED, R.SCAN_COMPLETED, A.RESTART, "Restarting", True),
        (S.DISCONNECTED, R.LOGGED_OUT, A.DELETE, "Deleting the connection", True),
        (S.DISCONNECTED, R.QR_EXPIRED, None, "The code ran out", False),
        (S.DISCONNECTED, R.LOGGED_OUT, None, "Unlinked", False),
        (S.DISCONNECTED, R.CONNECTION_LOST, None, "Connection lost", False),
        (S.DISCONNECTED, R.CONNECTION_ERROR, None, "WhatsApp refused the connection", False),
        (S.DISCONNECTED, R.NUMBER_BANNED, None, "WhatsApp blocked this number", False),
        (S.DISCONNECTED, R.EVOLUTION_UNREACHABLE, None, "Evolution cannot be reached", False),
        (S.DISCONNECTED, R.EVOLUTION_KEY_REFUSED, None, "Evolution refused the key", False),
        (S.DISCONNECTED, R.EVOLUTION_NOT_LICENSED, None, "Evolution is not licensed", False),
        (S.DISCONNECTED, R.EVOLUTION_FULL, None, "No Evolution server has room", False),
        (S.DISCONNECTED, None, None, "Disconnected", False),
    ],
)
def test_panel_says_its_state_and_asks_again_only_while_it_is_not_final(
    admin: FlaskClient,
    acme: TenantScope,
    unit: Unit,
    status: S,
    reason: R | None,
    action: A | None,
    title: str,
    polls: bool,
) -> None:
    _change(acme, unit, status=status, status_reason=reason, action=action)

    page = admin.get(PAGE).text

    assert title in page
    assert ('hx-trigger="every ' in page) is polls
    assert ('<noscript><meta http-equiv="refresh" content="3"></noscript>' in page) is polls


@pytest.mark.parametrize(("code", "every"), [(None, "1s"), (CODE, "2s")], ids=["first code", "scan"])
def test_first_code_is_asked_for_twice_as_often_as_the_scan(
    admin: FlaskClient, acme: TenantScope, unit: Unit, code: str | None, every: str
) -> None:
    _change(acme, unit, status=S.QR, status_reason=R.WAITING_SCAN, qr_code=code, qr_updated_at=now())

    assert f'hx-trigger="every {every}"' in admin.get(PAGE).text


def test_asking_for_a_code_notes_the_wish_and_leads_back(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    answer = admin.post(PAGE, data={"pairing_number": "11 99999-0009"})

    connection = connection_of(acme, unit.id)
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert connection.action == ConnectionAction.CONNECT
    assert connection.pairing_number == "5511999990009"


def test_impossible_pairing_number_is_explained_and_kept(admin: FlaskClient, unit: Unit) -> None:
    answer = admin.post(PAGE, data={"pairing_number": "12"})

    assert answer.status_code == 422
    assert "This is not a telephone number" in answer.text
    assert 'value="12"' in answer.text


def test_code_is_drawn_dark_on_white_with_words_and_countdown(
    admin: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    _show_code(acme, unit, age_s=15, pairing_code="WZYEH1YY")

    page = admin.get(PAGE).text

    assert "data:image/svg+xml" in page
    assert "%23fff" in page
    assert 'alt="QR code to link WhatsApp with Centro"' in page
    assert 'data-countdown="30"' in page
    assert "WZYE-H1YY" in page
    assert "qr--stale" not in page


def test_old_code_is_dimmed_until_the_next_one_arrives(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    _show_code(acme, unit, age_s=50)
    page = admin.get(PAGE).text
    _show_code(acme, unit, age_s=0)

    news = poll(admin, page, "connection-panel")

    assert "qr--stale" in page
    assert "A new code is on its way" in page
    assert "qr--stale" not in news.text


def test_code_that_is_not_renewed_is_not_waited_for_in_silence(
    admin: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    _show_code(acme, unit, age_s=60)
    patient = admin.get(PAGE).text
    _show_code(acme, unit, age_s=80)

    late = admin.get(PAGE).text

    assert "This takes longer than usual" not in patient
    assert "This takes longer than usual" in late
    assert "Generate a new code" in late


def test_steps_for_the_phone_are_shown_only_when_it_has_something_to_do(
    admin: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    _change(acme, unit, status=S.CONNECTING, status_reason=R.RESTARTING)
    restarting = admin.get(PAGE).text
    _show_code(acme, unit, age_s=1)

    assert "Point the camera at this code" not in restarting
    assert "Point the camera at this code" in admin.get(PAGE).text


def test_panel_turns_into_connected_and_stops_asking(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    _show_code(acme, unit, age_s=1)
    page = admin.get(PAGE).text
    quiet = poll(admin, page, "connection-panel")
    _change(
        acme,
        unit,
        status=S.CONNECTED,
        status_reason=R.SCAN_COMPLETED,
        phone="5511999990001",
        profile_name="Loja",
        synchronising_until=now() + timedelta(seconds=60),
    )

    news = poll(admin, page, "connection-panel")

    assert quiet.status_code == 204
    assert "Connected as Loja, +55 11 99999-0001" in news.text
    assert "Synchronising" in news.text
    assert "hx-trigger" not in news.text


@pytest.mark.parametrize(
    ("step", "action"),
    [("disconnect", A.DISCONNECT), ("restart", A.RESTART), ("delete", A.DELETE)],
)
def test_what_hurts_is_asked_twice(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, step: str, action: A
) -> None:
    asked = admin.get(f"/t/acme/units/jardins/{step}")
    before = connection_of(acme, connected_unit.id).action

    answer = admin.post(f"/t/acme/units/jardins/{step}")

    assert asked.status_code == 200
    assert before is None
    assert answer.status_code == 303
    assert connection_of(acme, connected_unit.id).action == action


def test_nothing_to_disconnect_is_said(admin: FlaskClient, unit: Unit) -> None:
    answer = admin.post("/t/acme/units/centro/disconnect")

    assert answer.status_code == 409
    assert "This unit is not connected." in answer.text


def test_scan_link_shows_the_code_without_an_account(
    admin: FlaskClient, visitor: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    _show_code(acme, unit, age_s=1)
    admin.post("/t/acme/units/centro/scan-link")
    link = _scan_path(admin)

    page = visitor.get(link)

    assert page.status_code == 200
    assert "data:image/svg+xml" in page.text
    assert "<nav" not in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"


def test_scan_link_starts_the_connection(visitor: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    link = _new_link(acme, unit)
    start = visitor.get(link)

    answer = visitor.post(link)

    assert "Show the QR code" in start.text
    assert (answer.status_code, answer.location) == (303, link)
    assert connection_of(acme, unit.id).action == ConnectionAction.CONNECT


def test_scan_page_needs_no_token_of_a_session(visitor: FlaskClient, acme: TenantScope, unit: Unit, app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        answer = visitor.post(_new_link(acme, unit))
    finally:
        app.config["WTF_CSRF_ENABLED"] = False

    assert answer.status_code == 303


def test_person_at_the_scan_page_chooses_the_language(
    visitor: FlaskClient, acme: TenantScope, unit: Unit, app: Flask
) -> None:
    link = _new_link(acme, unit)
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        answer = visitor.post("/language", data={"locale": "pt_BR", "next": link})
    finally:
        app.config["WTF_CSRF_ENABLED"] = False

    assert answer.location == link
    assert "Mostrar o QR code" in visitor.get(link).text


def test_scan_link_that_connected_says_so_and_starts_nothing(
    visitor: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    link = _new_link(acme, unit)
    _end_by_connecting(acme, unit)

    page, part, started = visitor.get(link), visitor.get(link, headers=PART), visitor.post(link)

    assert "You can close this page." in page.text
    assert 'id="connection-panel"' in part.text
    assert "hx-trigger" not in part.text
    assert started.status_code == 303
    assert connection_of(acme, unit.id).action is None


def test_revoked_and_forged_scan_links_are_gone(
    admin: FlaskClient, visitor: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    link = _new_link(acme, unit)
    admin.post("/t/acme/units/centro/scan-link/revoke")

    for dead in (link, "/scan/forged"):
        answer = visitor.get(dead)
        assert answer.status_code == 404
        assert "This link does not work" in answer.text


def _change(scope: TenantScope, unit: Unit, **columns: object) -> None:
    with acting_for(scope), atomic():
        connection: Connection = lock_connection(scope, unit.id)
        for name, value in columns.items():
            setattr(connection, name, value)


def _show_code(scope: TenantScope, unit: Unit, *, age_s: int, pairing_code: str | None = None) -> None:
    _change(
        scope,
        unit,
        status=S.QR,
        status_reason=R.WAITING_SCAN,
        qr_code=CODE,
        pairing_code=pairing_code,
        qr_updated_at=now() - timedelta(seconds=age_s),
    )


def _new_link(scope: TenantScope, unit: Unit) -> str:
    with acting_for(scope):
        return f"/scan/{connections.create_scan_link(scope, unit.id)}"


def _scan_path(admin: FlaskClient) -> str:
    page = admin.get("/t/acme/units/centro").text
    return "/scan/" + page.split("/scan/")[1].split('"')[0]


def _end_by_connecting(scope: TenantScope, unit: Unit) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(ScanLink).values(ended_at=now(), ended_by_connecting=True))
