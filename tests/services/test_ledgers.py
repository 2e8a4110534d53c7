"""What the ledgers of campaigns say once messages, conversations and people change."""

from collections.abc import Callable
from uuid import UUID

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    CampaignState,
    Contact,
    Conversation,
    Media,
    Message,
    MessageStatus,
    RecipientState,
    SkipReason,
    Unit,
)
from portal.queries.campaigns import Rung, count_recipients
from portal.services import campaign_states, conversations, joining, undelivered
from portal.services.deleting import COLUMNS, Doomed, delete_messages
from portal.services.merging import merge_contacts
from portal.services.parting import undo_merge
from portal.services.undelivered import Decision
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_media
from tests.outbox.runs import Run

SENT, FAILED, UNCONFIRMED = MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.UNCONFIRMED
PENDING, HANDED, SKIPPED = RecipientState.PENDING, RecipientState.HANDED, RecipientState.SKIPPED


@pytest.fixture
def run(scope: TenantScope, unit: Unit) -> Run:
    return started(scope, unit)


def started(scope: TenantScope, unit: Unit, people: int = 3, **columns: object) -> Run:
    run = Run(scope, unit, people, **columns)  # type: ignore[arg-type]
    run.start()
    return run


def change_message(run: Run, message_id: UUID, **columns: object) -> None:
    with acting_for(run.scope), atomic():
        this = run.scope.update(Message).where(Message.id == message_id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def message_of(run: Run, message_id: UUID) -> Message:
    with acting_for(run.scope):
        return run.scope.get(Message, message_id)


def rungs(run: Run) -> dict[Rung, int]:
    with acting_for(run.scope):
        return dict(count_recipients(run.scope, [run.campaign_id])[run.campaign_id].by_rung)


def decide(run: Run, decision: Decision, *message_ids: UUID) -> int:
    with acting_for(run.scope):
        return undelivered.decide(run.scope, decision, message_ids).done


def complete(run: Run) -> None:
    run.change(state=CampaignState.COMPLETED, finished_at=now(), recheck_at=now())


def test_message_that_a_person_tries_again_is_the_recipients_still(run: Run) -> None:
    (message_id,) = run.hand([FAILED])
    complete(run)

    decide(run, Decision.TRY_AGAIN, message_id)

    campaign = run.campaign()
    assert (campaign.state, campaign.finished_at, campaign.recheck_at) == (CampaignState.PROCESSING, None, None)
    assert run.recipients()[0].message_id == message_id
    assert rungs(run) == {Rung.QUEUED: 1, Rung.PENDING: 2}


def test_recipient_follows_the_message_that_was_sent_in_the_place_of_the_first(run: Run) -> None:
    first_id, other_id = run.hand([UNCONFIRMED, UNCONFIRMED])
    complete(run)

    decide(run, Decision.SEND_AGAIN, first_id)

    newest_id = run.recipients()[0].message_id
    assert newest_id is not None
    assert message_of(run, newest_id).resend_of_id == first_id
    assert run.recipients()[1].message_id == other_id
    assert run.campaign().state == CampaignState.PROCESSING


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.CANCELLED])
def test_campaign_that_a_person_stopped_stays_so(run: Run, state: CampaignState) -> None:
    (message_id,) = run.hand([FAILED])
    run.change(state=state)

    assert decide(run, Decision.TRY_AGAIN, message_id) == 0
    assert run.campaign().state == state
    assert message_of(run, message_id).status == FAILED


def test_messages_of_no_campaign_wake_none(run: Run, conversation: Conversation) -> None:
    complete(run)
    with acting_for(run.scope):
        message = conversations.reply(run.scope, conversation.id, text="Olá").message
    change_message(run, message.id, status=FAILED)

    decide(run, Decision.TRY_AGAIN, message.id)

    assert run.campaign().state == CampaignState.COMPLETED


def delete(run: Run) -> int:
    with acting_for(run.scope), atomic():
        rows = db.session.execute(run.scope.select(Message, *COLUMNS))
        return delete_messages(run.scope, [Doomed(*row) for row in rows]).files


def test_recipients_stay_on_their_rungs_when_the_messages_are_deleted(scope: TenantScope, unit: Unit) -> None:
    run = started(scope, unit, 9)
    statuses = [SENT, MessageStatus.DELIVERED, MessageStatus.READ, FAILED, UNCONFIRMED, MessageStatus.CANCELLED, SENT]
    ids = run.hand([*statuses, MessageStatus.CANCELLED])
    run.change_recipient(7, replied_at=now())
    change_message(run, ids[7], error_code="opted_out")
    before = rungs(run)

    delete(run)

    assert rungs(run) == before
    assert sum(before.values()) == run.campaign().total
    lines = run.recipients()
    assert {one.message_id for one in lines} == {None}
    assert (lines[0].outcome, lines[8].outcome) == ("sent", None)
    assert lines[7].reason == SkipReason.OPTED_OUT


