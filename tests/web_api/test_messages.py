"""Sending: what is accepted, what is a repeat, and what became of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import MessageStatus
from tests.factories import make_api_token
from tests.statements import counted
from tests.web_api.seed import Company, call, close_lane, count_messages, make_message, make_unit, settle_message

BODY = {"phone": "(11) 8888-0001", "message": "Hello"}


@pytest.mark.parametrize("path", ["/messages", "/units/centro/whatsapp/send"])
@pytest.mark.parametrize("person", ["admin", "agent"])
def test_message_is_queued_with_202(client: FlaskClient, acme: Company, path: str, person: str) -> None:
    response = call(client, "POST", path, getattr(acme, person), json=BODY)

    assert response.status_code == 202
    answer = response.json
    assert (answer["success"], answer["status"], answer["held"]) == (True, "queued", False)
    assert (answer["deduplicated"], answer["attempts"], answer["externalId"]) == (False, 0, None)
    assert (answer["phone"], answer["unitId"]) == ("5511988880001", str(acme.unit_id))
    shown = call(client, "GET", f"/messages/{answer['messageId']}", acme.admin).json
    assert (shown["direction"], shown["kind"], shown["body"]) == ("outbound", "text", "Hello")


def test_message_to_a_known_person_takes_few_statements(client: FlaskClient, acme: Company) -> None:
    token = make_api_token(acme.scope)
    for _ in range(2):
        call(client, "POST", "/messages", token, json={**BODY, "unitId": "centro"})

    with counted() as statements:
        response = call(client, "POST", "/messages", token, json={**BODY, "unitId": "centro"})

    # The token, the unit, its lock, the conversation, the lane's state; the message, the list's line, the lane.
    assert response.status_code == 202
    assert len(statements) <= 8, statements


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"phone": "123"}, "phone"),
        ({"phone": None}, "phone"),
        ({"phone": 5511988880001}, "phone"),
        ({"message": ""}, "message"),
        ({"message": " \n\x00"}, "message"),
        ({"message": "x" * 10_001}, "message"),
        ({"message": "cut \ud83d"}, "message"),
        ({"message": ["Hello"]}, "message"),
        ({"clientMessageId": ""}, "clientMessageId"),
        ({"clientMessageId": "x" * 121}, "clientMessageId"),
        ({"clientMessageId": 7}, "clientMessageId"),
        ({"answersTo": "3A01"}, "answersTo"),
        ({"answersTo": 7}, "answersTo"),
        ({"answersTo": "0197a000-0000-7000-8000-000000000001"}, "answersTo"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_message_that_cannot_be_sent_names_the_field(
    client: FlaskClient, acme: Company, changes: dict[str, object], field: str
) -> None:
    response = call(client, "POST", "/messages", acme.admin, json={**BODY, **changes})

    assert response.status_code == 422
    assert response.json["error"]["code"] == "invalid"
    assert list(response.json["error"]["details"]) == [field]
    assert count_messages(acme.scope) == 0


def test_fields_that_nobody_knows_are_ignored(client: FlaskClient, acme: Company) -> None:
    response = call(client, "POST", "/messages", acme.admin, json={**BODY, "colour": {"deep": [1]}})

    assert response.status_code == 202


@pytest.mark.parametrize(
    "other", [{}, {"phone": "+55 11 98888-0001"}, {"message": "Something else"}], ids=lambda value: str(value)[:40]
)
def test_same_client_message_id_returns_the_first_message(
    client: FlaskClient, acme: Company, other: dict[str, str]
) -> None:
    body = {**BODY, "clientMessageId": "order-1"}
    first = call(client, "POST", "/messages", acme.admin, json=body)

    second = call(client, "POST", "/units/centro/whatsapp/send", acme.admin, json={**body, **other})

    assert (first.status_code, second.status_code) == (202, 200)
    assert (first.json["deduplicated"], second.json["deduplicated"]) == (False, True)
    assert second.json["messageId"] == first.json["messageId"]
    assert count_messages(acme.scope) == 1


def test_same_client_message_id_to_another_person_is_another_message(client: FlaskClient, acme: Company) -> None:
    body = {**BODY, "clientMessageId": "order-1"}
    call(client, "POST", "/messages", acme.admin, json=body)

    response = call(client, "POST", "/messages", acme.admin, json={**body, "phone": "11988880002"})

    assert response.status_code == 202
    assert count_messages(acme.scope) == 2


def test_message_quotes_the_one_that_it_refers_to(client: FlaskClient, acme: Company) -> None:
    quoted = make_message(acme, phone=BODY["phone"], external_id="3A01", status=MessageStatus.SENT)

    answer = call(client, "POST", "/messages", acme.agent, json={**BODY, "answersTo": str(quoted.id)}).json

    shown = call(client, "GET", f"/messages/{answer['messageId']}", acme.agent).json
    assert (shown["refersTo"], shown["conversationId"]) == ("3A01", str(quoted.conversation_id))


@pytest.mark.parametrize(
    "changes",
    [{"phone": "11988880002"}, {"status": MessageStatus.FAILED}, {"deleted_at": now()}],
    ids=["elsewhere", "not_sent", "deleted"],
)
def test_message_that_cannot_be_quoted_is_refused(
    client: FlaskClient, acme: Company, changes: dict[str, object]
) -> None:
    columns = {"phone": BODY["phone"], "external_id": "3A01", "status": MessageStatus.SENT, **changes}
    quoted = make_message(acme, **columns)

    response = call(client, "POST", "/messages", acme.admin, json={**BODY, "answersTo": str(quoted.id)})

    assert (response.status_code, list(response.json["error"]["details"])) == (422, ["answersTo"])
    assert count_messages(acme.scope) == 1


def test_message_of_another_company_cannot_be_quoted(client: FlaskClient, acme: Company, rival: Company) -> None:
    theirs = make_message(rival, phone=BODY["phone"], external_id="3A01", status=MessageStatus.SENT)

    response = call(client, "POST", "/messages", acme.admin, json={**BODY, "answersTo": str(theirs.id)})

    assert (response.status_code, list(response.json["error"]["details"])) == (422, ["answersTo"])


def test_message_of_a_unit_that_is_away_is_held(client: FlaskClient, acme: Company) -> None:
    close_lane(acme.scope, acme.unit_id)

    response = call(client, "POST", "/messages", acme.admin, json=BODY, headers={"Prefer": "wait=10"})

    assert response.status_code == 202
    assert (response.json["held"], response.json["status"]) == (True, "queued")


def test_unit_that_was_never_connected_answers_409(client: FlaskClient, acme: Company) -> None:
    make_unit(acme.scope, "praia", is_connected=False)

    response = call(client, "POST", "/units/praia/whatsapp/send", acme.admin, json=BODY)

    assert response.status_code == 409
    assert response.json["error"]["code"] == "never_connected"


@pytest.mark.parametrize("reference", ["id", "slug"])
def test_unit_is_named_when_there_are_several(client: FlaskClient, acme: Company, reference: str) -> None:
    unit_id = make_unit(acme.scope, "praia")
    named = {"id": str(unit_id), "slug": "praia"}[reference]

    unnamed = call(client, "POST", "/messages", acme.admin, json=BODY)
    response = call(client, "POST", "/messages", acme.admin, json={**BODY, "unitId": named})

    assert (unnamed.status_code, list(unnamed.json["error"]["details"])) == (422, ["unitId"])
    assert (response.status_code, response.json["unitId"]) == (202, str(unit_id))


def test_agent_with_one_unit_need_not_name_it(client: FlaskClient, acme: Company) -> None:
    make_unit(acme.scope, "praia")

    response = call(client, "POST", "/messages", acme.agent, json=BODY)

    assert (response.status_code, response.json["unitId"]) == (202, str(acme.unit_id))


def test_message_is_shown_with_all_its_times_and_its_last_error(client: FlaskClient, acme: Company) -> None:
    message = make_message(acme)
    settle_message(acme, message.id, status="failed", error_code="refused", error_details="400", failed_at=now())

    shown = call(client, "GET", f"/messages/{message.id}", acme.agent).json

    times = {name for name in shown if name.endswith("At")}
    assert times == {
        "occurredAt",
        "createdAt",
        "sendingAt",
        "sentAt",
        "acceptedAt",
        "deliveredAt",
        "readAt",
        "failedAt",
        "lastRetryAt",
        "lastTriedAt",
        "editedAt",
        "deletedAt",
    }
    assert datetime.fromisoformat(shown["failedAt"]).utcoffset() is not None
    assert shown["lastError"] == {"code": "refused", "message": "400"}
    assert shown["errorCode"] == "refused"
    assert "could not send it" in shown["error"]


@pytest.mark.commits
def test_repeats_at_the_same_time_make_one_message(app: Flask, acme: Company) -> None:
    body = {**BODY, "clientMessageId": "order-1"}
    together = threading.Barrier(8)

    def send(_: int) -> tuple[int, bool, str]:
        together.wait(10)
        response = call(app.test_client(), "POST", "/messages", acme.admin, json=body)
        return response.status_code, response.json["deduplicated"], response.json["messageId"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    assert sorted(answer[:2] for answer in answers) == [(200, True)] * 7 + [(202, False)]
    assert len({message_id for _, _, message_id in answers}) == 1
    assert count_messages(acme.scope) == 1
