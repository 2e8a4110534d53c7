"""Answering one message and reacting to it, on the page: with and without htmx, and what is shown of it."""

import re
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import db
from portal.models import Contact, ContactKind, Conversation, Direction, Message, MessageKind, MessageStatus, Unit
from portal.permissions import Role
from portal.services import access_grants
from portal.tenancy import TenantScope, acting_for
from portal.web.answering import SIGNS
from tests.factories import make_conversation, make_message, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import EACH_WAY, PART, poll, post_part
from tests.web.threads import bubble

QUOTE = re.compile(r'<input type="hidden" name="answers_to" value="([^"]+)" form="composer-form">')
NOBODYS = "0197a000-0000-7000-8000-000000000001"
OURS = {"direction": Direction.OUTBOUND}


@pytest.fixture
def question(acme: TenantScope, conversation: Conversation) -> Message:
    return make_message(acme, conversation, body="Abre hoje?", external_id="3A01")


def written(acme: TenantScope) -> list[Message]:
    """What was written here, oldest first."""
    with acting_for(acme):
        ours = acme.select(Message).where(Message.direction == Direction.OUTBOUND).order_by(Message.id)
        return list(db.session.scalars(ours.execution_options(populate_existing=True)))


def make_reaction(acme: TenantScope, conversation: Conversation, sign: str, **columns: object) -> Message:
    told = {"kind": MessageKind.REACTION, "refers_to": "3A01", **OURS, **columns}
    return make_message(acme, conversation, body=sign, **told)


def reaction_address(message: Message) -> str:
    return f"/t/acme/messages/{message.id}/reaction"


def test_message_can_be_answered_and_reacted_to(admin: FlaskClient, question: Message, thread: str) -> None:
    page = admin.get(thread).text

    assert f'id="answer-{question.id}" href="?answer={question.id}"' in page
    assert f'id="react-{question.id}" href="?react={question.id}"' in page
    assert '<div class="answering" id="answering"></div>' in page


def test_older_page_has_no_composer_and_leads_to_the_one_that_has(
    admin: FlaskClient, question: Message, thread: str
) -> None:
    older = {"before": f"{now().isoformat()}~{NOBODYS}"}

    part = admin.get(thread, query_string=older, headers=PART).text
    page = admin.get(thread, query_string=older).text

    assert f'hx-get="?answer={question.id}"' in part
    assert f'href="?answer={question.id}"' in page
    assert f'hx-get="?answer={question.id}"' not in page
    assert 'hx-target="#answering"' not in page


def test_what_can_be_done_with_a_message_weighs_little(admin: FlaskClient, question: Message, thread: str) -> None:
    actions = re.search(r'<p class="bubble-actions".*?</p>', admin.get(thread).text, re.S)

    assert actions is not None
    assert len(actions[0].encode()) <= 600


@pytest.mark.parametrize(
    "columns",
    [{"deleted_at": now()}, {"is_test": True}, {"kind": MessageKind.CALL}, {"status": MessageStatus.FAILED, **OURS}],
    ids=["deleted", "test", "call", "failed"],
)
def test_nothing_can_be_done_with_what_is_not_there(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, columns: dict[str, object]
) -> None:
    message = make_message(acme, conversation, **columns)

    page = admin.get(thread).text

    assert f'id="message-{message.id}"' in page
    assert "bubble-actions" not in page