def test_message_that_waited_when_it_was_deleted_counts_as_not_sent(run: Run) -> None:
    run.hand([MessageStatus.QUEUED])

    delete(run)

    assert rungs(run) == {Rung.CANCELLED: 1, Rung.PENDING: 2}


def test_file_of_a_campaign_outlives_its_messages(scope: TenantScope, unit: Unit) -> None:
    file_id = make_media(scope)
    run = started(scope, unit, media_id=file_id)
    (message_id,) = run.hand([SENT])
    change_message(run, message_id, media_id=file_id)

    assert delete(run) == 0
    with acting_for(scope):
        assert list(db.session.scalars(scope.select(Media, Media.id))) == [file_id]


def conversation_of(run: Run, position: int) -> UUID:
    """Where the newest message to them is now."""
    message_id = run.recipients()[position - 1].message_id
    assert message_id is not None
    return message_of(run, message_id).conversation_id


def test_recipients_keep_their_own_lines_through_a_merge_and_its_undoing(scope: TenantScope, unit: Unit) -> None:
    run = started(scope, unit, 2)
    run.hand([SENT, SENT])
    kept_id, other_id = run.contact_ids
    own = [one.conversation_id for one in run.recipients()]

    with acting_for(scope):
        merge = merge_contacts(scope, kept_id, other_id)
    assert [one.contact_id for one in run.recipients()] == [kept_id, other_id]
    assert [one.conversation_id for one in run.recipients()] == [own[0], own[0]]
    assert conversation_of(run, 2) == own[0]

    with acting_for(scope):
        undo_merge(scope, merge.id)
    assert [one.conversation_id for one in run.recipients()] == own
    assert conversation_of(run, 2) == own[1]


def test_turn_since_the_merge_stays_with_the_kept_one_when_it_is_undone(scope: TenantScope, unit: Unit) -> None:
    run = started(scope, unit, 2)
    kept_id, other_id = run.contact_ids
    with acting_for(scope), atomic():
        whole_id = conversations.open_conversation(scope, unit.id, other_id).id
    with acting_for(scope):
        merge = merge_contacts(scope, kept_id, other_id)
    run.hand([SENT])
    assert run.recipients()[0].conversation_id == whole_id

    with acting_for(scope):
        undo_merge(scope, merge.id)

    assert run.recipients()[0].conversation_id == conversation_of(run, 1)
    assert run.recipients()[0].conversation_id != whole_id


Become = Callable[[Run], None]


@pytest.fixture
def become() -> Become:
    """Let WhatsApp show that the second person is the first."""

    def make_one(run: Run) -> None:
        with acting_for(run.scope), atomic():
            contacts = [run.scope.get(Contact, contact_id) for contact_id in run.contact_ids[:2]]
            joining.make_one(run.scope, *contacts)

    return make_one


def test_line_of_a_contact_that_goes_is_the_kept_ones(scope: TenantScope, unit: Unit, become: Become) -> None:
    run = started(scope, unit, 2)
    only = Run(scope, unit, 0)
    only.contact_ids = run.contact_ids
    run.hand([SENT, SENT])
    run.change_recipient(1, contact_id=None)

    become(run)

    assert [one.contact_id for one in run.recipients()] == [None, run.contact_ids[0]]
    assert run.recipients()[1].conversation_id == conversation_of(run, 2)


@pytest.mark.parametrize(
    ("statuses", "first", "states"),
    [
        ([], 1, [PENDING, SKIPPED]),
        ([SENT], 1, [HANDED, SKIPPED]),
        ([SENT], 2, [SKIPPED, HANDED]),
        ([SENT, SENT], 1, [HANDED, HANDED]),
    ],
    ids=["nobody had it", "the kept one had it", "the other one had it", "both had it"],
)
def test_one_person_who_was_chosen_as_two_gets_it_once(
    scope: TenantScope,
    unit: Unit,
    become: Become,
    statuses: list[MessageStatus],
    first: int,
    states: list[RecipientState],
) -> None:
    run = started(scope, unit, 2)
    run.hand(statuses, first=first)

    become(run)

    lines = run.recipients()
    assert [one.state for one in lines] == states
    assert [one.contact_id for one in lines] == [run.contact_ids[0], None]
    assert {one.reason for one in lines if one.state == SKIPPED} <= {SkipReason.DUPLICATE}


def test_paused_campaign_takes_back_a_second_message_too(run: Run) -> None:
    (first_id,) = run.hand([UNCONFIRMED])
    decide(run, Decision.SEND_AGAIN, first_id)

    with acting_for(run.scope):
        campaign_states.pause(run.scope, run.campaign_id)

    assert run.recipients()[0].state == PENDING
