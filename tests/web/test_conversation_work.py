"""The page of a conversation as work: who answers it, whether it is done, and notes between the messages."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic
from portal.models import AccessGrant, Conversation, ConversationEventKind, Unit, User
from portal.permissions import Role
from portal.tenancy import TenantScope, acting_for
from tests.conversation_work import current, events, make_note
from tests.factories import make_message, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import EACH_WAY, PART, poll, post_part


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user("ana@acme.test")


@pytest.fixture
def bia(connected_unit: Unit) -> User:
    return make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("jardins",))


@pytest.fixture
def desk(browser: OpenBrowser, ana: User) -> FlaskClient:
    """Ana's browser."""
    return browser(ana)


def words(page: str, id_: str) -> str:
    """What stands in the part with that id, without its tags, up to the end of its kind of element."""
    found = re.search(rf'<(section|li|div|aside)[^>]* id="{id_}".*?</\1>', page, re.S)
    assert found, f"there is no {id_}"
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


@EACH_WAY
def test_conversation_is_taken_given_and_given_back(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, ana: User, bia: User, headers: object
) -> None:
    told = []
    for to in (str(ana.id), str(bia.id), ""):
        answer = desk.post(f"{thread}/assign", data={"to": to}, headers=headers)
        told.append((answer.status_code, current(acme, conversation.id).assigned_to_id))

    status = 200 if headers else 303
    assert told == [(status, ana.id), (status, bia.id), (status, None)]


def test_header_says_who_answers_and_offers_the_others(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, ana: User, bia: User
) -> None:
    make_user("far@acme.test", role=Role.AGENT)
    waiting = words(desk.get(thread).text, "work")

    taken = desk.post(f"{thread}/assign", data={"to": ana.id}, headers=PART)
    given = desk.post(f"{thread}/assign", data={"to": bia.id}, headers=PART)

    assert waiting.startswith("Nobody answers yet")
    assert "Take it" in waiting
    assert "Give it to bia@acme.test Give" in waiting
    assert words(taken.text, "work").startswith("You answer")
    assert "Give it back" in words(taken.text, "work")
    assert words(given.text, "work").startswith("bia answers")
    assert "far@acme.test" not in waiting + given.text
    assert (given.headers["HX-Trigger"], "<html" in given.text) == ("conversation-work", False)


