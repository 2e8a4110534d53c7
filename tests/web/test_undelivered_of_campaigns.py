"""Messages of campaigns that are paused or were cancelled: nobody sends them once more by a button."""

import pytest
from flask.testing import FlaskClient

from portal.db import atomic, db
from portal.models import CampaignRecipient, CampaignState, Conversation, Message, RecipientState, Unit
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign
from tests.web.htmx import post_part
from tests.web.test_undelivered_decisions import statuses
from tests.web.undelivered import FAILED, IN_DOUBT, LIST, make_ours

STOPPED = pytest.mark.parametrize(
    ("state", "told"),
    [
        (CampaignState.PAUSED, "1 left as it is until its campaign is resumed."),
        (CampaignState.CANCELLED, "1 not sent because its campaign was cancelled."),
    ],
)


def make_of_campaign(
    scope: TenantScope, unit: Unit, conversation: Conversation, state: CampaignState, **columns: object
) -> Message:
    message = make_ours(scope, conversation, **columns)
    campaign = make_campaign(scope, unit, [conversation.contact_id], state=state)
    with acting_for(scope), atomic():
        line = scope.update(CampaignRecipient).where(CampaignRecipient.campaign_id == campaign.id)
        handed = {"state": RecipientState.HANDED, "message_id": message.id, "conversation_id": conversation.id}
        db.session.execute(line.values(handed).execution_options(synchronize_session=False))
    return message


@STOPPED
@pytest.mark.parametrize(
    ("bucket", "decision", "columns"), [("failed", "try_again", FAILED), ("unconfirmed", "send_again", IN_DOUBT)]
)
def test_message_of_a_campaign_that_does_not_go_on_stays_as_it_is(
    admin: FlaskClient,
    acme: TenantScope,
    unit: Unit,
    conversation: Conversation,
    state: CampaignState,
    told: str,
    bucket: str,
    decision: str,
    columns: dict[str, object],
) -> None:
    message = make_of_campaign(acme, unit, conversation, state, **columns)

    answer = admin.post(f"{LIST}?bucket={bucket}", data={"decision": decision, "ids": str(message.id)})

    assert told in admin.get(answer.location).text
    assert statuses() == [bucket]


@STOPPED
def test_thread_says_why_nothing_is_sent(
    admin: FlaskClient, acme: TenantScope, unit: Unit, conversation: Conversation, state: CampaignState, told: str
) -> None:
    message = make_of_campaign(acme, unit, conversation, state, **FAILED)

    answer = post_part(admin, f"/t/acme/messages/{message.id}/try_again", {})

    assert (answer.status_code, answer.headers["HX-Retarget"]) == (409, "#problem")
    assert told in answer.text
    assert statuses() == ["failed"]


def test_question_about_many_tells_which_are_not_sent(
    admin: FlaskClient, acme: TenantScope, unit: Unit, conversation: Conversation
) -> None:
    free = [make_ours(acme, conversation, **FAILED) for _ in range(2)]
    paused = make_of_campaign(acme, unit, conversation, CampaignState.PAUSED, **FAILED)
    ids = " ".join(str(message.id) for message in (*free, paused))

    question = admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": ids}).text
    data = {"decision": "try_again", "ids": ids, "confirmed": "1"}
    answer = admin.post(f"{LIST}?bucket=failed", data=data)

    assert "2 messages go back to the queue of Jardins." in question
    assert "1 left as it is until its campaign is resumed." in question
    assert "2 queued again, 1 left as it is until its campaign is resumed." in admin.get(answer.location).text
    assert statuses() == ["queued", "queued", "failed"]


@pytest.mark.parametrize("state", [CampaignState.PROCESSING, CampaignState.COMPLETED])
def test_message_of_a_campaign_that_goes_on_is_tried_again(
    admin: FlaskClient, acme: TenantScope, unit: Unit, conversation: Conversation, state: CampaignState
) -> None:
    message = make_of_campaign(acme, unit, conversation, state, **FAILED)

    admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": str(message.id)})

    assert statuses() == ["queued"]


def test_what_belongs_to_a_cancelled_campaign_can_be_set_aside(
    admin: FlaskClient, acme: TenantScope, unit: Unit, conversation: Conversation
) -> None:
    message = make_of_campaign(acme, unit, conversation, CampaignState.CANCELLED, **FAILED)

    answer = admin.post(f"{LIST}?bucket=failed", data={"decision": "set_aside", "ids": str(message.id)})

    assert "1 set aside." in admin.get(answer.location).text
