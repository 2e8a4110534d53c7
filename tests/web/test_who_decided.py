"""Why something was not sent, and who decided that: on the page of a message and on the ledger of a campaign."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.models import (
    CAMPAIGN_PRIORITY,
    Campaign,
    CampaignState,
    ColdReason,
    ConsentKind,
    ConsentSource,
    Conversation,
    Message,
    MessageSource,
    MessageStatus,
    PauseReason,
    RecipientState,
    SkipReason,
    StatusReason,
    Unit,
    User,
)
from portal.queries.campaigns import OPTED_OUT, RecipientRow, Rung
from portal.queries.sending import Cause, Hold
from portal.queries.undelivered import Bucket
from portal.services import campaign_states, consent
from portal.services.undelivered import Decision, decide
from portal.tenancy import TenantScope, acting_for
from portal.web import audit_changes, campaign_hindrances, campaign_words, reasons, words
from portal.web.consent import SAID
from portal.web.recipient_words import standing
from tests.factories import make_conversation, make_message, make_unit, make_user
from tests.web.campaigns import ADDRESS, change_campaign, change_recipient, hand, recipient_of, run_campaign
from tests.web.test_stories import change_lane, make_ours, story_of

FAILED = {"status": MessageStatus.FAILED, "error_code": "timed_out", "failed_at": now()}
# That a number is in use, or a file gone, is said where somebody asks for it.
NOT_OF_MESSAGES = {errors.NAME_IN_USE, errors.MEDIA_GONE, errors.MEDIA_TOO_LARGE}


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user("ana@acme.test")


@pytest.fixture
def by_ana(acme: TenantScope, ana: User) -> TenantScope:
    return TenantScope(acme.tenant_id, ana.id, address="192.0.2.1")


@pytest.fixture
def campaign(acme: TenantScope, connected_unit: Unit) -> Campaign:
    return run_campaign(acme, connected_unit, 2, name="Natal")


@pytest.fixture
def waiting(acme: TenantScope, campaign: Campaign) -> Message:
    """The first recipient's, about to leave."""
    queued = {"priority": CAMPAIGN_PRIORITY, "sent_at": None}
    return hand(acme, campaign, 1, MessageStatus.QUEUED, **queued)


def ledger_of(client: FlaskClient, campaign: Campaign) -> str:
    return client.get(f"{ADDRESS}/{campaign.id}/recipients").text


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision.SET_ASIDE, "ana@acme.test set the message"),
        (Decision.ARRIVED, "ana@acme.test noted that the message"),
    ],
)
def test_story_says_who_decided_about_the_message(
    admin: FlaskClient, by_ana: TenantScope, conversation: Conversation, decision: Decision, said: str
) -> None:
    message = make_ours(by_ana, conversation, status=MessageStatus.UNCONFIRMED, error_code="timed_out")
    with acting_for(by_ana):
        decide(by_ana, decision, [message.id])

    assert said in story_of(admin, message)


def test_story_says_who_decided_about_many_at_once(
    admin: FlaskClient, by_ana: TenantScope, conversation: Conversation
) -> None:
    messages = [make_ours(by_ana, conversation, **FAILED) for _ in range(2)]
    another = make_ours(by_ana, conversation, **FAILED, handled_at=now())
    with acting_for(by_ana):
        decide(by_ana, Decision.SET_ASIDE, [message.id for message in messages])

    assert "ana@acme.test set several messages aside." in story_of(admin, messages[1])
    assert "Set aside by a person" in story_of(admin, another)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (campaign_states.pause, "ana@acme.test paused the campaign “Natal”."),
        (campaign_states.cancel, "ana@acme.test cancelled the campaign “Natal”."),
    ],
)
def test_message_that_was_taken_back_says_by_whom_and_leads_to_its_campaign(
    admin: FlaskClient, by_ana: TenantScope, campaign: Campaign, waiting: Message, act: object, said: str
) -> None:
    with acting_for(by_ana):
        act(by_ana, campaign.id)  # type: ignore[operator]

    page = story_of(admin, waiting)

    assert said in page
    assert f'href="{ADDRESS}/{campaign.id}"' in page