def test_whoever_only_reads_is_offered_nothing(
    browser: OpenBrowser, admin: FlaskClient, acme: TenantScope, question: Message, thread: str
) -> None:
    operator = make_user("operator@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    with acting_for(acme):
        access_grants.give(acme, reason="A look", hours=1)
    reader = browser(operator)
    later = {"before": f"{now().isoformat()}~{UUID(int=0)}"}

    pages = [reader.get(thread), reader.get(thread, query_string=later)]

    assert ["Abre hoje?" in page.text for page in pages] == [True, True]
    assert ["bubble-actions" in page.text for page in pages] == [False, False]
    assert "bubble-actions" in admin.get(thread, query_string=later).text
    assert reader.post(reaction_address(question), data={"sign": "👍"}).status_code == 403


@EACH_WAY
def test_quote_stands_above_the_composer(
    admin: FlaskClient, question: Message, thread: str, headers: dict[str, str]
) -> None:
    answer = admin.get(thread, query_string={"answer": question.id}, headers=headers).text

    assert QUOTE.findall(answer) == [str(question.id)]
    assert "In answer to:</span> <strong" in answer
    assert "data-quote-cancel>Cancel</a>" in answer
    assert ('id="composer-text"' in answer) == (headers != PART)


@pytest.mark.parametrize("value", ["nonsense", NOBODYS, "elsewhere"], ids=["nonsense", "unknown", "elsewhere"])
@EACH_WAY
def test_quote_of_what_is_not_in_the_conversation_is_none(
    admin: FlaskClient,
    acme: TenantScope,
    connected_unit: Unit,
    question: Message,
    thread: str,
    value: str,
    headers: dict[str, str],
) -> None:
    other = make_message(acme, make_conversation(acme, connected_unit, phone="5511999990009"), body="De outra")

    page = admin.get(thread, query_string={"answer": other.id if value == "elsewhere" else value}, headers=headers)

    assert page.status_code == 200
    assert '<div class="answering" id="answering"></div>' in page.text


@EACH_WAY
def test_answer_is_sent_with_its_quote(
    admin: FlaskClient, acme: TenantScope, question: Message, thread: str, headers: dict[str, str]
) -> None:
    form = {"text": "Sim", "answers_to": str(question.id)}

    answer = admin.post(f"{thread}/messages", data=form, headers=headers)

    assert answer.status_code == (200 if headers else 303)
    [message] = written(acme)
    assert (message.body, message.refers_to) == ("Sim", "3A01")
    page = admin.get(thread).text
    assert "In answer to: Maria Abre hoje? Sim" in bubble(page, message)
    # By its id whoever stands on the link stays there when news come.
    assert f'href="#message-{question.id}" id="quote-{message.id}"' in page


@EACH_WAY
def test_text_that_is_refused_keeps_its_quote(
    admin: FlaskClient, acme: TenantScope, question: Message, thread: str, headers: dict[str, str]
) -> None:
    form = {"text": " ", "answers_to": str(question.id)}

    refused = admin.post(f"{thread}/messages", data=form, headers=headers)

    assert (refused.status_code, written(acme)) == (422, [])
    # With htmx the quote stays where it is.
    assert QUOTE.findall(refused.text) == ([] if headers else [str(question.id)])


@pytest.mark.parametrize("value", ["nonsense", NOBODYS], ids=["nonsense", "unknown"])
@EACH_WAY
def test_quote_that_is_gone_is_refused_in_words(
    admin: FlaskClient, acme: TenantScope, question: Message, thread: str, value: str, headers: dict[str, str]
) -> None:
    refused = admin.post(f"{thread}/messages", data={"text": "Sim", "answers_to": value}, headers=headers)

    assert (refused.status_code, written(acme)) == (422, [])
    assert "This message cannot be quoted any more. Write without the quote." in refused.text
    assert ">Sim</textarea>" in refused.text


@EACH_WAY
def test_reaction_is_chosen_among_the_usual_ones(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    question: Message,
    thread: str,
    headers: dict[str, str],
) -> None:
    make_reaction(acme, conversation, "❤️")

    page = admin.get(thread, query_string={"react": question.id}, headers=headers).text

    signs = re.findall(r'<button[^>]* name="sign" value="([^"]*)"[^>]*?(?:aria-pressed="(\w+)")?>', page)
    assert signs == [*((sign, "true" if sign == "❤️" else "false") for sign in SIGNS), ("", "")]
    assert f'action="{reaction_address(question)}"' in page


def test_reaction_of_the_phone_is_among_those_to_choose_from(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, question: Message, thread: str
) -> None:
    make_reaction(acme, conversation, "🎉")

    part = admin.get(thread, query_string={"react": question.id}, headers=PART).text

    assert re.search(r'value="🎉"[^>]* aria-pressed="true"', part)


def test_reaction_stands_at_its_message_at_once(
    admin: FlaskClient, acme: TenantScope, question: Message, thread: str
) -> None:
    page = admin.get(thread).text

    done = admin.post(reaction_address(question), data={"sign": "👍"})
    news = poll(admin, page, "messages").text

    assert (done.status_code, done.headers["Location"]) == (303, f"{thread}#message-{question.id}")
    assert "👍 You" in bubble(news, question)
    assert news.count('id="message-') == 1
    assert [(one.kind, one.status) for one in written(acme)] == [(MessageKind.REACTION, MessageStatus.QUEUED)]


def test_htmx_is_led_to_the_same_part_of_the_thread(admin: FlaskClient, question: Message, thread: str) -> None:
    since = f"{question.occurred_at.isoformat()}~{question.id}"

    led = post_part(admin, reaction_address(question), {"sign": "👍", "since": since})
    part = admin.get(led.headers["Location"], headers=PART)

    assert part.text.lstrip().startswith('<div class="thread" id="messages"')
    assert "👍 You" in bubble(part.text, question)


def test_reaction_is_taken_back(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, question: Message, thread: str
) -> None:
    make_reaction(acme, conversation, "❤️")

    admin.post(reaction_address(question), data={"sign": ""})

    assert [one.body for one in written(acme)] == ["❤️", ""]
    assert "❤️" not in bubble(admin.get(thread).text, question)


def test_refused_reaction_says_why_where_it_was_chosen(
    admin: FlaskClient, acme: TenantScope, question: Message
) -> None:
    refused = post_part(admin, reaction_address(question), {"sign": "ok"})

    assert (refused.status_code, written(acme)) == (422, [])
    assert (refused.headers["HX-Retarget"], refused.headers["HX-Reswap"]) == ("#answering", "outerHTML")
    assert refused.text.lstrip().startswith('<div class="answering" id="answering">')
    assert "Choose a single emoji." in refused.text
    assert re.search(r'<input[^>]* name="sign" value="ok"[^>]* aria-invalid="true"', refused.text)


@EACH_WAY
def test_any_other_emoji_can_be_typed(
    admin: FlaskClient, acme: TenantScope, question: Message, thread: str, headers: dict[str, str]
) -> None:
    choice = admin.get(thread, query_string={"react": question.id}, headers=headers).text
    assert re.search(r'<label[^>]* for="answering-sign">Another emoji</label>', choice)

    admin.post(reaction_address(question), data={"sign": "🏳️‍🌈"}, headers=headers)

    assert [one.body for one in written(acme)] == ["🏳️‍🌈"]


def test_refused_reaction_says_why_on_the_page(admin: FlaskClient, question: Message) -> None:
    page = admin.post(reaction_address(question), data={"sign": "ok"}, follow_redirects=True)

    assert "Choose a single emoji." in page.text


def test_nobody_reacts_to_stories(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    conversation = make_conversation(acme, connected_unit, phone="5511999990009")
    with acting_for(acme):
        db.session.execute(
            acme.update(Contact)
            .where(Contact.id == conversation.contact_id)
            .values(kind=ContactKind.STORIES, phone=None, chat_jid="status@broadcast")
        )
        db.session.commit()
    story = make_message(acme, conversation)

    assert post_part(admin, reaction_address(story), {"sign": "👍"}).status_code == 409
    assert "bubble-actions" not in admin.get(f"/t/acme/conversations/{conversation.id}").text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": MessageStatus.FAILED, "error_code": "target_gone"}, "Not sent"),
        ({"status": MessageStatus.UNCONFIRMED}, "Not known"),
    ],
    ids=["failed", "in_doubt"],
)
def test_reaction_that_may_not_be_there_says_so_beside_the_one_before(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    question: Message,
    thread: str,
    columns: dict[str, object],
    words: str,
) -> None:
    make_reaction(acme, conversation, "❤️")
    late = make_reaction(acme, conversation, "👍", **columns)

    page = admin.get(thread).text

    assert f"👍 You {words}" in bubble(page, question)
    assert ("❤️ You" in bubble(page, question)) == (late.status == MessageStatus.FAILED)
    assert f'href="/t/acme/messages/{late.id}"' in page


