"""Consent on pages: the question in the inbox, the notice at the composer, the note by hand, and the settings."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, Conversation, Direction, Message, MessageSource, MessageStatus, Unit
from portal.permissions import Role
from portal.services import consent, tenant_settings
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll

SETTINGS = "/t/acme/settings/consent"
INBOX = "/t/acme/conversations"
QUESTION = "Does Maria want no more messages?"
USUAL = {"opt_out_words": "sair", "opt_in_words": "voltar", "opt_out_answer": "", "opt_in_answer": ""}


@pytest.fixture
def doubted(acme: TenantScope, conversation: Conversation) -> Message:
    """What Maria wrote, which leaves it open."""
    message = make_message(acme, conversation, body="<b>chega</b>", at=now() - timedelta(hours=1))
    with acting_for(acme), atomic():
        row = acme.get(Conversation, conversation.id)
        row.doubted_at, row.doubted_message_id = message.occurred_at, message.id
    return message


@pytest.fixture
def person(conversation: Conversation) -> str:
    """The address of the page of the conversation's contact."""
    return f"/t/acme/contacts/{conversation.contact_id}"


def opted_out_at(scope: TenantScope, conversation: Conversation) -> object:
    with acting_for(scope):
        this = scope.select(Contact, Contact.opted_out_at).where(Contact.id == conversation.contact_id)
        return db.session.scalars(this).one()


def note_opt_out(scope: TenantScope, conversation: Conversation) -> None:
    with acting_for(scope):
        consent.opt_out(scope, conversation.contact_id)


@pytest.mark.usefixtures("doubted")
def test_thread_asks_what_was_meant_in_their_words(admin: FlaskClient, thread: str) -> None:
    page = admin.get(thread).text

    assert QUESTION in page
    assert "&lt;b&gt;chega&lt;/b&gt;</q>" in page


def test_yes_opts_out_and_leads_back_to_the_thread(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, doubted: Message, thread: str
) -> None:
    answer = admin.post(f"{thread}/doubt", data={"message": doubted.id, "meant": "opt_out"})

    assert (answer.status_code, answer.location) == (303, thread)
    assert opted_out_at(acme, conversation) is not None
    assert QUESTION not in admin.get(thread).text


def test_no_takes_the_question_away_and_nothing_else(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, doubted: Message, thread: str
) -> None:
    admin.post(f"{thread}/doubt", data={"message": doubted.id, "meant": "else"})

    assert opted_out_at(acme, conversation) is None
    assert QUESTION not in admin.get(thread).text


@pytest.mark.parametrize("changed", [{"meant": "maybe"}, {"message": "none"}], ids=["meant", "message"])
def test_answer_that_no_button_gives_settles_nothing(
    admin: FlaskClient, doubted: Message, thread: str, changed: dict[str, str]
) -> None:
    answer = {"message": str(doubted.id), "meant": "else"} | changed

    assert admin.post(f"{thread}/doubt", data=answer).status_code == 400
    assert QUESTION in admin.get(thread).text


def test_answer_about_an_earlier_message_leaves_the_newer_one_in_doubt(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, doubted: Message, thread: str
) -> None:
    shown = re.search(r'name="message" value="([^"]+)"', admin.get(thread).text)
    newer = make_message(acme, conversation, body="parem com isso")
    with acting_for(acme), atomic():
        row = acme.get(Conversation, conversation.id)
        row.doubted_at, row.doubted_message_id = newer.occurred_at, newer.id

    admin.post(f"{thread}/doubt", data={"message": shown[1] if shown else "", "meant": "else"})

    assert shown
    assert shown[1] == str(doubted.id)
    assert "parem com isso</q>" in admin.get(thread).text