def test_whoever_may_not_answer_is_not_given_it(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    far = make_user("far@acme.test", role=Role.AGENT)

    answers = [desk.post(f"{thread}/assign", data={"to": far.id}, headers=headers) for headers in (PART, {})]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert all("This person may not answer here." in answer.text for answer in answers)
    assert current(acme, conversation.id).assigned_to_id is None
    assert desk.post(f"{thread}/assign", data={"to": "ana"}).status_code == 400


@EACH_WAY
def test_what_is_done_is_resolved_and_opened_again(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, headers: object
) -> None:
    told = []
    for act in ("close", "reopen"):
        answer = desk.post(f"{thread}/{act}", headers=headers)
        shown = answer.text if headers else desk.get(answer.headers["Location"]).text
        told.append((current(acme, conversation.id).status, "Resolved" in words(shown, "work"), "Reopen<" in shown))

    assert told == [("closed", True, True), ("open", False, False)]


def test_open_page_hears_what_somebody_else_did(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, browser: OpenBrowser, bia: User
) -> None:
    page = desk.get(thread).text
    quiet = [poll(desk, page, id_).status_code for id_ in ("messages", "work")]

    browser(bia).post(f"{thread}/assign", data={"to": bia.id})

    news = poll(desk, page, "messages")
    assert quiet == [204, 204]
    assert "bia took this conversation" in news.text
    assert news.headers["HX-Trigger"] == "conversation-news"
    assert words(poll(desk, page, "work").text, "work").startswith("bia answers")


@EACH_WAY
def test_note_stands_between_the_messages_and_is_deleted(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, headers: object
) -> None:
    make_message(acme, conversation, body="Antes", at=now() - timedelta(minutes=5))

    saved = desk.post(f"{thread}/notes", data={"text": "Prefere <b>a tarde</b>", "form_id": "f1"}, headers=headers)

    make_message(acme, conversation, body="Depois", at=now() + timedelta(minutes=5))
    (note_id,) = events(acme, "id")
    page = desk.get(thread).text
    told = words(page, f"event-{note_id}")
    assert saved.status_code == (200 if headers else 303)
    assert re.match(r"Note · ana · \d+:\d\d\s[AP]M Delete this note Prefere &lt;b&gt;a tarde&lt;/b&gt;", told)
    assert re.findall("Antes|Prefere|Depois", page.partition('id="messages"')[2]) == ["Antes", "Prefere", "Depois"]

    gone = desk.post(f"{thread}/notes/{note_id}/delete", data={} if headers else {"confirmed": "1"}, headers=headers)

    assert gone.status_code == (204 if headers else 303)
    assert "Prefere" not in desk.get(thread).text


@EACH_WAY
def test_refused_note_keeps_its_text_and_says_why(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, headers: object
) -> None:
    refused = desk.post(f"{thread}/notes", data={"text": "x" * 2_001}, headers=headers)

    assert refused.status_code == 422
    assert "2001 of at most 2000 characters" in refused.text
    assert "x" * 2_001 in refused.text
    assert events(acme) == []


def test_note_that_was_saved_leaves_an_empty_form_and_tells_the_thread(
    desk: FlaskClient, conversation: Conversation, thread: str
) -> None:
    saved = post_part(desk, f"{thread}/notes", {"text": "Prefere a tarde"})

    assert "Prefere" not in saved.text
    assert 'id="note-text"' in saved.text
    assert saved.headers["HX-Trigger"] == "conversation-work"


def test_note_of_a_colleague_offers_no_deleting_but_to_administrators(
    desk: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    browser: OpenBrowser,
    ana: User,
    bia: User,
) -> None:
    note_id = make_note(acme, conversation, created_by_id=ana.id)
    hers = browser(bia)

    refused = hers.post(f"{thread}/notes/{note_id}/delete")

    assert refused.status_code == 403
    assert "Delete" not in words(hers.get(thread).text, f"event-{note_id}")
    assert "Delete" in words(desk.get(thread).text, f"event-{note_id}")


LINES = {
    "taken": (ConversationEventKind.ASSIGNED, "ana", "ana", "ana took this conversation"),
    "given": (ConversationEventKind.ASSIGNED, "ana", "bia", "ana gave this conversation to bia"),
    "given back": (ConversationEventKind.RELEASED, "bia", "bia", "bia gave this conversation back"),
    "taken away": (ConversationEventKind.RELEASED, "ana", "bia", "ana took this conversation from bia"),
    "left": (ConversationEventKind.RELEASED, None, "bia", "bia does not answer here any more"),
    "closed": (ConversationEventKind.CLOSED, "bia", None, "bia resolved this conversation"),
    "reopened": (ConversationEventKind.REOPENED, "bia", None, "bia reopened this conversation"),
    "reopened by the customer": (ConversationEventKind.REOPENED, None, None, "Reopened: the customer wrote again"),
}


@pytest.mark.parametrize(("kind", "by", "to", "line"), LINES.values(), ids=LINES)
def test_each_event_is_one_line_in_words(
    desk: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    ana: User,
    bia: User,
    kind: ConversationEventKind,
    by: str | None,
    to: str | None,
    line: str,
) -> None:
    ids = {"ana": ana.id, "bia": bia.id}
    done = {"kind": kind, "created_by_id": ids.get(by or ""), "assigned_to_id": ids.get(to or "")}
    event_id = make_note(acme, conversation, None, **done)

    assert words(desk.get(thread).text, f"event-{event_id}").startswith(line)


def test_each_page_of_older_messages_shows_the_notes_of_its_time(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    start = now() - timedelta(hours=5)
    for number in range(120):
        make_message(acme, conversation, body=f"nº {number}", at=start + timedelta(minutes=number))
    for minutes in (-1, 15, 30, 75, 119):
        make_note(acme, conversation, f"Nota {minutes}.", created_at=start + timedelta(minutes=minutes, seconds=30))

    shown, page = [], desk.get(thread).text
    while True:
        shown.append(re.findall(r"Nota (-?\d+)\.", page))
        older = re.search(r'href="([^"]+before=[^"]+)"', page)
        if older is None:
            break
        page = desk.get(older[1].replace("&amp;", "&"), headers=PART).text

    assert shown == [["75", "119"], ["30"], ["-1", "15"]]


def test_conversation_without_messages_shows_its_notes(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    make_note(acme, conversation, "Ligar amanhã")

    page = desk.get(thread).text

    assert "Ligar amanhã" in page
    assert 'data-newest=""' in page


def test_operator_with_leave_reads_notes_and_changes_nothing(
    operator: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, ana: User
) -> None:
    note_id = make_note(acme, conversation, "Prefere a tarde", created_by_id=ana.id)
    with acting_for(acme), atomic():
        ends = now() + timedelta(hours=1)
        acme.add(AccessGrant(granted_by_id=ana.id, reason="A fault", expires_at=ends))

    page = operator.get(thread).text
    acts = [f"{thread}/{act}" for act in ("assign", "close", "reopen", "notes", f"notes/{note_id}/delete")]
    refused = [operator.post(address, data={"text": "Oi"}).status_code for address in acts]

    assert "Prefere a tarde" in page
    assert words(page, "work") == "Nobody answers yet"
    assert 'id="note"' not in page
    assert refused == [403] * 5
    assert events(acme) == ["note"]


def test_operator_without_leave_sees_no_note(
    operator: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    make_note(acme, conversation, "Prefere a tarde")

    pages = [operator.get(address) for address in (thread, f"{thread}/work")]

    assert [page.status_code for page in pages] == [403, 403]
    assert not any("Prefere" in page.text for page in pages)


def test_what_came_in_the_second_of_an_event_stands_where_it_came(
    desk: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    """WhatsApp tells whole seconds, and the portal knows when it stored the message."""
    second = now().replace(microsecond=0) - timedelta(minutes=5)
    kinds = (ConversationEventKind.CLOSED, ConversationEventKind.REOPENED)
    for kind, part in zip(kinds, (100, 900), strict=True):
        make_note(acme, conversation, None, kind=kind, created_at=second + timedelta(milliseconds=part))
    stored_at = second + timedelta(milliseconds=500)
    make_message(acme, conversation, body="Mais uma coisa", at=second, created_at=stored_at)

    page = desk.get(thread).text

    told = re.findall(r"resolved this|Mais uma coisa|Reopened:", page.partition('id="messages"')[2])
    assert told[:3] == ["resolved this", "Mais uma coisa", "Reopened:"]