def test_reaction_about_which_it_was_decided_is_not_shown(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, question: Message, thread: str
) -> None:
    make_reaction(acme, conversation, "👍", status=MessageStatus.FAILED, handled_at=now())

    assert "👍" not in bubble(admin.get(thread).text, question)


def test_story_of_a_reaction_says_that_another_one_took_its_place(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, question: Message
) -> None:
    first = make_reaction(acme, conversation, "👍", status=MessageStatus.SENT, sent_at=now(), handled_at=now())

    page = admin.get(f"/t/acme/messages/{first.id}").text

    assert "Another reaction took its place" in page
    assert "A person noted that it arrived" not in page


@pytest.mark.parametrize(
    ("sign", "words"),
    [("👍", "Reacted with 👍 to an earlier message"), ("", "Took back a reaction to an earlier message")],
    ids=["given", "taken_back"],
)
def test_undelivered_reaction_reads_in_words(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, question: Message, sign: str, words: str
) -> None:
    failed = make_reaction(
        acme, conversation, sign, status=MessageStatus.FAILED, error_code="target_gone", failed_at=now()
    )

    pages = ("undelivered", "undelivered.csv?bucket=failed", f"messages/{failed.id}")
    texts = [admin.get(f"/t/acme/{page}").text for page in pages]

    assert [words in text for text in texts] == [True, True, True]
    assert "The message that this was for is not there any more." in texts[0]
