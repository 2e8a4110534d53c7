"""Lists of conversations and messages, page by page."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from portal import tenancy
from portal.db import atomic
from portal.models import Conversation
from tests.web_api.seed import Company, call, make_message, make_unit


def pages(client: FlaskClient, token: str, path: str, limit: int) -> list[list[str]]:
    """The ids of every page, following `next`."""
    found, cursor = [], ""
    while True:
        query = urlencode({"limit": limit, **({"cursor": cursor} if cursor else {})})
        answer = call(client, "GET", f"{path}?{query}", token).json
        found.append([item["id"] for item in answer["items"]])
        cursor = answer["next"]
        if not cursor:
            return found


def test_conversations_come_newest_first_in_pages(client: FlaskClient, acme: Company) -> None:
    messages = [make_message(acme, phone=f"+55 11 98888-000{n}") for n in range(5)]
    newest_first = [str(message.conversation_id) for message in reversed(messages)]

    found = pages(client, acme.agent, "/units/centro/conversations", 2)

    assert found == [newest_first[0:2], newest_first[2:4], newest_first[4:]]


def test_conversation_says_who_and_how_many_unread(client: FlaskClient, acme: Company) -> None:
    message = make_message(acme, text="See you tomorrow")
    with tenancy.acting_for(acme.scope), atomic():
        acme.scope.get(Conversation, message.conversation_id).unread = 3

    item = call(client, "GET", "/units/centro/conversations", acme.admin).json["items"][0]

    assert {name: item[name] for name in ("id", "phone", "name", "unread", "lastMessagePreview")} == {
        "id": str(message.conversation_id),
        "phone": "5511988880001",
        "name": None,
        "unread": 3,
        "lastMessagePreview": "See you tomorrow",
    }


def test_conversations_of_another_unit_are_left_out(client: FlaskClient, acme: Company) -> None:
    make_message(acme)
    make_unit(acme.scope, "praia")

    answer = call(client, "GET", "/units/praia/conversations", acme.admin).json

    assert answer == {"items": [], "next": None}


@pytest.mark.parametrize("apart_s", [1, 0], ids=["apart", "same-instant"])
def test_messages_come_newest_first_in_pages(client: FlaskClient, acme: Company, apart_s: int) -> None:
    first = make_message(acme)
    others = [make_message(acme, occurred_at=first.occurred_at + timedelta(seconds=apart_s * n)) for n in range(1, 5)]
    newest_first = [str(message.id) for message in reversed([first, *others])]

    found = pages(client, acme.agent, f"/conversations/{first.conversation_id}/messages", 2)

    assert found == [newest_first[0:2], newest_first[2:4], newest_first[4:]]


def test_message_item_has_what_is_promised(client: FlaskClient, acme: Company) -> None:
    message = make_message(acme)

    item = call(client, "GET", f"/conversations/{message.conversation_id}/messages", acme.admin).json["items"][0]

    promised = {"id", "direction", "kind", "body", "status", "externalId", "createdAt"}
    assert promised <= set(item)
    assert (item["direction"], item["status"], item["body"]) == ("outbound", "queued", "Good morning")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=MjAyNi0wMS0wMVQwMDowMDowMH5ub3QtYS11dWlk", "cursor"),
    ],
)
@pytest.mark.parametrize("path", ["/units/centro/conversations", "/conversations/{conversation}/messages"])
def test_page_that_cannot_be_is_refused(client: FlaskClient, acme: Company, path: str, query: str, field: str) -> None:
    url = path.format(conversation=make_message(acme).conversation_id)

    response = call(client, "GET", f"{url}?{query}", acme.admin)

    assert response.status_code == 422
    assert list(response.json["error"]["details"]) == [field]


def test_largest_page_is_allowed(client: FlaskClient, acme: Company) -> None:
    assert call(client, "GET", "/units/centro/conversations?limit=100", acme.admin).status_code == 200
