"""Test tokens: every call answers as for a live token, and nothing that was really made changes."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal import tenancy
from portal.clock import now
from portal.models import Campaign, Connection, Message
from portal.queries import units
from portal.tenancy import acting_for
from portal.web.api.qr import png_address
from tests.factories import make_api_token
from tests.web_api.seed import CODE, Company, call, change_connection, close_lane, count_messages, make_unit

BODY = {"phone": "+55 11 98888-0001", "message": "Hello"}
CAMPAIGN = {"name": "Natal", "content": "Boas festas!", "phones": ["+55 11 98888-0001"]}
CAMPAIGNS = "/api/campaigns"


@pytest.fixture
def rehearsing(acme: Company) -> str:
    return make_api_token(acme.scope, kind="test")


@pytest.fixture
def live(acme: Company) -> str:
    return make_api_token(acme.scope)


@pytest.fixture
def praia(acme: Company) -> str:
    """The address of a unit that was never connected."""
    return f"/units/{make_unit(acme.scope, 'praia', is_connected=False)}/whatsapp"


def connection_of(company: Company, slug: str = "praia") -> Connection:
    with tenancy.acting_for(company.scope):
        return units.get_connection(company.scope, units.get_unit(company.scope, slug).id)


def stand(connection: Connection) -> dict[str, Any]:
    return {column.name: getattr(connection, column.name) for column in connection.__table__.columns}


@pytest.mark.parametrize(("kind", "is_test"), [("rehearsing", True), ("live", False)])
def test_message_says_whether_it_is_a_test(
    client: FlaskClient, acme: Company, request: pytest.FixtureRequest, kind: str, is_test: bool
) -> None:
    token = request.getfixturevalue(kind)

    sent = call(client, "POST", "/units/centro/whatsapp/send", token, json=BODY)

    assert (sent.status_code, sent.json["status"], sent.json["test"]) == (202, "queued", is_test)
    shown = call(client, "GET", f"/messages/{sent.json['messageId']}", token).json
    assert (shown["test"], shown["body"]) == (is_test, "Hello")


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("rehearsing", "rehearsing", 200),
        ("live", "live", 200),
        ("rehearsing", "live", 409),
        ("live", "rehearsing", 409),
    ],
)
def test_a_test_is_never_taken_for_a_real_message(
    client: FlaskClient, acme: Company, request: pytest.FixtureRequest, first: str, second: str, status: int
) -> None:
    tokens = [request.getfixturevalue(kind) for kind in (first, second)]

    answers = [call(client, "POST", "/messages", token, json={**BODY, "clientMessageId": "a1"}) for token in tokens]

    assert [answer.status_code for answer in answers] == [202, status]
    assert count_messages(acme.scope) == 1
    if status == 409:
        assert answers[1].json["error"]["code"] == "client_message_id_used"


def test_unit_that_was_never_connected_sends_no_test(client: FlaskClient, praia: str, rehearsing: str) -> None:
    response = call(client, "POST", f"{praia}/send", rehearsing, json=BODY)

    assert (response.status_code, response.json["error"]["code"]) == (409, "never_connected")


def test_test_message_is_held_while_the_unit_is_away(client: FlaskClient, acme: Company, rehearsing: str) -> None:
    close_lane(acme.scope, acme.unit_id)

    response = call(client, "POST", "/messages", rehearsing, json=BODY)

    assert (response.status_code, response.json["held"]) == (202, True)


def create(client: FlaskClient, token: str) -> dict[str, Any]:
    response = call(client, "POST", CAMPAIGNS, token, json=CAMPAIGN)
    assert response.status_code == 201, response.text
    campaign: dict[str, Any] = response.json
    return campaign


def act(client: FlaskClient, token: str, campaign: dict[str, Any], action: str) -> TestResponse:
    return call(client, "POST", f"{CAMPAIGNS}/{campaign['id']}/{action}", token)


def test_campaign_of_a_test_token_is_a_test(client: FlaskClient, acme: Company, rehearsing: str, live: str) -> None:
    tried, real = create(client, rehearsing), create(client, live)

    assert (tried["test"], real["test"]) == (True, False)
    items = call(client, "GET", CAMPAIGNS, rehearsing).json["items"]
    assert {item["id"]: item["test"] for item in items} == {tried["id"]: True, real["id"]: False}
    with acting_for(acme.scope):
        campaign = acme.scope.get(Campaign, tried["id"])
    assert campaign.number_check_at is None


def test_test_token_decides_about_test_campaigns(client: FlaskClient, rehearsing: str) -> None:
    campaign = create(client, rehearsing)

    statuses = [act(client, rehearsing, campaign, action).json["status"] for action in ("dispatch", "pause", "resume")]
    cancelled = act(client, rehearsing, campaign, "cancel")

    assert statuses == ["processing", "paused", "processing"]
    assert (cancelled.json["status"], cancelled.json["test"]) == ("cancelled", True)


@pytest.mark.parametrize("action", ["dispatch", "pause", "resume", "cancel"])
def test_test_token_leaves_real_campaigns_alone(client: FlaskClient, rehearsing: str, live: str, action: str) -> None:
    campaign = create(client, live)
    if action != "dispatch":
        act(client, live, campaign, "dispatch")
    if action == "resume":
        act(client, live, campaign, "pause")
    before = call(client, "GET", f"{CAMPAIGNS}/{campaign['id']}", live).json["status"]

    response = act(client, rehearsing, campaign, action)

    assert (response.status_code, response.json["error"]["code"]) == (409, "conflict")
    assert call(client, "GET", f"{CAMPAIGNS}/{campaign['id']}", live).json["status"] == before


def test_test_campaign_stays_a_test_whoever_runs_it(client: FlaskClient, rehearsing: str, live: str) -> None:
    campaign = create(client, rehearsing)

    response = act(client, live, campaign, "dispatch")

    assert (response.status_code, response.json["status"], response.json["test"]) == (200, "processing", True)


def test_connect_answers_with_an_example_and_nothing_changes(
    client: FlaskClient, acme: Company, praia: str, rehearsing: str
) -> None:
    before = stand(connection_of(acme))

    response = call(client, "POST", f"{praia}/connect", rehearsing, json={"provider": "evolution"})

    assert (response.status_code, response.json["success"], response.json["test"]) == (201, True, True)
    connection = response.json["connection"]
    assert (connection["status"], connection["qrCode"]) == ("qr", png_address("test"))
    assert call(client, "GET", f"{praia}/qrcode", rehearsing).json["qrCode"] == png_address("test")
    assert stand(connection_of(acme)) == before
    status = call(client, "GET", f"{praia}/status", rehearsing).json
    assert (status["status"], status["test"]) == ("not_configured", True)


@pytest.mark.parametrize(("method", "path"), [("POST", "connect"), ("GET", "qrcode")])
def test_connected_unit_shows_no_example(
    client: FlaskClient, acme: Company, rehearsing: str, method: str, path: str
) -> None:
    response = call(client, method, f"/units/centro/whatsapp/{path}", rehearsing, json={})

    assert (response.status_code, response.json["error"]["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "field"), [({"provider": "telegram"}, "provider"), ({"pairingNumber": "123"}, "pairingNumber")]
)
def test_connect_refuses_what_it_does_not_know(
    client: FlaskClient, praia: str, rehearsing: str, body: dict[str, object], field: str
) -> None:
    response = call(client, "POST", f"{praia}/connect", rehearsing, json=body)

    assert response.status_code == 422
    assert list(response.json["error"]["details"]) == [field]


def test_code_that_links_a_phone_is_not_shown_to_a_test_token(
    client: FlaskClient, acme: Company, praia: str, rehearsing: str, live: str
) -> None:
    code = {"status": "qr", "status_reason": "waiting_scan", "qr_code": CODE, "pairing_code": "WZYEH1YY"}
    change_connection(acme.scope, connection_of(acme).unit_id, qr_updated_at=now(), **code)

    shown = {token: call(client, "GET", f"{praia}/status", token).json for token in (live, rehearsing)}

    assert (shown[live]["qrCode"], shown[live]["test"]) == (png_address(CODE), False)
    assert (shown[rehearsing]["status"], shown[rehearsing]["qrCode"]) == ("qr", None)
    assert call(client, "GET", f"{praia}/qrcode", rehearsing).json["qrCode"] == png_address("test")


def test_disconnect_unlinks_nothing(client: FlaskClient, acme: Company, rehearsing: str) -> None:
    before = stand(connection_of(acme, "centro"))

    response = call(client, "DELETE", "/units/centro/whatsapp/disconnect", rehearsing)

    assert (response.status_code, response.json) == (200, {"success": True, "test": True})
    assert stand(connection_of(acme, "centro")) == before


def test_disconnect_answers_409_when_nothing_is_linked(client: FlaskClient, praia: str, rehearsing: str) -> None:
    response = call(client, "DELETE", f"{praia}/disconnect", rehearsing)

    assert (response.status_code, response.json["error"]["code"]) == (409, "conflict")


def test_people_send_for_real(client: FlaskClient, acme: Company, rehearsing: str) -> None:
    sent = call(client, "POST", "/messages", acme.agent, json=BODY).json

    assert sent["test"] is False
    with acting_for(acme.scope):
        assert acme.scope.get(Message, sent["messageId"]).is_test is False
