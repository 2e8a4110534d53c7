"""A unit's connection to WhatsApp: connect, look, show the QR code, disconnect."""

from datetime import datetime
from typing import Any

from flask import g
from flask_babel import gettext as _

from portal.clock import now
from portal.models import Connection, ConnectionStatus, StatusReason
from portal.permissions import Permission
from portal.queries import checked_states, units
from portal.services import connections
from portal.web.access import requires
from portal.web.api.answers import refuse
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.qr import png_address
from portal.web.api.schemas import (
    ConnectAnswer,
    ConnectBody,
    DoneAnswer,
    QrCodeAnswer,
    StatusAnswer,
    shown_phone,
)
from portal.web.api.waiting import LONGEST_WAIT_S, WaitingRoom
from portal.web.state_warnings import find_warnings

bp = ApiBlueprint(
    "connections",
    title="Connections",
    description="A unit's connection to WhatsApp.",
    url_prefix="/units/<unit_id>/whatsapp",
)
waiting_for_code = WaitingRoom(seats=4)
EXAMPLE_CODE = "test"
UNDER_WAY = (StatusReason.INITIALIZING, StatusReason.RESTARTING, StatusReason.WAITING_SCAN)
# Nothing but a new code helps here, and asking for one harms nobody.
RUN_OUT = (StatusReason.QR_EXPIRED, StatusReason.WAITING_SCAN)


