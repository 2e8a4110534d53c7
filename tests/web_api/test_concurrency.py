"""A repeated call waits for nobody: whoever holds the unit, and whoever the person has become meanwhile."""

from threading import Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.db import atomic, db
from portal.models import Contact
from portal.services import delivery
from portal.tenancy import acting_for
from tests.web_api.seed import Company, call

BODY = {"phone": "(11) 98888-0001", "message": "Hello", "clientMessageId": "order-1"}


@pytest.mark.commits
def test_repeat_is_answered_while_somebody_holds_the_unit(app: Flask, acme: Company) -> None:
    first = call(app.test_client(), "POST", "/messages", acme.admin, json=BODY).json
    answers = []

    def repeat() -> None:
        answers.append(call(app.test_client(), "POST", "/messages", acme.admin, json=BODY))

    with acting_for(acme.scope), atomic():
        delivery.lock_unit(acme.scope, acme.unit_id)
        caller = Thread(target=repeat)
        caller.start()
        caller.join(10)
        is_answered = not caller.is_alive()
    caller.join()

    assert is_answered
    assert (answers[0].status_code, answers[0].json["deduplicated"]) == (200, True)
    assert answers[0].json["messageId"] == first["messageId"]


def test_repeat_is_recognised_by_the_number_of_a_contact_that_was_merged_into_another(
    client: FlaskClient, acme: Company
) -> None:
    kept = call(client, "POST", "/messages", acme.admin, json={**BODY, "phone": "(11) 98888-0002"}).json
    other = call(client, "POST", "/messages", acme.admin, json={"phone": BODY["phone"], "message": "Hi"}).json
    merge(acme, other["phone"], into=kept["phone"])

    repeated = call(client, "POST", "/messages", acme.admin, json=BODY)

    assert (repeated.status_code, repeated.json["messageId"]) == (200, kept["messageId"])


def test_same_id_to_another_person_is_another_message(client: FlaskClient, acme: Company) -> None:
    first = call(client, "POST", "/messages", acme.admin, json=BODY)
    second = call(client, "POST", "/messages", acme.admin, json={**BODY, "phone": "(11) 98888-0002"})

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["messageId"] != second.json["messageId"]


def merge(company: Company, number: str, *, into: str) -> None:
    """Let one contact lead to another, as a merge by hand does."""
    with acting_for(company.scope), atomic():
        phone = company.scope.select(Contact)
        gone, kept = (db.session.scalars(phone.where(Contact.phone == one)).one() for one in (number, into))
        gone.merged_into_id = kept.id
