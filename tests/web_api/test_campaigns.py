"""Campaigns by the API: made, dispatched, paused, resumed, cancelled, and seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from portal.clock import now
from portal.db import atomic, db
from portal.models import CampaignRecipient, ContactTag, Message, MessageStatus, RecipientState, Tag
from portal.queries.campaigns import Rung
from portal.services import campaign_calls, conversations
from portal.tenancy import acting_for
from tests.factories import make_api_token
from tests.web_api.seed import Company, call, change_connection, make_unit

URL = "/api/campaigns"
PHONES = ["+55 11 98888-0001", "+55 11 98888-0002", "nobody", "11 98888-0001"]


def create(client: FlaskClient, company: Company, **body: object) -> TestResponse:
    given = {"name": "Natal", "content": "Boas festas!", "phones": PHONES, **body}
    return call(client, "POST", URL, company.admin, json=given)


def created(client: FlaskClient, company: Company, **body: object) -> dict[str, Any]:
    response = create(client, company, **body)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json
    return answer


def act(client: FlaskClient, company: Company, campaign: dict[str, Any], action: str) -> TestResponse:
    return call(client, "POST", f"{URL}/{campaign['id']}/{action}", company.admin)


def make_tagged(company: Company, name: str, *phones: str) -> list[str]:
    """Contacts who bear that tag; their ids."""
    with acting_for(company.scope), atomic():
        tag = company.scope.add(Tag(name=name))
        db.session.flush()
        ids = [conversations.find_or_add_contact(company.scope, phone=phone) for phone in phones]
        for contact_id in ids:
            company.scope.add(ContactTag(contact_id=contact_id, tag_id=tag.id))
    return [str(contact_id) for contact_id in ids]


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """What the database is asked inside the block."""
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def test_campaign_is_planned_in_the_call(client: FlaskClient, acme: Company) -> None:
    campaign = created(client, acme)

    assert (campaign["status"], campaign["total"], campaign["name"]) == ("draft", 4, "Natal")
    assert set(campaign["counts"]) == set(Rung)
    assert {rung: number for rung, number in campaign["counts"].items() if number} == {"pending": 2, "skipped": 2}
    assert campaign["skipped"] == [
        {"phone": "nobody", "reason": "invalid"},
        {"phone": "11 98888-0001", "reason": "duplicate"},
    ]
    assert campaign["finishesAt"] is not None


def test_people_are_chosen_by_id_and_by_tag(client: FlaskClient, acme: Company) -> None:
    tagged = make_tagged(acme, "VIP", "5511977770002", "5511977770003")
    others = make_tagged(acme, "outros", "5511977770004")

    campaign = created(client, acme, phones=[], tags=["vip"], contactIds=others)

    recipients = call(client, "GET", f"{URL}/{campaign['id']}", acme.agent).json["recipients"]["items"]
    assert {item["contactId"] for item in recipients} == {*tagged, *others}


def test_variants_are_given_as_a_list(client: FlaskClient, acme: Company) -> None:
    campaign = created(client, acme, content=["Oi!", "Olá!"])

    recipients = call(client, "GET", f"{URL}/{campaign['id']}", acme.admin).json["recipients"]["items"]
    assert {item["variant"] for item in recipients if item["status"] == "pending"} == {1, 2}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": " "}, "name"),
        ({"content": ""}, "content"),
        ({"content": ["one"]}, "content"),
        ({"content": ["1", "2", "3", "4", "5", "6"]}, "content"),
        ({"content": {"text": "Oi"}}, "content"),
        ({"content": "((name"}, "content"),
        ({"tags": ["nobody bears this"]}, "tags"),
        ({"phones": []}, "contactIds"),
        ({"contactIds": ["x"]}, "contactIds.0"),
        ({"phones": None}, "phones"),
        ({"tags": "VIP"}, "tags"),
        ({"contactIds": ["00000000-0000-0000-0000-000000000001"]}, "contactIds"),
        ({"scheduledAt": "tomorrow"}, "scheduledAt"),
        ({"scheduledAt": "2020-01-01T12:00:00Z"}, "scheduledAt"),
        ({"scheduledAt": "2100-01-01T12:00:00Z"}, "scheduledAt"),
        ({"scheduledAt": "9999-12-31T23:59:59-12:00"}, "scheduledAt"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left_of_it(
    client: FlaskClient, acme: Company, body: dict[str, object], field: str
) -> None:
    response = create(client, acme, **body)

    assert response.status_code == 422
    assert list(response.json["error"]["details"]) == [field]
    assert response.json["error"]["message"] not in ("Field may not be null.", "Not a valid list.")
    assert call(client, "GET", URL, acme.admin).json["items"] == []


def test_too_many_at_once_are_refused(client: FlaskClient, acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_calls, "MOST_LINES", 3)

    response = create(client, acme)

    assert response.status_code == 422
    assert "Split them" in response.json["error"]["details"]["contactIds"]


def test_unit_must_be_named_where_there_are_several(client: FlaskClient, acme: Company) -> None:
    make_unit(acme.scope, "praia")

    unnamed, named = create(client, acme), create(client, acme, unitId="praia")

    assert list(unnamed.json["error"]["details"]) == ["unitId"]
    assert named.status_code == 201


def test_campaign_goes_its_way(client: FlaskClient, acme: Company) -> None:
    campaign = created(client, acme)

    answers = [act(client, acme, campaign, action) for action in ("dispatch", "pause", "resume", "cancel")]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.json["status"] for answer in answers] == ["processing", "paused", "processing", "cancelled"]
    assert answers[1].json["pauseReason"] == "person"
    assert (answers[3].json["counts"]["cancelled"], answers[3].json["finishesAt"]) == (2, None)


@pytest.mark.parametrize(
    ("before", "action"),
    [([], "pause"), ([], "resume"), ([], "cancel"), (["dispatch"], "dispatch"), (["dispatch", "cancel"], "resume")],
)
def test_what_the_state_does_not_allow_answers_409(
    client: FlaskClient, acme: Company, before: list[str], action: str
) -> None:
    campaign = created(client, acme)
    for earlier in before:
        act(client, acme, campaign, earlier)

    response = act(client, acme, campaign, action)

    assert response.status_code == 409
    assert response.json["error"]["code"].startswith("campaign_")


def test_dispatch_waits_for_the_time_that_was_asked_for(client: FlaskClient, acme: Company) -> None:
    at = now() + timedelta(days=2)
    campaign = created(client, acme, scheduledAt=at.isoformat())

    answer = act(client, acme, campaign, "dispatch").json

    assert answer["status"] == "scheduled"
    assert answer["scheduledAt"] == at.isoformat()
    assert answer["finishesAt"] > at.isoformat()


def test_unit_that_was_never_connected_answers_409(client: FlaskClient, acme: Company) -> None:
    campaign = created(client, acme)
    change_connection(acme.scope, acme.unit_id, connected_at=None)

    response = act(client, acme, campaign, "dispatch")

    assert response.status_code == 409
    assert response.json["error"]["code"] == "never_connected"


def test_list_comes_newest_first_in_pages_and_is_filtered(client: FlaskClient, acme: Company) -> None:
    ids = [created(client, acme, name=f"Nº {number}")["id"] for number in range(3)]
    call(client, "POST", f"{URL}/{ids[0]}/dispatch", acme.admin)

    first = call(client, "GET", f"{URL}?limit=2", acme.agent).json
    second = call(client, "GET", f"{URL}?limit=2&cursor={first['next']}", acme.agent).json
    running = call(client, "GET", f"{URL}?status=processing&unitId=centro", acme.agent).json

    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    assert [item["id"] for item in second["items"]] == [ids[0]]
    assert second["next"] is None
    assert [(item["id"], item["counts"]["pending"]) for item in running["items"]] == [(ids[0], 2)]
    assert running["items"][0]["finishesAt"] is not None


@pytest.mark.parametrize(
    ("query", "field"), [("status=nonsense", "status"), ("limit=0", "limit"), ("cursor=x", "cursor")]
)
def test_list_that_cannot_be_is_refused(client: FlaskClient, acme: Company, query: str, field: str) -> None:
    response = call(client, "GET", f"{URL}?{query}", acme.admin)

    assert (response.status_code, list(response.json["error"]["details"])) == (422, [field])


def test_recipients_come_in_pages(client: FlaskClient, acme: Company) -> None:
    campaign = created(client, acme)

    found, cursor = [], ""
    while cursor is not None:
        query = f"?limit=3&cursor={cursor}" if cursor else "?limit=3"
        page = call(client, "GET", f"{URL}/{campaign['id']}{query}", acme.agent).json["recipients"]
        found.append([(item["position"], item["phone"], item["status"], item["reason"]) for item in page["items"]])
        cursor = page["next"]

    assert found == [
        [
            (1, "5511988880001", "pending", None),
            (2, "5511988880002", "pending", None),
            (3, "nobody", "skipped", "invalid"),
        ],
        [(4, "11 98888-0001", "skipped", "duplicate")],
    ]


@pytest.mark.parametrize("cursor", ["x", "LTE=", "OTk5OTk5OTk5OTk5", "%C3%A9"])
def test_page_of_recipients_that_cannot_be_is_refused(client: FlaskClient, acme: Company, cursor: str) -> None:
    campaign = created(client, acme)

    response = call(client, "GET", f"{URL}/{campaign['id']}?cursor={cursor}", acme.admin)

    assert (response.status_code, list(response.json["error"]["details"])) == (422, ["cursor"])


def test_agent_reads_own_units_and_changes_nothing(client: FlaskClient, acme: Company) -> None:
    own = created(client, acme)
    make_unit(acme.scope, "praia")
    other = created(client, acme, unitId="praia")

    seen = call(client, "GET", URL, acme.agent).json["items"]
    refused = [
        call(client, "POST", f"{URL}/{own['id']}/{action}", acme.agent)
        for action in ("dispatch", "pause", "resume", "cancel")
    ]

    assert [item["id"] for item in seen] == [own["id"]]
    assert call(client, "GET", f"{URL}/{other['id']}", acme.agent).status_code == 404
    assert {response.status_code for response in refused} == {403}
    assert call(client, "POST", URL, acme.agent, json={"name": "x", "content": "y"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", ""), ("POST", "/dispatch"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel")],
)
def test_another_companys_campaign_is_not_there(
    client: FlaskClient, acme: Company, rival: Company, method: str, action: str
) -> None:
    campaign = created(client, rival)

    with_token = call(client, method, f"{URL}/{campaign['id']}{action}", acme.admin)
    without = call(client, method, f"{URL}/{campaign['id']}{action}")

    assert (with_token.status_code, without.status_code) == (404, 401)


def test_another_companys_unit_and_people_are_not_there(client: FlaskClient, acme: Company, rival: Company) -> None:
    theirs = make_tagged(rival, "vip", "5511977770002")

    assert create(client, acme, unitId=str(rival.unit_id)).status_code == 404
    assert create(client, acme, contactIds=theirs).status_code == 422
    assert create(client, acme, tags=["vip"]).status_code == 422


def test_end_is_the_same_in_the_list_and_not_before_its_time(client: FlaskClient, acme: Company) -> None:
    at = now() + timedelta(days=2)
    campaign = created(client, acme, scheduledAt=at.isoformat())

    listed = call(client, "GET", URL, acme.admin).json["items"][0]["finishesAt"]

    assert listed == campaign["finishesAt"] > at.isoformat()


def test_what_is_resumed_before_its_time_waits_for_it_and_ends_after_it(client: FlaskClient, acme: Company) -> None:
    at = now() + timedelta(days=2)
    campaign = created(client, acme, scheduledAt=at.isoformat())

    resumed = [act(client, acme, campaign, action) for action in ("dispatch", "pause", "resume")][-1].json

    assert resumed["status"] == "scheduled"
    assert resumed["finishesAt"] >= at.isoformat()


def test_whoever_opted_out_while_their_message_waited_says_so(client: FlaskClient, acme: Company) -> None:
    campaign = created(client, acme, phones=PHONES[:1])
    with acting_for(acme.scope), atomic():
        message_id = conversations.send_to_phone(acme.scope, acme.unit_id, phone=PHONES[0], text="Oi").message.id
        gone = acme.scope.update(Message).values(status=MessageStatus.CANCELLED, error_code="opted_out")
        handed = acme.scope.update(CampaignRecipient).values(state=RecipientState.HANDED, message_id=message_id)
        for statement in (gone, handed):
            db.session.execute(statement.execution_options(synchronize_session=False))

    answer = call(client, "GET", f"{URL}/{campaign['id']}", acme.admin).json

    assert answer["counts"]["skipped"] == 1
    assert [(item["status"], item["reason"]) for item in answer["recipients"]["items"]] == [("skipped", "opted_out")]


def test_many_tags_take_no_more_statements_than_one(client: FlaskClient, acme: Company) -> None:
    for number in range(3):
        make_tagged(acme, f"Tag {number}", "5511977770002")

    with counted_statements() as of_one:
        created(client, acme, phones=[], tags=["tag 0"])
    with counted_statements() as of_many:
        created(client, acme, phones=[], tags=["tag 0", "Tag 1", " TAG 2 ", "Tag 0"])

    assert len(of_many) == len(of_one)


def test_what_was_pasted_is_not_read_to_see_a_campaign(client: FlaskClient, acme: Company) -> None:
    campaign = created(client, acme)

    with counted_statements() as statements:
        call(client, "GET", URL, acme.admin)
        call(client, "GET", f"{URL}/{campaign['id']}", acme.admin)

    assert not [statement for statement in statements if "campaigns.audience" in statement]


def test_token_for_one_unit_makes_campaigns_among_the_people_of_that_unit(client: FlaskClient, acme: Company) -> None:
    ours, theirs = make_tagged(acme, "VIP", "5511988880001", "5511988880002")
    with acting_for(acme.scope), atomic():
        conversations.open_conversation(acme.scope, acme.unit_id, UUID(ours))
    token = make_api_token(acme.scope, "campaigns", unit_ids=[acme.unit_id])
    body = {"name": "Natal", "content": "Boas festas!"}

    tagged = call(client, "POST", URL, token, json={**body, "tags": ["VIP"]})
    named = call(client, "POST", URL, token, json={**body, "contactIds": [theirs]})
    typed = call(client, "POST", URL, token, json={**body, "phones": ["+55 11 98888-0009"]})

    assert (tagged.status_code, tagged.json["total"]) == (201, 1)
    assert (named.status_code, list(named.json["error"]["details"])) == (422, ["contactIds"])
    assert (typed.status_code, typed.json["total"]) == (201, 1)
