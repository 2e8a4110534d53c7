"""What the ledgers of campaigns say once messages, conversations and people change: no line is ever lost."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Update, Uuid, case, func

from portal.db import among, as_table, db, told_table
from portal.models import (
    ABOUT_ANOTHER,
    Campaign,
    CampaignRecipient,
    CampaignState,
    Message,
    MessageStatus,
    RecipientState,
    SkipReason,
)
from portal.queries.campaigns import OPTED_OUT
from portal.services import campaign_states
from portal.services.wishes import Heard
from portal.tenancy import Form, TenantScope

# Whoever writes later than this after a campaign's message is not answering it.
ANSWERED_WITHIN = timedelta(days=7)
UNSENT = (MessageStatus.QUEUED, MessageStatus.CANCELLED, MessageStatus.FAILED)


def note_replies(scope: TenantScope, heard: Iterable[Heard]) -> None:
    """Whoever wrote after a campaign's message reached them has replied to it; a reaction is no reply."""
    newest: dict[UUID, datetime] = {}
    for one in heard:
        if _is_said(one.message):
            at = one.message.occurred_at
            newest[one.conversation.id] = max(at, newest.get(one.conversation.id, at))
    if newest:
        scope.execute(_NOTE_REPLIES, told_conversation_id=list(newest), told_at=list(newest.values()))


def _replies(scope: TenantScope) -> Update:
    """Of told conversations and the times at which somebody wrote there last."""
    told = told_table({"conversation_id": Uuid(), "at": DateTime(timezone=True)})
    # WhatsApp's clock counts whole seconds.
    left_at = func.date_trunc("second", func.coalesce(Message.sending_at, CampaignRecipient.handed_at))
    theirs = scope.update(CampaignRecipient).where(
        CampaignRecipient.conversation_id == told.c.conversation_id,
        CampaignRecipient.replied_at.is_(None),
        CampaignRecipient.state == RecipientState.HANDED,
        CampaignRecipient.handed_at >= told.c.at - ANSWERED_WITHIN,
        Message.tenant_id == CampaignRecipient.tenant_id,
        Message.id == CampaignRecipient.message_id,
        Message.status.not_in(UNSENT),
        # What reached nobody was answered by nobody.
        ~Message.is_test,
        left_at <= told.c.at,
    )
    return theirs.values(replied_at=told.c.at).execution_options(synchronize_session=False)


def follow_resends(scope: TenantScope, seconds: Mapping[UUID, UUID]) -> None:
    """What was sent in the place of a campaign's message (first -> second) is the newest one to its recipient."""
    if seconds:
        told = as_table({"first_id": Uuid(), "second_id": Uuid()}, list(seconds.items()))
        theirs = scope.update(CampaignRecipient).where(CampaignRecipient.message_id == told.c.first_id)
        _run(theirs.values(message_id=told.c.second_id))


def reopen(scope: TenantScope, message_ids: Collection[UUID]) -> None:
    """Completed campaigns of which these messages wait again are processing again. Their units must be locked."""
    theirs = scope.select(CampaignRecipient, CampaignRecipient.campaign_id).where(
        among(CampaignRecipient.message_id, message_ids)
    )
    completed = scope.select(Campaign, Campaign.id).where(
        Campaign.id.in_(theirs), Campaign.state == CampaignState.COMPLETED
    )
    for campaign_id in db.session.scalars(completed.order_by(Campaign.id)).all():
        campaign_states.begin(scope, campaign_states.lock(scope, campaign_id))


def keep_outcomes(scope: TenantScope, message_ids: Collection[UUID]) -> None:
    """These messages are about to be deleted: their recipients keep what became of them."""
    is_opted_out = (Message.status == MessageStatus.CANCELLED) & (Message.error_code == OPTED_OUT)
    # What never leaves now was not sent.
    outcome = case((Message.status == MessageStatus.QUEUED, MessageStatus.CANCELLED.value), else_=Message.status)
    theirs = scope.update(CampaignRecipient).where(
        among(CampaignRecipient.message_id, message_ids),
        Message.tenant_id == CampaignRecipient.tenant_id,
        Message.id == CampaignRecipient.message_id,
    )
    _run(
        theirs.values(
            message_id=None,
            outcome=outcome,
            state=case((is_opted_out, RecipientState.SKIPPED.value), else_=CampaignRecipient.state),
            reason=case((is_opted_out, SkipReason.OPTED_OUT.value), else_=CampaignRecipient.reason),
        )
    )


def follow_conversation(scope: TenantScope, from_id: UUID, to_id: UUID) -> None:
    """All that one conversation held is in the other one from now on."""
    theirs = scope.update(CampaignRecipient).where(CampaignRecipient.conversation_id == from_id)
    _run(theirs.values(conversation_id=to_id))


def follow_messages(scope: TenantScope, from_id: UUID, to_id: UUID) -> None:
    """Some of the messages of one conversation have moved to the other one."""
    moved = scope.update(CampaignRecipient).where(
        CampaignRecipient.conversation_id == from_id,
        Message.tenant_id == CampaignRecipient.tenant_id,
        Message.id == CampaignRecipient.message_id,
        Message.conversation_id == to_id,
    )
    _run(moved.values(conversation_id=to_id))


def give_lines(scope: TenantScope, other_id: UUID, kept_id: UUID) -> None:
    """The other contact turned out to be the kept one, and goes. In a campaign that has both, one line is a repeat."""
    theirs, pending = CampaignRecipient.contact_id == other_id, CampaignRecipient.state == RecipientState.PENDING
    handed = scope.select(CampaignRecipient, CampaignRecipient.campaign_id).where(
        theirs, CampaignRecipient.state == RecipientState.HANDED
    )
    had_it = scope.update(CampaignRecipient).where(
        CampaignRecipient.contact_id == kept_id, pending, CampaignRecipient.campaign_id.in_(handed)
    )
    _run(had_it.values(state=RecipientState.SKIPPED, reason=SkipReason.DUPLICATE))
    of_kept = scope.select(CampaignRecipient, CampaignRecipient.campaign_id).where(
        CampaignRecipient.contact_id == kept_id
    )
    repeats = scope.update(CampaignRecipient).where(theirs, CampaignRecipient.campaign_id.in_(of_kept))
    _run(repeats.values(contact_id=None, **_skipped_if_pending(SkipReason.DUPLICATE)))
    _run(scope.update(CampaignRecipient).where(theirs).values(contact_id=kept_id))


def forget_people(scope: TenantScope, contact_ids: Collection[UUID]) -> None:
    """These people are erased: their lines stay, for the sums, and say nothing of them."""
    theirs = scope.update(CampaignRecipient).where(among(CampaignRecipient.contact_id, contact_ids))
    nothing = {"contact_id": None, "typed": None, "body": None, "conversation_id": None}
    _run(theirs.values(**nothing, **_skipped_if_pending(SkipReason.ERASED)))


def _is_said(message: Message) -> bool:
    return message.kind not in ABOUT_ANOTHER and not (message.details or {}).get("isVote")


def _skipped_if_pending(reason: SkipReason) -> dict[str, Any]:
    is_pending = CampaignRecipient.state == RecipientState.PENDING
    return {
        "state": case((is_pending, RecipientState.SKIPPED.value), else_=CampaignRecipient.state),
        "reason": case((is_pending, reason.value), else_=CampaignRecipient.reason),
    }


def _run(statement: Update) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))


_NOTE_REPLIES = Form(_replies)
