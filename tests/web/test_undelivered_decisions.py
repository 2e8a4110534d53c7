"""What people decide about messages that did not arrive, in the list and in the thread."""

import re
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.db import db
from portal.models import Conversation, Message, Unit
from portal.permissions import Role
from portal.services import undelivered
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_conversation, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll, post_part
from tests.web.undelivered import FAILED, IN_DOUBT, LIST, make_ours


def statuses() -> list[str]:
    with across_tenants("a test looks"):
        found = select(Message).order_by(Message.id).execution_options(populate_existing=True)
        return [str(message.status) for message in db.session.scalars(found)]


def hidden_ids(page: str) -> str:
    found = re.search(r'name="ids" value="([0-9a-f\- ]+)"', page)
    assert found, "the question is about no messages"
    return found[1]


def test_one_ticked_message_is_done_at_once(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    message = make_ours(acme, conversation, **FAILED)

    answer = admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": str(message.id)})

    assert (answer.status_code, answer.location) == (303, f"{LIST}?bucket=failed")
    assert "1 queued again." in admin.get(answer.location).text
    assert statuses() == ["queued"]


def test_many_are_asked_about_first(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    elsewhere = make_conversation(acme, make_connected_unit(acme, "moema"))
    messages = [make_ours(acme, chat, **FAILED) for chat in (conversation, conversation, elsewhere)]
    data = {"decision": "try_again", "ids": [str(message.id) for message in messages]}

    question = admin.post(f"{LIST}?bucket=failed", data=data).text
    before = statuses()
    answer = admin.post(
        f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": hidden_ids(question), "confirmed": "1"}
    )

    assert "Try 3 messages again?" in question
    assert "2 messages go back to the queue of Jardins." in question
    assert "1 message goes back to the queue of Moema." in question
    assert before == ["failed"] * 3
    assert "3 queued again." in admin.get(answer.location).text
    assert statuses() == ["queued"] * 3


def test_question_about_messages_that_may_have_arrived_warns(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    messages = [make_ours(acme, conversation, **IN_DOUBT) for _ in range(2)]

    data = {"decision": "send_again", "ids": [str(message.id) for message in messages]}
    question = admin.post(f"{LIST}?bucket=unconfirmed", data=data).text

    assert "2 messages of Jardins are sent a second time." in question
    assert "The person may get it twice" in question


def test_all_of_a_filter_are_exactly_those(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    expired = {**FAILED, "error_code": "expired"}
    for columns in (FAILED, expired, expired, IN_DOUBT):
        make_ours(acme, conversation, **columns)
    filtered = f"{LIST}?bucket=failed&reason=expired"

    question = admin.post(filtered, data={"decision": "set_aside", "every": "1"}).text
    # What fails while the person reads the question is not part of the answer.
    make_ours(acme, conversation, **expired)
    answer = admin.post(filtered, data={"decision": "set_aside", "ids": hidden_ids(question), "confirmed": "1"})

    assert "2 messages of Jardins leave this list; nothing is sent." in question
    assert "2 set aside." in admin.get(answer.location).text
    assert "1 message of Jardins: waited too long" in admin.get(LIST).text


def test_more_than_may_be_done_at_once_are_said_so(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.web.undelivered.MOST_AT_ONCE", 2)
    messages = [make_ours(acme, conversation, **FAILED) for _ in range(3)]

    page = admin.get(LIST).text
    question = admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "every": "1"}).text

    assert "At most 2 at once, the oldest first." in page
    assert "The filter shows 3 messages. The 2 oldest of them are done now" in question
    assert hidden_ids(question).split() == [str(message.id) for message in messages[:2]]


def test_what_somebody_else_handled_meanwhile_is_said(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    messages = [make_ours(acme, conversation, **FAILED) for _ in range(3)]
    with acting_for(acme):
        undelivered.decide(acme, undelivered.Decision.SET_ASIDE, [messages[0].id])

    ids = " ".join(str(message.id) for message in messages)
    admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": ids, "confirmed": "1"})

    assert "2 queued again, 1 had been handled meanwhile." in admin.get(LIST).text


def test_nothing_ticked_is_said(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_ours(acme, conversation, **FAILED)

    answer = admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again"})

    assert "Nothing was chosen." in admin.get(answer.location).text


@pytest.mark.parametrize("data", [{"decision": "burn", "every": "1"}, {"decision": "try_again", "ids": "x"}, {}])
def test_crooked_decision_is_refused(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, data: dict[str, str]
) -> None:
    make_ours(acme, conversation, **FAILED)

    assert admin.post(f"{LIST}?bucket=failed", data=data).status_code == 400
    assert statuses() == ["failed"]


def test_agent_sees_and_decides_only_in_their_units(
    acme: TenantScope, connected_unit: Unit, conversation: Conversation, browser: OpenBrowser
) -> None:
    elsewhere = make_conversation(acme, make_connected_unit(acme, "moema"))
    theirs, other = make_ours(acme, conversation, **FAILED), make_ours(acme, elsewhere, **FAILED)
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    page, table = agent.get(LIST).text, agent.get(f"{LIST}.csv").text
    ids = f"{theirs.id} {other.id}"
    agent.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": ids, "confirmed": "1"})

    assert "1 message of Jardins" in page
    assert "Moema" not in page + table
    assert agent.get(f"{LIST}?unit=moema").status_code == 404
    assert statuses() == ["queued", "failed"]


def test_bubble_of_a_failed_message_is_tried_again_in_place(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, **FAILED)
    thread = f"/t/acme/conversations/{conversation.id}"
    address = f"/t/acme/messages/{message.id}/try_again"

    before = admin.get(thread).text
    answer = post_part(admin, address, {"next": thread})
    shown = admin.get(answer.location, headers={"HX-Request": "true"}).text

    assert f'hx-post="{address}"' in before
    assert "Waiting to be sent" in shown
    assert "<html" not in shown
    assert "queued again" not in admin.get("/t/acme/").text


def test_bubble_of_a_message_in_doubt_offers_what_a_person_may_decide(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, **IN_DOUBT)
    thread = f"/t/acme/conversations/{conversation.id}"
    page = admin.get(thread).text

    answer = admin.post(f"/t/acme/messages/{message.id}/send_again", data={"next": thread})
    after = admin.get(answer.location).text

    assert all(f"/messages/{message.id}/{decision}" in page for decision in ("arrived", "send_again", "set_aside"))
    assert "The person may get it twice" in page
    assert "Sent again at" in after
    assert "Sent again in the place of an earlier one, which may have arrived too." in after
    assert f"/messages/{message.id}/send_again" not in after


def test_thread_poll_brings_the_decision_of_somebody_else(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, **IN_DOUBT)
    page = admin.get(f"/t/acme/conversations/{conversation.id}").text
    quiet = poll(admin, page, "messages")
    with acting_for(acme):
        undelivered.decide(acme, undelivered.Decision.SET_ASIDE, [message.id])

    news = poll(admin, page, "messages")

    assert quiet.status_code == 204
    assert f"/messages/{message.id}/send_again" not in news.text


def test_decision_leads_nowhere_else(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    message = make_ours(acme, conversation, **FAILED)

    data = {"next": "https://elsewhere.test/"}
    answer = admin.post(f"/t/acme/messages/{message.id}/set_aside", data=data)

    assert answer.location == f"/t/acme/messages/{message.id}"


def test_message_of_nobody_is_not_there(admin: FlaskClient, acme: TenantScope) -> None:
    nobody = f"/t/acme/messages/{UUID(int=7)}"

    assert admin.get(nobody).status_code == 404
    assert admin.post(f"{nobody}/set_aside").status_code == 404
