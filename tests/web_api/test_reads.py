"""What integrators read: messages of all conversations, one conversation, contacts, and only what is new."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, ContactTag, Conversation, Direction, Message, Tag
from portal.services import consent, conversations, merging
from portal.tenancy import acting_for
from tests.web_api.seed import Company, call, make_message
from tests.web_api.test_conversations import pages

MARIA, JOAO = "+55 11 98888-0001", "+55 11 98888-0002"


def ids(client: FlaskClient, token: str, path: str, **query: object) -> list[str]:
    response = call(client, "GET", f"{path}?{urlencode(query)}", token)
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json["items"]]


def change(company: Company, model: type[Message | Conversation | Contact], id_: object, **values: object) -> None:
    with acting_for(company.scope), atomic():
        db.session.execute(company.scope.update(model).where(model.id == id_).values(values))


def make_contact(company: Company, phone: str, *, tag: str = "", **values: object) -> str:
    with acting_for(company.scope), atomic():
        contact_id = conversations.find_or_add_contact(company.scope, phone=phone)
        if tag:
            row = company.scope.add(Tag(name=tag))
            db.session.flush()
            company.scope.add(ContactTag(contact_id=contact_id, tag_id=row.id))
    if values:
        change(company, Contact, contact_id, **values)
    return str(contact_id)


def contact_of(client: FlaskClient, company: Company, contact_id: object) -> dict[str, Any]:
    contact: dict[str, Any] = call(client, "GET", f"/contacts/{contact_id}", company.admin).json
    return contact


def test_messages_of_all_conversations_come_in_the_order_they_were_made(client: FlaskClient, acme: Company) -> None:
    made = [make_message(acme, phone=phone) for phone in (MARIA, JOAO, MARIA, JOAO, MARIA)]
    # By the clock of WhatsApp it is older than all: the order is that in which the portal learned of them.
    change(acme, Message, made[4].id, occurred_at=datetime.fromisoformat("2020-01-01T00:00:00Z"))
    newest_first = [str(message.id) for message in reversed(made)]

    assert pages(client, acme.agent, "/messages", 2) == [newest_first[0:2], newest_first[2:4], newest_first[4:]]


def test_listed_message_is_the_same_as_the_one_asked_for(client: FlaskClient, acme: Company) -> None:
    message = make_message(acme)

    listed = call(client, "GET", "/messages", acme.admin).json["items"]

    assert listed == [call(client, "GET", f"/messages/{message.id}", acme.admin).json]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "failed"}, ["failed"]),
        ({"status": "cancelled"}, []),
        ({"direction": "inbound"}, ["received"]),
        ({"direction": "outbound"}, ["failed", "queued"]),
        ({"direction": "outbound", "status": "queued"}, ["queued"]),
        ({"clientMessageId": "order-1"}, ["queued"]),
        ({"clientMessageId": "order-2"}, []),
        ({"unitId": "centro"}, ["received", "failed", "queued"]),
        ({"unitId": "praia"}, []),
    ],
    ids=lambda value: urlencode(value) if isinstance(value, dict) else "",
)
def test_messages_are_narrowed(
    client: FlaskClient, acme: Company, query: dict[str, str], expected: list[str], other_unit: Callable[[], str]
) -> None:
    other_unit()
    made = {
        "queued": make_message(acme, client_message_id="order-1"),
        "failed": make_message(acme, status="failed"),
        "received": make_message(acme, direction=Direction.INBOUND, status="received"),
    }

    assert ids(client, acme.admin, "/messages", **query) == [str(made[name].id) for name in expected]


def test_messages_since_an_instant_are_those_made_then_or_later(client: FlaskClient, acme: Company) -> None:
    make_message(acme)
    at = now()
    later = make_message(acme)

    assert ids(client, acme.admin, "/messages", since=at.isoformat()) == [str(later.id)]
    assert ids(client, acme.admin, "/messages", since="1950-01-01T00:00:00-03:00")[0] == str(later.id)
    assert ids(client, acme.admin, "/messages", since="9999-12-31T23:59:59Z") == []


def test_agent_reads_no_messages_of_other_units(
    client: FlaskClient, acme: Company, other_unit: Callable[[], str]
) -> None:
    own = make_message(acme)
    unit_id = other_unit()
    change(acme, Message, make_message(acme).id, unit_id=unit_id)

    assert ids(client, acme.agent, "/messages") == [str(own.id)]
    assert call(client, "GET", f"/messages?unitId={unit_id}", acme.agent).status_code == 404
    assert len(ids(client, acme.admin, "/messages")) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=lost", "status"),
        ("status=", "status"),
        ("status=QUEUED", "status"),
        ("direction=sideways", "direction"),
        ("since=2026-01-01T00:00:00", "since"),
        ("since=yesterday", "since"),
        ("since=", "since"),
        ("limit=0", "limit"),
        ("cursor=nonsense", "cursor"),
    ],
)
def test_message_list_that_cannot_be_is_refused(client: FlaskClient, acme: Company, query: str, field: str) -> None:
    response = call(client, "GET", f"/messages?{query}", acme.admin)

    assert (response.status_code, list(response.json["error"]["details"])) == (422, [field])


def test_one_conversation_is_as_in_the_list(client: FlaskClient, acme: Company) -> None:
    message = make_message(acme)

    listed = call(client, "GET", "/units/centro/conversations", acme.agent).json["items"]

    assert listed == [call(client, "GET", f"/conversations/{message.conversation_id}", acme.agent).json]


def test_one_conversation_without_a_message_is_shown(client: FlaskClient, acme: Company) -> None:
    message = make_message(acme)
    change(acme, Conversation, message.conversation_id, last_message_at=None)

    answer = call(client, "GET", f"/conversations/{message.conversation_id}", acme.agent)

    assert (answer.status_code, answer.json["lastMessageAt"]) == (200, None)


@pytest.mark.parametrize("path", ["/conversations/{}", "/contacts/{}", "/messages/{}"])
def test_nobody_finds_what_is_not_there(client: FlaskClient, acme: Company, path: str) -> None:
    response = call(client, "GET", path.format(uuid4()), acme.admin)

    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")


def test_conversations_are_narrowed_by_what_is_unread_and_new(client: FlaskClient, acme: Company) -> None:
    old, new = make_message(acme, phone=MARIA), make_message(acme, phone=JOAO)
    at = datetime.fromisoformat("2026-01-31T12:00:00-03:00")
    change(acme, Conversation, old.conversation_id, unread=2, last_message_at=datetime(2026, 1, 1, tzinfo=at.tzinfo))
    change(acme, Conversation, new.conversation_id, last_message_at=at)
    path, unread, read = "/units/centro/conversations", str(old.conversation_id), str(new.conversation_id)

    assert ids(client, acme.agent, path, unread="true") == [unread]
    assert ids(client, acme.agent, path, unread="false") == [read]
    assert ids(client, acme.agent, path, since="2026-01-31T15:00:00Z") == [read]
    assert ids(client, acme.agent, path, since="2026-01-31T15:00:01Z") == []


@pytest.mark.parametrize(("query", "field"), [("unread=yes", "unread"), ("unread=1", "unread"), ("since=1", "since")])
def test_conversation_list_that_cannot_be_is_refused(
    client: FlaskClient, acme: Company, query: str, field: str
) -> None:
    response = call(client, "GET", f"/units/centro/conversations?{query}", acme.admin)

    assert (response.status_code, list(response.json["error"]["details"])) == (422, [field])


def test_contact_tells_who_it_is_and_what_they_want(client: FlaskClient, acme: Company) -> None:
    contact_id = make_contact(acme, "5511988880001", tag="VIP", name="Maria", attributes={"city": "Santos"})

    assert contact_of(client, acme, contact_id) | {"createdAt": ""} == {
        "id": contact_id,
        "phone": "5511988880001",
        "name": "Maria",
        "tags": ["VIP"],
        "attributes": {"city": "Santos"},
        "optedOut": False,
        "optedOutAt": None,
        "optedInAt": None,
        "onWhatsapp": None,
        "lastMessageAt": None,
        "createdAt": "",
    }


def test_contact_tells_their_last_word_on_consent(client: FlaskClient, acme: Company) -> None:
    contact_id = make_message(acme).conversation_id
    contact_id = call(client, "GET", "/contacts", acme.admin).json["items"][0]["id"]
    with acting_for(acme.scope):
        consent.opt_out(acme.scope, contact_id)
        out = contact_of(client, acme, contact_id)
    with acting_for(acme.scope):
        consent.opt_in(acme.scope, contact_id, note="She called.")
    back = contact_of(client, acme, contact_id)

    assert (out["optedOut"], out["optedInAt"]) == (True, None)
    assert (back["optedOut"], back["optedOutAt"]) == (False, None)
    assert back["optedInAt"] > out["optedOutAt"]


def test_contacts_come_in_pages_the_last_added_first(client: FlaskClient, acme: Company) -> None:
    newest_first = [make_contact(acme, f"551198888000{place}") for place in range(5)][::-1]

    assert pages(client, acme.admin, "/contacts", 2) == [newest_first[0:2], newest_first[2:4], newest_first[4:]]


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"phone": "11 98888-0001"}, True),
        ({"phone": "+55 (11) 8888-0001"}, True),
        ({"phone": "+55 11 98888-0003"}, False),
        ({"tag": "vip"}, True),
        ({"tag": "nobody bears it"}, False),
        ({"search": "mária"}, True),
        ({"search": "888000"}, True),
        ({"search": "maria", "tag": "VIP", "phone": "5511988880001"}, True),
        ({"search": "joão", "tag": "VIP"}, False),
    ],
    ids=lambda value: urlencode(value) if isinstance(value, dict) else "",
)
def test_contacts_are_found(client: FlaskClient, acme: Company, query: dict[str, str], is_found: bool) -> None:
    maria = make_contact(acme, "5511988880001", tag="VIP", name="Maria")
    make_contact(acme, "5511977770002", name="João")

    assert ids(client, acme.admin, "/contacts", **query) == ([maria] if is_found else [])


def test_contacts_since_an_instant_are_those_added_then_or_later(client: FlaskClient, acme: Company) -> None:
    make_contact(acme, "5511988880001")
    at = now()
    later = make_contact(acme, "5511988880002")

    assert ids(client, acme.admin, "/contacts", since=at.isoformat()) == [later]


@pytest.mark.parametrize(("query", "field"), [("phone=123", "phone"), ("phone=", "phone"), ("since=x", "since")])
def test_contact_list_that_cannot_be_is_refused(client: FlaskClient, acme: Company, query: str, field: str) -> None:
    response = call(client, "GET", f"/contacts?{query}", acme.admin)

    assert (response.status_code, list(response.json["error"]["details"])) == (422, [field])


def test_merged_contact_is_answered_with_the_one_that_was_kept(client: FlaskClient, acme: Company) -> None:
    kept, other = make_contact(acme, "5511988880001"), make_contact(acme, "5511988880002")
    with acting_for(acme.scope):
        merging.merge_contacts(acme.scope, kept, other)

    assert contact_of(client, acme, other)["id"] == kept
    assert ids(client, acme.admin, "/contacts") == [kept]
    assert ids(client, acme.admin, "/contacts", phone="5511988880002") == [kept]


def test_agent_sees_the_people_of_their_own_units(client: FlaskClient, acme: Company) -> None:
    stranger = make_contact(acme, "5511977770009")
    make_message(acme)

    assert [one for one in ids(client, acme.agent, "/contacts") if one == stranger] == []
    assert len(ids(client, acme.agent, "/contacts")) == 1
    assert call(client, "GET", f"/contacts/{stranger}", acme.agent).status_code == 404
    assert call(client, "GET", f"/contacts/{stranger}", acme.admin).status_code == 200


@pytest.mark.parametrize("path", ["/messages", "/contacts", "/conversations/{}", "/contacts/{}"])
def test_operator_reads_nobody(client: FlaskClient, acme: Company, operator: str, path: str) -> None:
    assert call(client, "GET", path.format(uuid4()), operator).status_code == 403


def test_campaigns_since_an_instant_are_those_made_then_or_later(client: FlaskClient, acme: Company) -> None:
    body = {"name": "Easter", "content": "Hello", "phones": [MARIA]}
    call(client, "POST", "/api/campaigns", acme.admin, json=body)
    at = now()
    later = call(client, "POST", "/api/campaigns", acme.admin, json=body).json["id"]

    assert ids(client, acme.agent, "/api/campaigns", since=at.isoformat()) == [later]
    assert call(client, "GET", "/api/campaigns?since=2026-01-01", acme.agent).status_code == 422