@bp.call(
    "POST",
    "/connect",
    access=requires(Permission.CONNECT),
    operation="connectUnit",
    body=ConnectBody,
    answer=ConnectAnswer,
    status=201,
    also=(202,),
    refuses=(409, 503),
)
def connect(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Ask for a QR code to link the unit's phone.

    Waits for the code, ten seconds at most: 201 with it, else 202 with what is known so far.
    """
    connection = connections.request_connect(g.scope, g.unit_id, pairing_number=body["pairing_number"])
    if g.scope.is_test:
        return {"success": True, "connection": {**_example(), "id": connection.id}, "test": True}, 201
    connection = _wait_for_code()
    _refuse_when_it_failed(connection)
    state = {**_code(connection), "id": connection.id}
    return {"success": True, "connection": state, "test": False}, 202 if _is_waiting(connection) else 201


@bp.call(
    "GET",
    "/status",
    access=requires(Permission.VIEW_UNITS),
    operation="getConnectionStatus",
    answer=StatusAnswer,
)
def status() -> dict[str, Any]:
    """See how a unit's connection is."""
    connection = units.get_connection(g.scope, g.unit_id)
    return {
        **_code(connection),
        **_checked(),
        "id": connection.id,
        "phone": shown_phone(connection.phone),
        "provider": connection.provider,
        "connected_at": connection.connected_at,
        "disconnected_at": connection.disconnected_at,
        "last_update": _last_update(connection),
        "test": g.scope.is_test,
    }


@bp.call(
    "GET",
    "/qrcode",
    access=requires(Permission.CONNECT),
    operation="getQrCode",
    answer=QrCodeAnswer,
    also=(202,),
    refuses=(409, 503),
)
def qrcode() -> tuple[dict[str, Any], int]:
    """Get the QR code that can be scanned now.

    One that ran out is asked for anew; 404 `no_qr_code` when nobody asked for one.
    """
    connection = units.get_connection(g.scope, g.unit_id)
    _refuse_when_connected(connection)
    if g.scope.is_test:
        return {**_example(), "test": True}, 200
    _renew_code(connection)
    connection = _wait_for_code()
    _refuse_when_it_failed(connection)
    _refuse_when_connected(connection)
    return {**_code(connection), "test": False}, 202 if _is_waiting(connection) else 200


@bp.call(
    "DELETE",
    "/disconnect",
    access=requires(Permission.CONNECT),
    operation="disconnectUnit",
    answer=DoneAnswer,
    refuses=(409,),
)
def disconnect() -> dict[str, Any]:
    """Unlink the unit's phone.

    The wish is noted, and carried out at once in the background.
    """
    connections.request_disconnect(g.scope, g.unit_id)
    return {"success": True, "test": True} if g.scope.is_test else {"success": True}


def _renew_code(connection: Connection) -> None:
    """Ask for a new code when the last one ran out; refuse when nobody asked for one."""
    if _has_run_out(connection):
        connections.request_connect(g.scope, g.unit_id)
    elif not _has_code(connection) and not _is_waiting(connection):
        refuse(404, "no_qr_code", _("There is no QR code. Ask for one with connect."))


def _wait_for_code() -> Connection:
    scope, unit_id = g.scope, g.unit_id
    return waiting_for_code.wait(
        lambda: units.get_connection(scope, unit_id), lambda row: not _is_waiting(row), at_most_s=LONGEST_WAIT_S
    )


def _code(connection: Connection) -> dict[str, Any]:
    """The state, with the code while it can be scanned and for those who may connect: a code links any phone."""
    is_shown = _has_code(connection) and g.scope.allows(Permission.CONNECT) and not g.scope.is_test
    return {
        "status": connection.status,
        "reason": connection.status_reason,
        "qr_code": png_address(connection.qr_code) if is_shown and connection.qr_code else None,
        "pairing_code": connection.pairing_code if is_shown else None,
        "qr_updated_at": connection.qr_updated_at,
    }


def _example() -> dict[str, Any]:
    """What a test token gets in the place of a code: a picture that links no phone."""
    return {
        "status": ConnectionStatus.QR,
        "reason": StatusReason.WAITING_SCAN,
        "qr_code": png_address(EXAMPLE_CODE),
        "pairing_code": None,
        "qr_updated_at": now(),
    }


def _checked() -> dict[str, Any]:
    """What the state rests on, and what it warns of."""
    checked = checked_states.find(g.scope, g.unit_id)
    zone = units.get_unit_by_id(g.scope, str(g.unit_id)).time_zone
    return {
        "checked_at": checked.checked_at,
        "last_event_at": checked.last_event_at,
        "last_receipt_at": checked.last_receipt_at,
        "silent_for_seconds": None if checked.silent_for_s is None else int(checked.silent_for_s),
        "warnings": find_warnings(g.scope, g.unit_id, checked, zone),
    }


def _has_code(connection: Connection) -> bool:
    return connection.status == ConnectionStatus.QR and bool(connection.qr_code) and not _is_old(connection)


def _is_old(connection: Connection) -> bool:
    updated_at = connection.qr_updated_at
    return updated_at is None or now() - updated_at >= connections.QR_CODE_LIFETIME


def _is_waiting(connection: Connection) -> bool:
    """Whether a code may still come: it was asked for, and neither came nor failed."""
    is_under_way = connection.status in (ConnectionStatus.CONNECTING, ConnectionStatus.QR)
    return is_under_way and connection.status_reason in UNDER_WAY and not _has_code(connection)


def _has_run_out(connection: Connection) -> bool:
    return connection.status_reason in RUN_OUT and not _has_code(connection)


def _last_update(connection: Connection) -> datetime:
    times = (
        connection.created_at,
        connection.last_event_at,
        connection.action_requested_at,
        connection.qr_updated_at,
        connection.connected_at,
        connection.disconnected_at,
    )
    return max(at for at in times if at is not None)


def _refuse_when_connected(connection: Connection) -> None:
    if connection.status == ConnectionStatus.CONNECTED:
        refuse(409, "conflict", _("This unit is connected already. Disconnect it first to link another number."))


def _refuse_when_it_failed(connection: Connection) -> None:
    sentences = {
        StatusReason.CONNECTION_ERROR: _("Evolution could not start the connection. Try again in a minute."),
        StatusReason.EVOLUTION_UNREACHABLE: _("The Evolution server does not answer. Try again in a minute."),
        StatusReason.EVOLUTION_KEY_REFUSED: _("The Evolution server refuses our key. An operator has to correct it."),
        StatusReason.EVOLUTION_NOT_LICENSED: _("The Evolution server has no licence. An operator has to activate it."),
        StatusReason.EVOLUTION_FULL: _("No Evolution server has room. An operator has to add one or raise a capacity."),
    }
    reason = connection.status_reason
    if reason is not None and reason in sentences:
        refuse(503, str(reason), sentences[StatusReason(reason)])
