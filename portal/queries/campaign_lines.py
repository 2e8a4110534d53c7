"""Campaigns as one person or one message sees them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, func

from portal.db import among, among_told, db
from portal.models import Campaign, CampaignRecipient, Contact, Message, MessageSource, Unit
from portal.queries.campaigns import WITHOUT_AUDIENCE, RecipientRow, Rung, rung_of_recipient, with_messages
from portal.tenancy import Form, TenantScope


@dataclass(frozen=True)
class CampaignLine:
    """Somebody's line in the ledger of a campaign."""

    campaign: Campaign
    unit: Unit
    row: RecipientRow


def list_lines(scope: TenantScope, contact_ids: Collection[UUID], *, limit: int | None = None) -> list[CampaignLine]:
    """The lines of these contacts in campaigns that the scope sees, the latest turn first."""
    rows = scope.execute(_LINES, contacts=list(contact_ids), most=limit)
    return [
        CampaignLine(campaign, unit, RecipientRow(recipient, contact, message, Rung(rung)))
        for campaign, unit, recipient, contact, message, rung in rows
    ]


def _lines(scope: TenantScope) -> Select[Any]:
    of_campaign = (Campaign.tenant_id == CampaignRecipient.tenant_id) & (Campaign.id == CampaignRecipient.campaign_id)
    of_contact = (Contact.tenant_id == CampaignRecipient.tenant_id) & (Contact.id == CampaignRecipient.contact_id)
    of_unit = (Unit.tenant_id == Campaign.tenant_id) & (Unit.id == Campaign.unit_id)
    columns = (Campaign, Unit, CampaignRecipient, Contact, Message, rung_of_recipient())
    return (
        with_messages(
            scope.select(CampaignRecipient, *columns)
            .select_from(CampaignRecipient)
            .join(Contact, of_contact)
            .join(Campaign, of_campaign)
            .join(Unit, of_unit)
        )
        .options(WITHOUT_AUDIENCE)
        .where(
            among_told(CampaignRecipient.contact_id, "contacts"),
            CampaignRecipient.campaign_id.in_(scope.select(Campaign, Campaign.id)),
        )
        .order_by(func.coalesce(CampaignRecipient.handed_at, Campaign.created_at).desc(), Campaign.id.desc())
        .limit(bindparam("most", type_=Integer()))
    )


_LINES = Form(_lines)


def find_campaign(scope: TenantScope, message: Message) -> Campaign | None:
    """The campaign that the message is of, or that one is of which it was sent in the place of."""
    if message.source != MessageSource.CAMPAIGN and message.resend_of_id is None:
        return None
    theirs = scope.select(CampaignRecipient, CampaignRecipient.campaign_id).where(
        among(CampaignRecipient.message_id, _sends(scope, message))
    )
    return db.session.scalars(scope.select(Campaign).where(Campaign.id.in_(theirs)).limit(1)).first()


def _sends(scope: TenantScope, message: Message) -> set[UUID]:
    """The message, and those before and after it that stand for the same."""
    first = message
    while first.resend_of_id is not None:
        first = scope.get(Message, first.resend_of_id)
    found, newest = {first.id}, [first.id]
    while newest:
        after = scope.select(Message, Message.id).where(among(Message.resend_of_id, newest))
        newest = list(db.session.scalars(after))
        found.update(newest)
    return found