def test_question_appears_in_an_open_thread(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    page = admin.get(thread).text
    message = make_message(acme, conversation, body="chega")
    with acting_for(acme), atomic():
        row = acme.get(Conversation, conversation.id)
        row.doubted_at, row.doubted_message_id = message.occurred_at, message.id

    assert QUESTION not in page
    assert QUESTION in poll(admin, page, "messages").text


def test_list_marks_and_filters_conversations_in_doubt(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, doubted: Message
) -> None:
    other = make_conversation(acme, connected_unit, phone="5511999990077", name="João")
    make_message(acme, other)

    everybody, some = admin.get(INBOX).text, admin.get(f"{INBOX}?doubted=1").text

    assert ("João" in everybody, everybody.count('class="chat__doubt"')) == (True, 1)
    assert ("Maria" in some, "João" in some) == (True, False)
    assert "1 may want no more messages" in everybody


def test_empty_filter_says_what_would_be_there(admin: FlaskClient, acme: TenantScope) -> None:
    assert "Nothing to decide" in admin.get(f"{INBOX}?doubted=1").text


def test_thread_of_whoever_opted_out_says_so_and_stays_open_for_answers(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    note_opt_out(acme, conversation)

    page = admin.get(thread).text
    reply = admin.post(f"{thread}/messages", data={"text": "Claro!"})

    assert "Maria has wanted no more messages since" in page
    assert reply.status_code == 303


def test_automatic_answer_is_told_as_such(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    answer = make_message(acme, conversation, direction=Direction.OUTBOUND, source=MessageSource.AUTOMATIC)

    assert "answered automatically" in admin.get(thread).text
    assert "Answered automatically" in admin.get(f"/t/acme/messages/{answer.id}").text


def test_story_of_a_suppressed_message_says_why(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_message(
        acme, conversation, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED, source=MessageSource.CAMPAIGN
    )
    note_opt_out(acme, conversation)

    story = admin.get(f"/t/acme/messages/{message.id}").text

    assert "Written for a campaign" in story
    assert "The person had asked for no more messages, so this one was not sent." in story
    assert "No more messages wanted since" in story


def test_opt_out_by_hand_leads_back_to_the_person(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, person: str
) -> None:
    answer = admin.post(f"{person}/opt-out", data={"note": "Disse no balcão"})

    assert (answer.status_code, answer.location) == (303, person)
    assert opted_out_at(acme, conversation) is not None


def test_opt_in_without_evidence_is_refused_beside_its_field(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, person: str
) -> None:
    note_opt_out(acme, conversation)

    answer = admin.post(f"{person}/opt-in", data={"note": ""})

    assert answer.status_code == 422
    assert "Write down how they agreed" in answer.text
    assert opted_out_at(acme, conversation) is not None


def test_history_shows_words_unit_and_author(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, doubted: Message, thread: str, person: str
) -> None:
    admin.post(f"{thread}/doubt", data={"message": doubted.id, "meant": "opt_out"})

    page = admin.post(f"{person}/opt-in", data={"note": ""}).text

    assert "&lt;b&gt;chega&lt;/b&gt;</q>" in page
    assert re.search(r"at Jardins\s+noted by admin@acme.test", page)


def test_agent_of_another_unit_cannot_note_anything(
    browser: OpenBrowser, acme: TenantScope, conversation: Conversation, person: str, thread: str
) -> None:
    make_connected_unit(acme, "praia", phone="5511999990009")
    agent = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("praia",)))

    answers = [
        agent.post(f"{person}/opt-out"),
        agent.post(f"{person}/opt-in", data={"note": "x"}),
        agent.post(f"{thread}/doubt", data={"meant": "opt_out"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert opted_out_at(acme, conversation) is None


def test_agent_of_the_unit_settles_and_does_not_change_the_words(
    browser: OpenBrowser, acme: TenantScope, doubted: Message, thread: str
) -> None:
    agent = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    assert agent.post(f"{thread}/doubt", data={"message": doubted.id, "meant": "else"}).status_code == 303
    assert agent.get(SETTINGS).status_code == 403


def test_settings_show_the_usual_words_and_take_others(admin: FlaskClient, acme: TenantScope) -> None:
    before = admin.get(SETTINGS).text

    answer = admin.post(SETTINGS, data={**USUAL, "opt_out_words": "me esqueçam"})

    assert "descadastrar" in before
    assert (answer.status_code, answer.location) == (303, SETTINGS)
    with acting_for(acme):
        assert tenant_settings.get(acme).opt_out_words == ("me esqueçam",)
    assert "me esqueçam" in admin.get(SETTINGS).text


def test_settings_go_back_to_the_usual_words(admin: FlaskClient, acme: TenantScope) -> None:
    admin.post(SETTINGS, data={**USUAL, "opt_out_words": "me esqueçam"})

    admin.post(SETTINGS, data={**USUAL, "reset": "1"})

    assert "descadastrar" in admin.get(SETTINGS).text


def test_word_in_both_lists_is_refused_and_what_was_typed_stays(admin: FlaskClient, acme: TenantScope) -> None:
    answer = admin.post(SETTINGS, data={**USUAL, "opt_in_words": "Sair!"})

    assert answer.status_code == 422
    assert "“Sair!” stands in both lists." in answer.text
    assert ">\nSair!</textarea>" in answer.text.replace("\r", "")
    with acting_for(acme):
        assert "voltar" in tenant_settings.get(acme).opt_in_words
