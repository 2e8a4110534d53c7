"""Connect, status, QR code and disconnect, over the states that a row can be in."""

import base64
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import tenancy
from portal.clock import now
from portal.models import Connection
from portal.queries import units
from portal.web.api import waiting
from portal.web.api.qr import png_address
from tests.web_api.seed import CODE, Company, call, change_connection, make_unit

PNG = "data:image/png;base64,"
STATUS_KEYS = {
    "id",
    "status",
    "reason",
    "phone",
    "qrCode",
    "provider",
    "connectedAt",
    "disconnectedAt",
    "qrUpdatedAt",
    "lastUpdate",
    "checkedAt",
    "lastEventAt",
    "lastReceiptAt",
    "silentForSeconds",
    "warnings",
    "test",
}


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look twice instead of for ten seconds."""
    monkeypatch.setattr(waiting, "LONGEST_WAIT_S", 0.01)


@pytest.fixture
def praia(acme: Company) -> str:
    """The address of a unit that was never connected."""
    return f"/units/{make_unit(acme.scope, 'praia', is_connected=False)}/whatsapp"


def show_code(company: Company, slug: str = "praia", *, age_s: int = 0, **changes: object) -> None:
    set_state(
        company,
        slug,
        status="qr",
        status_reason="waiting_scan",
        qr_code=CODE,
        qr_updated_at=now() - timedelta(seconds=age_s),
        **changes,
    )


def set_state(company: Company, slug: str, **changes: object) -> None:
    with tenancy.acting_for(company.scope):
        unit_id = units.get_unit(company.scope, slug).id
    change_connection(company.scope, unit_id, **changes)


def action_of(company: Company, slug: str = "praia") -> str | None:
    with tenancy.acting_for(company.scope):
        return units.get_connection(company.scope, units.get_unit(company.scope, slug).id).action


def test_connect_answers_201_with_the_code_as_a_picture(client: FlaskClient, acme: Company, praia: str) -> None:
    show_code(acme)

    response = call(client, "POST", f"{praia}/connect", acme.admin, json={"provider": "evolution", "credentials": {}})

    assert response.status_code == 201
    assert response.json["success"] is True
    assert response.json["connection"]["status"] == "qr"
    assert response.json["connection"]["qrCode"] == png_address(CODE)
    assert base64.b64decode(response.json["connection"]["qrCode"].removeprefix(PNG)).startswith(b"\x89PNG")


@pytest.mark.usefixtures("_impatient")
def test_connect_answers_202_while_no_code_has_come(client: FlaskClient, acme: Company, praia: str) -> None:
    response = call(client, "POST", f"{praia}/connect", acme.admin, json={"provider": "evolution"})

    assert response.status_code == 202
    connection = response.json["connection"]
    assert (connection["status"], connection["reason"], connection["qrCode"]) == ("connecting", "initializing", None)
    assert action_of(acme) == "connect"


@pytest.mark.parametrize("status", ["connecting", "disconnected"])
@pytest.mark.parametrize(
    "reason",
    [
        "evolution_unreachable",
        "evolution_key_refused",
        "evolution_not_licensed",
        "evolution_full",
        "connection_error",
    ],
)
def test_connect_answers_503_when_evolution_is_away(
    client: FlaskClient, acme: Company, praia: str, meanwhile: Callable[..., None], status: str, reason: str
) -> None:
    meanwhile(Connection, {"status": status, "status_reason": reason})

    response = call(client, "POST", f"{praia}/connect", acme.admin, json={"provider": "evolution"})

    assert response.status_code == 503
    assert response.json["error"]["code"] == reason


def test_connect_answers_409_when_connected_already(client: FlaskClient, acme: Company) -> None:
    response = call(client, "POST", "/units/centro/whatsapp/connect", acme.admin, json={"provider": "evolution"})

    assert response.status_code == 409
    assert response.json["error"]["code"] == "conflict"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"provider": "telegram"}, "provider"),
        ({"provider": ""}, "provider"),
        ({"provider": "evolution", "credentials": "secret"}, "credentials"),
        ({"provider": "evolution", "pairingNumber": "123"}, "pairingNumber"),
    ],
)
def test_connect_refuses_what_it_does_not_know(
    client: FlaskClient, acme: Company, praia: str, body: dict[str, object], field: str
) -> None:
    response = call(client, "POST", f"{praia}/connect", acme.admin, json=body)

    assert response.status_code == 422
    assert list(response.json["error"]["details"]) == [field]
    assert action_of(acme) is None


def test_connect_shows_the_pairing_code_that_was_asked_for(client: FlaskClient, acme: Company, praia: str) -> None:
    show_code(acme, pairing_number="5511988880001", pairing_code="WZYEH1YY")

    response = call(client, "POST", f"{praia}/connect", acme.admin, json={"pairingNumber": "+55 11 98888-0001"})

    assert response.json["connection"]["pairingCode"] == "WZYEH1YY"


def test_status_has_exactly_the_promised_keys(client: FlaskClient, acme: Company) -> None:
    status = call(client, "GET", "/units/centro/whatsapp/status", acme.admin).json

    assert set(status) == STATUS_KEYS
    assert (status["status"], status["provider"], status["phone"]) == ("connected", "evolution", "5511977770001")
    assert datetime.fromisoformat(status["connectedAt"]).tzinfo is not None
    assert datetime.fromisoformat(status["lastUpdate"]).tzinfo is not None


@pytest.mark.parametrize(
    ("person", "age_s", "is_shown"), [("admin", 0, True), ("admin", 61, False), ("agent", 0, False)]
)
def test_status_shows_a_living_code_to_those_who_may_connect(
    client: FlaskClient, acme: Company, person: str, age_s: int, is_shown: bool
) -> None:
    show_code(acme, "centro", age_s=age_s)

    status = call(client, "GET", "/units/centro/whatsapp/status", getattr(acme, person)).json

    assert (status["status"], status["reason"]) == ("qr", "waiting_scan")
    assert (status["qrCode"] is not None) is is_shown


def test_status_of_a_unit_that_was_never_connected(client: FlaskClient, acme: Company, praia: str) -> None:
    status = call(client, "GET", f"{praia}/status", acme.admin).json

    assert status["status"] == "not_configured"
    assert [status[name] for name in ("reason", "phone", "qrCode", "connectedAt", "disconnectedAt")] == [None] * 5


def test_qrcode_is_the_current_one(client: FlaskClient, acme: Company, praia: str) -> None:
    show_code(acme)

    response = call(client, "GET", f"{praia}/qrcode", acme.admin)

    assert response.status_code == 200
    assert response.json["qrCode"] == png_address(CODE)


@pytest.mark.parametrize(
    "state",
    [{"status": "disconnected", "status_reason": "qr_expired"}, {"status": "qr", "status_reason": "waiting_scan"}],
    ids=["limit-reached", "not-renewed"],
)
@pytest.mark.usefixtures("_impatient")
def test_qrcode_that_ran_out_is_asked_for_again(
    client: FlaskClient, acme: Company, praia: str, state: dict[str, str]
) -> None:
    show_code(acme, age_s=300)
    set_state(acme, "praia", **state)

    response = call(client, "GET", f"{praia}/qrcode", acme.admin)

    assert response.status_code == 202
    assert (response.json["qrCode"], response.json["reason"]) == (None, "initializing")
    assert action_of(acme) == "connect"


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ({"status": "not_configured"}, 404, "no_qr_code"),
        ({"status": "disconnected", "status_reason": "logged_out"}, 404, "no_qr_code"),
        ({"status": "connected"}, 409, "conflict"),
    ],
    ids=lambda value: value.get("status_reason") or value["status"] if isinstance(value, dict) else None,
)
def test_qrcode_is_refused_in_words_when_nobody_asked_for_one(
    client: FlaskClient, acme: Company, praia: str, state: dict[str, str], status: int, code: str
) -> None:
    set_state(acme, "praia", **state)

    response = call(client, "GET", f"{praia}/qrcode", acme.admin)

    assert (response.status_code, response.json["error"]["code"]) == (status, code)
    assert action_of(acme) is None


def test_disconnect_notes_the_wish(client: FlaskClient, acme: Company) -> None:
    response = call(client, "DELETE", "/units/centro/whatsapp/disconnect", acme.admin)

    assert (response.status_code, response.json) == (200, {"success": True})
    assert action_of(acme, "centro") == "disconnect"


def test_disconnect_answers_409_when_nothing_is_linked(client: FlaskClient, acme: Company, praia: str) -> None:
    response = call(client, "DELETE", f"{praia}/disconnect", acme.admin)

    assert response.status_code == 409


@pytest.mark.commits
def test_connect_answers_as_soon_as_the_row_has_the_code(app: Flask, acme: Company, praia: str) -> None:
    def bring_code() -> None:
        with app.app_context():
            show_code(acme)

    worker = threading.Timer(0.5, bring_code)
    worker.start()
    began_at = now()

    response = call(app.test_client(), "POST", f"{praia}/connect", acme.admin, json={"provider": "evolution"})
    worker.join()

    assert response.status_code == 201
    assert response.json["connection"]["qrCode"] == png_address(CODE)
    assert timedelta(seconds=0.5) <= now() - began_at < timedelta(seconds=5)