def test_failed_message_whose_campaign_was_retried_says_so(
    admin: FlaskClient, acme: TenantScope, by_ana: TenantScope, campaign: Campaign
) -> None:
    failed = hand(acme, campaign, 1, **FAILED)
    with acting_for(by_ana):
        campaign_states.retry_failed(by_ana, campaign.id)

    page = story_of(admin, failed)

    assert "ana@acme.test let those try again whose message of the campaign “Natal” failed." in page
    assert "Set aside by a person" not in page


def test_message_that_was_not_sent_for_an_opt_out_says_what_shows_it(
    admin: FlaskClient, by_ana: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(
        by_ana, conversation, status=MessageStatus.CANCELLED, error_code=OPTED_OUT, source=MessageSource.CAMPAIGN
    )
    with acting_for(by_ana):
        consent.opt_out(by_ana, conversation.contact_id)

    page = story_of(admin, message)

    assert "The person had asked for no more messages, so this one was not sent." in page
    assert "Wants no more messages, noted by ana@acme.test" in page


def test_campaign_message_waits_for_a_day_on_which_its_unit_sends(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, waiting: Message
) -> None:
    days = {"window_days": [(now() + timedelta(days=3)).isoweekday()]}
    with acting_for(acme), atomic():
        db.session.execute(acme.update(Unit).where(Unit.id == connected_unit.id).values(days))
    change_lane(acme, connected_unit, campaign_at=now() + timedelta(hours=3))

    page = story_of(admin, waiting)

    assert "Campaign messages leave one after the other: the next one at" in page
    assert "No campaign message leaves today." in page


def test_campaign_message_waits_for_its_turn_only(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, waiting: Message
) -> None:
    change_lane(acme, connected_unit, campaign_at=now() + timedelta(seconds=30))

    page = story_of(admin, waiting)

    assert "the next one at" in page
    assert "No campaign message leaves today." not in page


def test_reply_does_not_wait_for_the_turn_of_campaigns(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    change_lane(acme, connected_unit, campaign_at=now() + timedelta(hours=3))

    assert "It is the next to go." in story_of(admin, make_ours(acme, conversation, status=MessageStatus.QUEUED))


def test_ledger_of_a_paused_campaign_says_who_paused_it(
    admin: FlaskClient, by_ana: TenantScope, campaign: Campaign
) -> None:
    with acting_for(by_ana):
        campaign_states.pause(by_ana, campaign.id)

    assert "ana@acme.test paused it at" in ledger_of(admin, campaign)
    assert "ana@acme.test paused it at" in admin.get(f"{ADDRESS}/{campaign.id}").text


def test_ledger_of_a_cancelled_campaign_says_who_cancelled_it_on_each_line(
    admin: FlaskClient, by_ana: TenantScope, campaign: Campaign
) -> None:
    with acting_for(by_ana):
        campaign_states.cancel(by_ana, campaign.id)

    # At its top, and on the lines of two people.
    assert ledger_of(admin, campaign).count("ana@acme.test cancelled it at") == 3


def test_ledger_says_what_those_wait_for_who_had_no_turn(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, campaign: Campaign
) -> None:
    change_lane(acme, connected_unit, is_open=False)

    assert "The unit is not connected" in ledger_of(admin, campaign)


def test_ledger_of_a_scheduled_campaign_says_when_it_starts(
    admin: FlaskClient, acme: TenantScope, campaign: Campaign
) -> None:
    change_campaign(acme, campaign.id, state=CampaignState.SCHEDULED, scheduled_at=now() + timedelta(days=2))

    assert "It starts by itself at" in ledger_of(admin, campaign)


def test_ledger_of_which_everybody_had_their_turn_says_nothing(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, campaign: Campaign
) -> None:
    for position in (1, 2):
        hand(acme, campaign, position)
    change_lane(acme, connected_unit, is_open=False)

    assert "The unit is not connected" not in ledger_of(admin, campaign)


def test_whoever_gets_nothing_has_a_reason_and_something_to_do(
    admin: FlaskClient, acme: TenantScope, campaign: Campaign
) -> None:
    change_recipient(acme, campaign, 1, state=RecipientState.SKIPPED, reason=SkipReason.NOT_ON_WHATSAPP)

    page = ledger_of(admin, campaign)

    assert str(campaign_words.SKIPS[SkipReason.NOT_ON_WHATSAPP]) in page
    assert str(campaign_words.SKIP_STEPS[SkipReason.NOT_ON_WHATSAPP]) in page


def test_rivals_decisions_are_not_told(
    admin: FlaskClient, acme: TenantScope, rival: TenantScope, conversation: Conversation
) -> None:
    theirs = make_conversation(rival, make_unit(rival, "norte"))
    foreign = make_message(rival, theirs, **FAILED)  # type: ignore[arg-type]
    by_bia = TenantScope(rival.tenant_id, make_user("bia@rival.test", tenant="rival").id)
    with acting_for(by_bia):
        decide(by_bia, Decision.SET_ASIDE, [foreign.id])
    message = make_ours(acme, conversation, **{**FAILED, "handled_at": now()})

    page = story_of(admin, message)

    assert "bia@rival.test" not in page
    assert "Set aside by a person" in page


def test_every_way_of_not_arriving_has_words() -> None:
    codes = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)}

    assert codes - NOT_OF_MESSAGES - reasons.FAILURES.keys() - reasons.DOUBTS.keys() == set()
    assert set(StatusReason) - words.BY_REASON.keys() == set()
    assert set(SkipReason) - campaign_words.SKIPS.keys() == set()
    assert set(SkipReason) - campaign_words.SKIP_STEPS.keys() == set()
    assert set(PauseReason) - campaign_hindrances._PAUSES.keys() == set()
    assert set(PauseReason) - audit_changes.PAUSES.keys() == set()
    assert set(CampaignState) - campaign_words.STANDINGS.keys() == set()
    assert {OPTED_OUT, campaign_states.CAMPAIGN_PAUSED, campaign_states.CAMPAIGN_CANCELLED} == set(
        reasons.CANCELLATIONS
    )
    assert {(ConsentKind.OPTED_OUT, source) for source in ConsentSource} - SAID.keys() == set()


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_that_holds_a_message_has_a_sentence(admin: FlaskClient, acme: TenantScope, cause: Cause) -> None:
    with admin.application.test_request_context():
        told = reasons.hold_words(Hold(cause, since=now(), until=now(), reason=None), "America/Sao_Paulo")

    assert told.endswith(".")
    assert len(told.split()) > 5


@pytest.mark.parametrize("reason", ColdReason)
def test_every_limit_on_new_chats_has_a_sentence(admin: FlaskClient, acme: TenantScope, reason: ColdReason) -> None:
    with admin.application.test_request_context():
        told = reasons.new_chats_words(Hold(Cause.NEW_CHATS_PAUSED, until=now(), reason=reason), "America/Sao_Paulo")

    assert told.endswith(".")


@pytest.mark.parametrize("bucket", Bucket)
def test_code_that_nobody_knows_still_says_what_to_do(bucket: Bucket) -> None:
    found = reasons.reason_in(bucket, "never_heard_of")

    assert str(found.sentence).endswith(".")
    assert str(found.step).endswith((".", "?"))


@pytest.mark.parametrize("rung", Rung)
def test_every_rung_of_the_ledger_has_a_label(
    admin: FlaskClient, acme: TenantScope, campaign: Campaign, rung: Rung
) -> None:
    row = RecipientRow(recipient_of(acme, campaign, 1), None, None, rung)
    with admin.application.test_request_context():
        assert standing(row, "America/Sao_Paulo").label
