"""Pages tell what test tokens made from what really goes out."""

from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import CampaignState, Conversation, Direction, MessageStatus, Unit
from portal.queries import units
from portal.services import campaign_drafts, campaign_tests
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_message
from tests.web.campaigns import ADDRESS, run_campaign
from tests.web.threads import bubble
from tests.web.undelivered import FAILED, LIST, make_ours

MARK = "Test · reaches nobody"


def test_thread_and_story_tell_a_test_from_a_message(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, thread: str
) -> None:
    sent = {"direction": Direction.OUTBOUND, "status": MessageStatus.DELIVERED, "sent_at": now()}
    tried = make_message(acme, conversation, body="Ensaio", is_test=True, **sent)  # type: ignore[arg-type]
    real = make_message(acme, conversation, body="De verdade", **sent)  # type: ignore[arg-type]

    page = admin.get(thread).text

    assert [MARK in bubble(page, message) for message in (tried, real)] == [True, False]
    stories = [admin.get(f"/t/acme/messages/{message.id}").text for message in (tried, real)]
    assert ["reaches nobody" in story for story in stories] == [True, False]


@pytest.mark.parametrize("is_test", [True, False])
def test_list_and_page_of_a_campaign_say_whether_it_is_a_test(
    acme: TenantScope, admin: FlaskClient, connected_unit: Unit, is_test: bool
) -> None:
    campaign = run_campaign(acme, connected_unit, is_test=is_test)

    pages = [admin.get(address).text for address in (ADDRESS, f"{ADDRESS}/{campaign.id}")]

    assert [MARK in page for page in pages] == [is_test, is_test]


@pytest.mark.parametrize("is_test", [True, False])
def test_whoever_sends_a_draft_is_told_that_it_is_a_test(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, connected_unit: Unit, is_test: bool
) -> None:
    draft = make_campaign(acme, connected_unit, [conversation.contact_id], is_test=is_test)

    assert (MARK in admin.get(f"{ADDRESS}/{draft.id}/check").text) == is_test


def test_list_of_what_was_not_delivered_tells_a_test(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation
) -> None:
    make_ours(acme, conversation, **FAILED)
    assert MARK not in admin.get(LIST).text

    make_ours(acme, conversation, is_test=True, **FAILED)

    assert admin.get(LIST).text.count(MARK) == 1


def test_unit_counts_only_what_really_went_out(
    acme: TenantScope, conversation: Conversation, connected_unit: Unit
) -> None:
    for columns in ({"status": MessageStatus.SENT, "sent_at": now()}, {**FAILED, "failed_at": now()}):
        for is_test in (False, True, True):
            make_ours(acme, conversation, is_test=is_test, **columns)

    with acting_for(acme):
        row = units.get_unit_row(acme, connected_unit.slug)

    assert (row.sent, row.failed) == (1, 1)


@pytest.mark.parametrize("is_test", [True, False])
def test_copy_and_trial_of_a_campaign_are_tests_if_it_is_one(
    acme: TenantScope, conversation: Conversation, connected_unit: Unit, is_test: bool
) -> None:
    draft = make_campaign(acme, connected_unit, [conversation.contact_id], is_test=is_test)

    with acting_for(acme):
        copy = campaign_drafts.clone(acme, draft.id)
        tried = campaign_tests.send_test(
            acme, draft.id, number=1, phone="5511988880001", client_message_id=str(uuid4())
        )

    assert (copy.is_test, copy.state) == (is_test, CampaignState.DRAFT)
    assert tried.message.is_test == is_test
