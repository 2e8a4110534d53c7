"""Who decided that a message is not sent, and when: what the audit log knows about it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_

from portal.db import among, db, first_id_at
from portal.models import (
    AuditEvent,
    Campaign,
    CampaignRecipient,
    Conversation,
    Message,
    MessageSource,
    MessageStatus,
)
from portal.queries import audit
from portal.queries.audit import LogRow
from portal.tenancy import TenantScope

# What the campaign's message says that was taken back before it left -> what somebody did then.
TAKEN_BACK = {"campaign_paused": "campaign.paused", "campaign_cancelled": "campaign.cancelled"}
SETTLING = ("message.tried_again", "message.sent_again", "message.noted_as_arrived", "message.set_aside")
RETRIED = "campaign.retried"
# A decision is written down in the transaction that makes it, which may hold a thousand messages.
WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Decided:
    """An act of the log, and the campaign that it was about."""

    row: LogRow
    campaign: Campaign | None = None


def find_about_message(scope: TenantScope, message: Message) -> Decided | None:
    """What a person decided about the message, or about its campaign while it waited. None: nothing is known."""
    if message.status == MessageStatus.CANCELLED:
        return _taken_back(scope, message)
    return _settled(scope, message) if message.handled_at is not None else None


def find_about_campaign(scope: TenantScope, campaign: Campaign, *actions: str) -> Decided | None:
    """The newest of these acts about the campaign."""
    theirs = _log(scope, *actions).where(AuditEvent.subject_id == campaign.id)
    event = db.session.scalars(theirs.order_by(AuditEvent.id.desc()).limit(1)).first()
    return _decided(scope, event, campaign) if event else None


def _taken_back(scope: TenantScope, message: Message) -> Decided | None:
    """The first such act since the message was written, if it can only have been about one campaign."""
    action = TAKEN_BACK.get(message.error_code or "")
    campaigns = {campaign.id: campaign for campaign in _possible_campaigns(scope, message)}
    if action is None or not campaigns:
        return None
    since = _log(scope, action).where(
        among(AuditEvent.subject_id, campaigns), AuditEvent.id >= first_id_at(message.created_at)
    )
    event = db.session.scalars(since.order_by(AuditEvent.id).limit(1)).first()
    return _decided(scope, event, campaigns[event.subject_id]) if event and event.subject_id else None


def _possible_campaigns(scope: TenantScope, message: Message) -> Collection[Campaign]:
    """Those that chose the person at the unit, with that very text: a message that was taken back names none."""
    theirs = scope.select(Conversation, Conversation.contact_id).where(Conversation.id == message.conversation_id)
    chosen = scope.select(CampaignRecipient, CampaignRecipient.campaign_id).where(
        CampaignRecipient.contact_id.in_(theirs), CampaignRecipient.body == message.body
    )
    found = scope.select(Campaign).where(Campaign.unit_id == message.unit_id, Campaign.id.in_(chosen))
    return db.session.scalars(found).all()


def _settled(scope: TenantScope, message: Message) -> Decided | None:
    at = message.handled_at
    assert at is not None, "only asked of messages that somebody handled"
    is_of_many = AuditEvent.after["ids"].contains([str(message.id)])
    is_about_it = [AuditEvent.action.in_(SETTLING) & or_(AuditEvent.subject_id == message.id, is_of_many)]
    campaigns: dict[UUID, Campaign] = {}
    if message.source == MessageSource.CAMPAIGN:
        campaigns = {campaign.id: campaign for campaign in _possible_campaigns(scope, message)}
        is_about_it.append((AuditEvent.action == RETRIED) & among(AuditEvent.subject_id, campaigns))
    then = _log(scope).where(
        AuditEvent.id >= first_id_at(at - WITHIN), AuditEvent.id < first_id_at(at + WITHIN), or_(*is_about_it)
    )
    event = db.session.scalars(then.order_by(AuditEvent.id).limit(1)).first()
    return _decided(scope, event, campaigns.get(event.subject_id or message.id)) if event else None


def _log(scope: TenantScope, *actions: str) -> Select[Any]:
    found = scope.select(AuditEvent)
    return found.where(AuditEvent.action.in_(actions)) if actions else found


def _decided(scope: TenantScope, event: AuditEvent, campaign: Campaign | None) -> Decided:
    (row,) = audit.with_names(scope, [event])
    return Decided(row, campaign)
