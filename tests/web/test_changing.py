"""Editing a message of ours and deleting it for everyone, on the page: how it is asked for, and what is shown of it."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import CHANGES, Conversation, Direction, Message, MessageKind, MessageStatus, Unit
from portal.permissions import Role
from portal.services import access_grants, changing
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import EACH_WAY, PART, poll, post_part
from tests.web.threads import bubble

OURS = {"direction": Direction.OUTBOUND, "external_id": "3EB0A"}
WAYS = pytest.mark.parametrize("way", ["edit", "delete"])


@pytest.fixture
def ours(acme: TenantScope, conversation: Conversation) -> Message:
    return make_message(acme, conversation, body="Fechamos às 18h", sent_at=now(), **OURS)


def address(message: Message, way: str) -> str:
    return f"/t/acme/messages/{message.id}/{way}"


def made(acme: TenantScope) -> list[tuple[MessageKind, str, MessageStatus]]:
    with acting_for(acme):
        theirs = acme.select(Message).where(Message.kind.in_(CHANGES)).order_by(Message.id)
        rows = db.session.scalars(theirs.execution_options(populate_existing=True))
        return [(row.kind, row.body, row.status) for row in rows]


def put(acme: TenantScope, *, kinds: tuple[MessageKind, ...] = CHANGES, **columns: object) -> None:
    with acting_for(acme), atomic():
        these = acme.update(Message).where(Message.kind.in_(kinds))
        db.session.execute(these.values(columns).execution_options(synchronize_session=False))


@pytest.fixture
def late(acme: TenantScope, ours: Message) -> Message:
    put(acme, kinds=(MessageKind.TEXT,), sent_at=now() - changing.DELETABLE_FOR)
    return ours


def test_a_text_of_ours_can_be_edited_and_deleted(admin: FlaskClient, ours: Message, thread: str) -> None:
    page = admin.get(thread).text

    for way in ("edit", "delete"):
        where = address(ours, way)
        assert f'<a id="{way}-{ours.id}" href="{where}" hx-get="{where}">' in page


@pytest.mark.parametrize(
    ("columns", "ways"),
    [
        ({"direction": Direction.INBOUND, "status": MessageStatus.RECEIVED}, []),
        ({"kind": MessageKind.IMAGE, "body": ""}, ["delete"]),
        ({"sent_at": now() - changing.EDITABLE_FOR}, ["delete"]),
        ({"sent_at": now() - changing.DELETABLE_FOR}, []),
        ({"deleted_at": now()}, []),
        ({"is_test": True}, []),
    ],
    ids=["theirs", "picture", "older", "old", "deleted", "test"],
)
def test_what_whatsapp_does_not_let_be_changed_is_not_offered(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    columns: dict[str, object],
    ways: list[str],
) -> None:
    make_message(acme, conversation, **{**OURS, "sent_at": now(), **columns})

    assert re.findall(r'<a id="(edit|delete)-', admin.get(thread).text) == ways


@EACH_WAY
def test_the_new_text_is_asked_for_where_the_message_is_or_on_a_page(
    admin: FlaskClient, ours: Message, headers: dict[str, str]
) -> None:
    asked = admin.get(address(ours, "edit"), headers=headers)

    assert asked.status_code == 200
    assert f'action="{address(ours, "edit")}"' in asked.text
    assert re.search(r'<textarea[^>]* id="change-text"[^>]*>Fechamos às 18h</textarea>', asked.text)
    assert "data-quote-cancel>Cancel</a>" in asked.text
    # A page of its own has no thread that htmx could put the answer into.
    assert ("hx-target=" in asked.text.split('id="answering"')[1]) == bool(headers)
    assert asked.text.lstrip().startswith('<div class="answering" id="answering">') == bool(headers)


def test_an_edit_stands_at_its_message_until_it_is_made(
    admin: FlaskClient, acme: TenantScope, ours: Message, thread: str
) -> None:
    page = admin.get(thread).text

    done = admin.post(address(ours, "edit"), data={"text": "Fechamos às 19h"})
    news = poll(admin, page, "messages").text

    assert (done.status_code, done.headers["Location"]) == (303, f"{thread}#message-{ours.id}")
    assert made(acme) == [(MessageKind.EDIT, "Fechamos às 19h", MessageStatus.QUEUED)]
    assert "Fechamos às 18h" in bubble(news, ours)
    assert "Is being changed to: Fechamos às 19h" in bubble(news, ours)
    assert news.count('<li class="bubble ') == 1


def test_htmx_is_led_to_the_same_part_of_the_thread(admin: FlaskClient, ours: Message, thread: str) -> None:
    since = f"{ours.occurred_at.isoformat()}~{ours.id}"

    led = post_part(admin, address(ours, "edit"), {"text": "Fechamos às 19h", "since": since})
    part = admin.get(led.headers["Location"], headers=PART)

    assert part.text.lstrip().startswith('<div class="thread" id="messages"')
    assert "Is being changed to: Fechamos às 19h" in bubble(part.text, ours)


@EACH_WAY
def test_a_deletion_is_asked_about_first(
    admin: FlaskClient, acme: TenantScope, ours: Message, thread: str, headers: dict[str, str]
) -> None:
    asked = admin.get(address(ours, "delete"), headers=headers)

    assert (asked.status_code, made(acme)) == (200, [])
    assert f'<form class="answering__change" method="post" action="{address(ours, "delete")}"' in asked.text
    assert "It goes from WhatsApp for everyone, the person included." in asked.text
    assert "data-quote-cancel>Cancel</a>" in asked.text

    admin.post(address(ours, "delete"))
    page = admin.get(thread).text

    assert made(acme) == [(MessageKind.DELETION, "", MessageStatus.QUEUED)]
    assert "Fechamos às 18h" in bubble(page, ours)
    assert "Is being deleted for everyone…" in bubble(page, ours)
    # There is nothing left to change.
    assert re.findall(r'<a id="(edit|delete)-', page) == []


@pytest.mark.parametrize("text", [" ", "a" * 10_001], ids=["empty", "endless"])
@EACH_WAY
def test_a_text_that_is_refused_stays_where_it_was_typed(
    admin: FlaskClient, acme: TenantScope, ours: Message, headers: dict[str, str], text: str
) -> None:
    refused = admin.post(address(ours, "edit"), data={"text": text}, headers=headers)

    assert (refused.status_code, made(acme)) == (422, [])
    assert re.search(r'<textarea[^>]* aria-invalid="true"[^>]*>' + text + "</textarea>", refused.text)
    assert (refused.headers["HX-Retarget"], refused.headers["HX-Reswap"]) == ("#answering", "outerHTML")


@WAYS
@EACH_WAY
def test_what_comes_too_late_is_refused_in_words(
    admin: FlaskClient, acme: TenantScope, late: Message, headers: dict[str, str], way: str
) -> None:
    asked = admin.get(address(late, way), headers=headers)
    refused = admin.post(address(late, way), data={"text": "Fechamos às 19h"}, headers=headers)

    assert (asked.status_code, refused.status_code) == (200, 422)
    for answer in (asked, refused):
        assert "WhatsApp lets a message be " in answer.text
        assert "btn-primary" not in answer.text.split('id="answering"')[1]
    assert made(acme) == []
    # What somebody typed while the time went by can still be copied.
    assert ("Fechamos às 19h</textarea>" in refused.text) == (way == "edit")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": MessageStatus.FAILED, "error_code": "other_address"}, "Was not changed to: Fechamos às 19h"),
        ({"status": MessageStatus.UNCONFIRMED}, "It is not known whether it was changed to: Fechamos às 19h"),
    ],
    ids=["failed", "in_doubt"],
)
def test_an_edit_that_was_not_made_says_why_and_what_can_be_done(
    admin: FlaskClient,
    acme: TenantScope,
    ours: Message,
    thread: str,
    columns: dict[str, object],
    words: str,
) -> None:
    admin.post(address(ours, "edit"), data={"text": "Fechamos às 19h"})
    put(acme, **columns)

    page = admin.get(thread).text

    shown = bubble(page, ours)
    assert words in shown
    assert "Set aside" in shown
    # Made twice it is the same as made once.
    assert "may get it twice" not in shown
    assert ("knows this chat under another address" in shown) == (columns["status"] == MessageStatus.FAILED)
    # Whoever tries in other words begins with these.
    assert ">Fechamos às 19h</textarea>" in admin.get(address(ours, "edit")).text


def test_an_edit_that_was_set_aside_is_not_shown(
    admin: FlaskClient, acme: TenantScope, ours: Message, thread: str
) -> None:
    admin.post(address(ours, "edit"), data={"text": "Fechamos às 19h"})
    put(acme, status=MessageStatus.FAILED, handled_at=now())

    assert "19h" not in bubble(admin.get(thread).text, ours)


def test_a_change_about_which_somebody_decides_is_named_by_what_it_does(
    admin: FlaskClient, acme: TenantScope, ours: Message
) -> None:
    admin.post(address(ours, "edit"), data={"text": "Fechamos às 19h"})
    put(acme, status=MessageStatus.FAILED, failed_at=now(), error_code="not_editable")

    page = admin.get("/t/acme/undelivered?bucket=failed").text

    assert "Changing an earlier message to: Fechamos às 19h" in page


def test_story_of_a_change_says_what_it_does(admin: FlaskClient, acme: TenantScope, ours: Message) -> None:
    admin.post(address(ours, "delete"))
    with acting_for(acme):
        change = db.session.scalars(acme.select(Message).where(Message.kind.in_(CHANGES))).one()
    put(acme, status=MessageStatus.SENT, sent_at=now(), handled_at=now())

    page = admin.get(f"/t/acme/messages/{change.id}").text

    assert "Deleting an earlier message for everyone" in page
    assert "Another change took its place" in page


@WAYS
def test_whoever_only_reads_changes_nothing(
    browser: OpenBrowser, acme: TenantScope, ours: Message, thread: str, way: str
) -> None:
    operator = make_user("operator@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    with acting_for(acme):
        access_grants.give(acme, reason="A look", hours=1)
    reader = browser(operator)

    assert re.findall(r'<a id="(edit|delete)-', reader.get(thread).text) == []
    assert reader.get(address(ours, way)).status_code == 403
    assert reader.post(address(ours, way), data={"text": "Outra"}).status_code == 403
    assert made(acme) == []


@WAYS
def test_an_agent_changes_what_was_sent_from_their_units_only(
    browser: OpenBrowser, acme: TenantScope, ours: Message, way: str
) -> None:
    make_unit(acme, "praia")
    elsewhere = browser(make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("praia",)))
    here = browser(make_user("caio@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    assert elsewhere.post(address(ours, way), data={"text": "Outra"}).status_code == 404
    assert here.post(address(ours, way), data={"text": "Outra"}).status_code == 303


@WAYS
def test_nothing_is_changed_from_an_archived_unit(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, ours: Message, way: str
) -> None:
    with acting_for(acme), atomic():
        this = acme.update(Unit).where(Unit.id == connected_unit.id)
        db.session.execute(this.values(archived_at=now()))

    assert admin.get(address(ours, way)).status_code == 409
    assert post_part(admin, address(ours, way), {"text": "Outra"}).status_code == 409
    assert made(acme) == []


def test_a_change_of_another_conversations_message_stands_nowhere_else(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, ours: Message, thread: str
) -> None:
    other = make_conversation(acme, connected_unit, phone="5511999990009")
    make_message(acme, other, body="Outra", at=now() - timedelta(minutes=1))
    admin.post(address(ours, "edit"), data={"text": "Fechamos às 19h"})

    assert "19h" not in admin.get(f"/t/acme/conversations/{other.id}").text
