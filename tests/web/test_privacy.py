"""A person's data erased, and how long a company keeps what."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from portal.background.erasures import Erasures
from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    AuditEvent,
    Conversation,
    Direction,
    Erasure,
    Import,
    ImportSource,
    ImportState,
    MessageStatus,
    TenantSettings,
    Unit,
)
from portal.permissions import Role
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_media, make_message, make_user
from tests.web.conftest import OpenBrowser

SETTINGS = "/t/acme/settings/data"


@pytest.fixture
def person(conversation: Conversation) -> str:
    """The address of the person whose conversation it is."""
    return f"/t/acme/contacts/{conversation.contact_id}"


@pytest.fixture
def agent(connected_unit: Unit, browser: OpenBrowser) -> FlaskClient:
    return browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=(connected_unit.slug,)))


def settings_of(scope: TenantScope) -> tuple[int | None, int] | None:
    with acting_for(scope):
        columns = (TenantSettings.keep_messages_days, TenantSettings.keep_events_days)
        row = db.session.execute(scope.select(TenantSettings, *columns)).one_or_none()
    return tuple(row) if row else None  # type: ignore[return-value]


def actions(scope: TenantScope) -> list[str]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(AuditEvent, AuditEvent.action).order_by(AuditEvent.id)))


def erasures(scope: TenantScope) -> list[UUID]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Erasure, Erasure.contact_id)))


def save(client: FlaskClient, messages: str, events: str, **fields: str) -> Any:
    return client.post(SETTINGS, data={"messages": messages, "events": events, **fields})


def test_page_says_how_much_would_be_erased(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    make_message(acme, conversation, media_id=make_media(acme))
    make_message(acme, conversation)

    page = admin.get(f"{person}/erase").text

    assert "2 messages, 1 file, 1 conversation" in page


def test_nothing_is_erased_without_the_tick(acme: TenantScope, admin: FlaskClient, person: str) -> None:
    response = admin.post(f"{person}/erase")

    assert response.status_code == 422
    assert "Tick this box first" in response.text
    assert erasures(acme) == []


def test_erasure_is_asked_for_with_the_tick(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    response = admin.post(f"{person}/erase", data={"understood": "y"})

    assert (response.status_code, response.location) == (303, f"{SETTINGS}#erasures")
    assert erasures(acme) == [conversation.contact_id]


def test_page_says_that_an_erasure_waits_for_an_import(acme: TenantScope, admin: FlaskClient, person: str) -> None:
    with acting_for(acme), atomic():
        listed = {"source": ImportSource.FILE, "file_name": "a.csv", "size": 1, "sha256": "0" * 64}
        acme.add(Import(state=ImportState.MAPPING, **listed))
    admin.post(f"{person}/erase", data={"understood": "y"})

    page = admin.get(f"{person}/erase").text

    assert "It waits for an import that is not finished." in page


def test_person_who_was_erased_is_nowhere(acme: TenantScope, admin: FlaskClient, person: str) -> None:
    admin.post(f"{person}/erase", data={"understood": "y"})
    worker = Erasures()
    while worker.work():
        pass

    assert admin.get(f"{person}/erase").status_code == 404
    assert "1 conversation" in admin.get(SETTINGS).text


@pytest.mark.parametrize("path", ["export", "erase"])
def test_agent_neither_hands_out_nor_erases(agent: FlaskClient, person: str, path: str) -> None:
    assert agent.get(f"{person}/{path}").status_code == 403


def test_agent_does_not_decide_how_long_data_is_kept(agent: FlaskClient) -> None:
    assert agent.get(SETTINGS).status_code == 403


def test_settings_show_what_holds_without_a_decision(admin: FlaskClient) -> None:
    page = admin.get(SETTINGS).text

    assert 'name="messages" ' in page
    assert 'value="90"' in page
    assert "data was erased so far." in page


@pytest.mark.parametrize(
    ("messages", "events", "field"),
    [
        ("29", "90", "messages"),
        ("3651", "90", "messages"),
        ("um mês", "90", "messages"),
        ("-40", "90", "messages"),
        ("30.5", "90", "messages"),
        ("", "6", "events"),
        ("", "366", "events"),
        ("", "", "events"),
    ],
)
def test_period_that_is_none_is_refused_beside_its_field(
    acme: TenantScope, admin: FlaskClient, messages: str, events: str, field: str
) -> None:
    response = save(admin, messages, events)

    assert response.status_code == 422
    assert f'id="{field}-error"' in response.text
    assert settings_of(acme) is None


def test_shorter_period_says_first_how_many_messages_it_deletes(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation
) -> None:
    for days in (59, 61, 62):
        make_message(acme, conversation, at=now() - timedelta(days=days))

    response = save(admin, "60", "90")

    assert "2 messages older than" in response.text
    assert "cannot be brought back" in response.text
    assert settings_of(acme) is None


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.SENDING], ids=str)
def test_messages_still_to_be_sent_are_not_counted(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, status: MessageStatus
) -> None:
    make_message(acme, conversation, at=now() - timedelta(days=61), direction=Direction.OUTBOUND, status=status)

    assert "0 messages older than" in save(admin, "60", "90").text


def test_shorter_period_holds_once_it_is_confirmed(acme: TenantScope, admin: FlaskClient) -> None:
    response = save(admin, "60", "30", confirmed="1")

    assert (response.status_code, response.location) == (303, SETTINGS)
    assert settings_of(acme) == (60, 30)
    assert actions(acme)[-1] == "tenant.periods_changed"


def test_longer_period_needs_no_question(acme: TenantScope, admin: FlaskClient) -> None:
    save(admin, "60", "30", confirmed="1")

    assert save(admin, "", "365").status_code == 303
    assert settings_of(acme) == (None, 365)


def test_shorter_period_of_technical_records_is_asked_about_too(admin: FlaskClient) -> None:
    page = save(admin, "", "30").text

    assert "Technical records older than" in page
    assert "messages older than" not in page


def test_same_periods_once_more_are_no_change(acme: TenantScope, admin: FlaskClient) -> None:
    save(admin, "", "120")
    before = actions(acme)

    save(admin, "", "120")

    assert actions(acme) == before


def test_list_says_who_asked_for_an_erasure_and_not_whose(acme: TenantScope, admin: FlaskClient, person: str) -> None:
    admin.post(f"{person}/erase", data={"understood": "y"})

    page = admin.get(SETTINGS).text

    assert "asked for by admin@acme.test" in page
    assert "Not done yet" in page
    assert "Maria" not in page
