"""How an instance is set up: which events it posts, its webhook as it is found, its settings, and what it stored."""

from datetime import UTC, datetime
from typing import Any

import pytest

from portal.evolution.client import EvolutionClient
from portal.evolution.types import ChatFilter, FoundWebhook, StoredPage, Webhook, events_of
from tests.evolution.little_servers import Scripted

WEBHOOK = Webhook(url="https://portal.test/hook", jwt_key="a-key")
SINCE, UNTIL = datetime(2026, 5, 17, 10, 0, tzinfo=UTC), datetime(2026, 5, 17, 10, 4, tzinfo=UTC)
ROW = {
    "id": "cm1",
    "url": "https://portal.test/hook",
    "headers": {"jwt_key": "a-key"},
    "enabled": True,
    "events": ["CALL", "MESSAGES_UPSERT"],
    "webhookByEvents": True,
    "webhookBase64": False,
    "createdAt": "2026-05-17T10:00:00.000Z",
    "updatedAt": "2026-05-17T10:00:00.000Z",
    "instanceId": "8c5a1a7e-3a41-4d1f-9f3f-2a3f5c6d7e8f",
}
SETTINGS = {
    "rejectCall": True,
    "msgCall": "Escreva",
    "groupsIgnore": True,
    "alwaysOnline": True,
    "readMessages": False,
    "readStatus": False,
    "syncFullHistory": False,
    "wavoipToken": None,
}


@pytest.mark.parametrize(
    ("version", "knows_news"), [((2, 1), False), ((2, 2), False), ((2, 3), True), ((2, 4), True), ((), True)]
)
def test_events_are_those_that_the_version_knows(version: tuple[int, ...], knows_news: bool) -> None:
    events = events_of(version)

    assert ({"STATUS_INSTANCE", "SEND_MESSAGE_UPDATE"} <= set(events)) is knows_news
    assert {"MESSAGES_UPSERT", "MESSAGES_SET", "MESSAGES_EDITED", "MESSAGES_DELETE", "CALL"} <= set(events)
    assert not {"CHATS_UPSERT", "CONTACTS_UPDATE", "PRESENCE_UPDATE", "LABELS_EDIT"} & set(events)
    assert len(events) == len(set(events))


def test_the_events_of_a_webhook_are_asked_for(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, ROW)

    client.set_webhook("unit_1", Webhook(url="https://portal.test/hook", jwt_key="a-key", events=("CALL",)))

    assert evolution.asked[0].body["webhook"]["events"] == ["CALL"]


def test_an_instance_is_made_for_the_chats_that_are_wanted(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, {})

    client.create_instance("unit_1", webhook=WEBHOOK)
    client.create_instance("unit_1", webhook=WEBHOOK, chats=ChatFilter(ignores_groups=False, reads_status=True))

    made = [(asked.body["groupsIgnore"], asked.body["readStatus"]) for asked in evolution.asked]
    assert made == [(True, False), (False, True)]


def test_a_webhook_is_found_as_it_is(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, ROW)

    found = client.find_webhook("unit_1")

    assert found == FoundWebhook(
        url="https://portal.test/hook",
        is_enabled=True,
        events=frozenset({"CALL", "MESSAGES_UPSERT"}),
        by_events=True,
        has_base64=False,
        headers={"jwt_key": "a-key"},
    )
    assert (evolution.asked[0].method, evolution.asked[0].path) == ("GET", "/webhook/find/unit_1")


def test_no_webhook_is_none(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, None)

    assert client.find_webhook("unit_1") is None


def test_a_webhook_without_headers_and_events_is_found(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {**ROW, "headers": None, "events": None, "enabled": False})

    found = client.find_webhook("unit_1")

    assert found is not None
    assert (found.is_enabled, found.events, found.headers) == (False, frozenset(), {})


@pytest.mark.parametrize(
    ("found", "sent"),
    [
        (
            {**SETTINGS, "id": "cm2", "instanceId": "x"},
            {name: value for name, value in SETTINGS.items() if value is not None},
        ),
        (None, dict.fromkeys([name for name, value in SETTINGS.items() if isinstance(value, bool)], False)),
    ],
    ids=["found", "none"],
)
def test_settings_are_sent_whole(
    evolution: Scripted, client: EvolutionClient, found: dict[str, Any] | None, sent: dict[str, Any]
) -> None:
    """Evolution refuses a part of them (contract §8), and what is no setting."""
    evolution.answer(201, {})

    client.set_settings("unit_1", found=found, chats=ChatFilter(ignores_groups=False, reads_status=True))

    assert (evolution.asked[0].method, evolution.asked[0].path) == ("POST", "/settings/set/unit_1")
    assert evolution.asked[0].body == {**sent, "groupsIgnore": False, "readStatus": True}


def test_the_settings_of_an_instance_come_with_its_row(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, [{"name": "unit_1", "connectionStatus": "open", "Setting": SETTINGS}])

    assert client.fetch_instance("unit_1").settings == SETTINGS


def test_stored_messages_of_both_sides_are_read_by_the_page(evolution: Scripted, client: EvolutionClient) -> None:
    records = [{"key": {"id": "A"}}]
    evolution.answer(200, {"messages": {"total": 201, "pages": 3, "currentPage": 2, "records": records}})

    page = client.find_messages("unit_1", since=SINCE, until=UNTIL, page=2)

    assert page == StoredPage(records, pages=3, total=201)
    assert evolution.asked[0].path == "/chat/findMessages/unit_1"
    assert evolution.asked[0].body == {
        "where": {"messageTimestamp": {"gte": "2026-05-17T10:00:00+00:00", "lte": "2026-05-17T10:04:00+00:00"}},
        "page": 2,
        "offset": 100,
    }


@pytest.mark.parametrize("body", [{}, {"messages": None}, []])
def test_no_stored_messages_are_an_empty_page(evolution: Scripted, client: EvolutionClient, body: object) -> None:
    evolution.answer(200, body)

    assert client.find_messages("unit_1", since=SINCE, until=UNTIL, page=1) == StoredPage([], pages=0, total=0)
