"""Acts on what the person saw: a conversation that another one took meanwhile, a note to delete, an archived unit."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Conversation, Unit, User
from portal.permissions import Role
from portal.tenancy import TenantScope, acting_for
from tests.conversation_work import current, events, make_note
from tests.factories import make_message, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import EACH_WAY


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user("ana@acme.test")


@pytest.fixture
def bia(acme: TenantScope) -> User:
    return make_user("bia@acme.test")


@EACH_WAY
def test_second_of_two_who_take_a_conversation_is_told_and_takes_nothing(
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    browser: OpenBrowser,
    ana: User,
    bia: User,
    headers: dict[str, str],
) -> None:
    as_seen = {"instead_of": ""}
    browser(ana).post(f"{thread}/assign", data={"to": ana.id, **as_seen}, headers=headers)
    hers = browser(bia)

    refused = hers.post(f"{thread}/assign", data={"to": bia.id, **as_seen}, headers=headers)

    assert refused.status_code == 409
    assert "Somebody changed who answers since you looked." in refused.text
    assert "ana answers" in refused.text
    assert current(acme, conversation.id).assigned_to_id == ana.id

    hers.post(f"{thread}/assign", data={"to": bia.id, "instead_of": ana.id}, headers=headers)

    assert current(acme, conversation.id).assigned_to_id == bia.id


def test_forms_say_who_answered_when_they_were_shown(
    acme: TenantScope, thread: str, browser: OpenBrowser, ana: User, bia: User
) -> None:
    desk = browser(ana)
    waiting = desk.get(thread).text
    desk.post(f"{thread}/assign", data={"to": bia.id})

    assert waiting.count('name="instead_of" value=""') == 2
    assert desk.get(thread).text.count(f'name="instead_of" value="{bia.id}"') >= 1


def test_note_is_deleted_only_after_the_question(
    acme: TenantScope, conversation: Conversation, thread: str, browser: OpenBrowser, ana: User
) -> None:
    note_id = make_note(acme, conversation, "Prefere <b>a tarde</b>", created_by_id=ana.id)
    desk, address = browser(ana), f"{thread}/notes/{note_id}/delete"

    question = desk.post(address)
    kept = events(acme)
    done = desk.post(address, data={"confirmed": "1"})

    assert question.status_code == 200
    assert "Delete this note?" in question.text
    assert "Prefere &lt;b&gt;a tarde&lt;/b&gt;" in question.text
    assert (kept, done.status_code, events(acme)) == (["note"], 303, [])


def test_question_about_a_note_is_nobody_elses(
    acme: TenantScope, connected_unit: Unit, conversation: Conversation, thread: str, browser: OpenBrowser, ana: User
) -> None:
    note_id = make_note(acme, conversation, "Prefere a tarde", created_by_id=ana.id)
    cleo = make_user("cleo@acme.test", role=Role.AGENT, unit_slugs=("jardins",))
    far = make_user("far@acme.test", role=Role.AGENT)

    answers = [browser(user).post(f"{thread}/notes/{note_id}/delete") for user in (cleo, far)]

    assert [answer.status_code for answer in answers] == [403, 404]
    assert not any("Prefere" in answer.text for answer in answers)


def test_thread_of_an_archived_unit_links_to_no_page_that_is_not_there(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, thread: str
) -> None:
    address = f'href="/t/acme/units/{connected_unit.slug}"'
    living = admin.get(thread).text
    with acting_for(acme), atomic():
        archived = acme.update(Unit).where(Unit.id == connected_unit.id).values(archived_at=now())
        db.session.execute(archived.execution_options(synchronize_session=False))

    page = admin.get(thread)

    assert address in living
    assert page.status_code == 200
    assert address not in page.text


def test_short_part_that_begins_in_the_middle_leads_to_what_is_older(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    begin = now() - timedelta(hours=1)
    messages = [
        make_message(acme, conversation, body=f"linha {minute}", at=begin + timedelta(minutes=minute))
        for minute in range(30)
    ]
    make_note(acme, conversation, "Antiga", created_at=begin + timedelta(seconds=30))

    late = admin.get(f"{thread}?message={messages[25].id}", follow_redirects=True).text
    whole = admin.get(f"{thread}?message={messages[5].id}", follow_redirects=True).text

    assert "Load older messages" in late
    assert "Antiga" not in late
    assert "Load older messages" not in whole
    assert "Antiga" in whole
