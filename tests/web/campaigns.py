"""Campaigns under way, with recipients on any rung."""

from datetime import timedelta
from uuid import UUID

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    Campaign,
    CampaignRecipient,
    CampaignState,
    Connection,
    Contact,
    Direction,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
    RecipientState,
    Unit,
)
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_conversation, make_message

ADDRESS = "/t/acme/campaigns"
RUNNING = {"state": CampaignState.PROCESSING}


def run_campaign(scope: TenantScope, unit: Unit, people: int = 3, **columns: object) -> Campaign:
    """A campaign to that many people that began ten minutes ago; all of them wait for their turn."""
    ids = [
        make_conversation(scope, unit, phone=f"55119888{number:05d}", name=f"Pessoa {number}").contact_id
        for number in range(people)
    ]
    began = now() - timedelta(minutes=10)
    return make_campaign(scope, unit, ids, **{**RUNNING, "started_at": began, "resumed_at": began, **columns})


def hand(
    scope: TenantScope, campaign: Campaign, position: int, status: MessageStatus = MessageStatus.SENT, **columns: object
) -> Message:
    """The recipient in that place had their turn, and their message is there, in that status."""
    recipient = recipient_of(scope, campaign, position)
    unit = unit_of(scope, campaign)
    conversation = make_conversation(scope, unit, phone=f"55119888{position - 1:05d}", name=None)
    message = make_message(
        scope,
        conversation,
        body=recipient.body or "",
        direction=Direction.OUTBOUND,
        status=status,
        source=MessageSource.CAMPAIGN,
        **{"sent_at": now(), **columns},
    )
    handed = {"message_id": message.id, "conversation_id": conversation.id, "handed_at": now()}
    change_recipient(scope, campaign, position, state=RecipientState.HANDED, **handed)
    return message


def recipient_of(scope: TenantScope, campaign: Campaign, position: int) -> CampaignRecipient:
    with acting_for(scope):
        this = scope.select(CampaignRecipient).where(
            CampaignRecipient.campaign_id == campaign.id, CampaignRecipient.position == position
        )
        return db.session.scalars(this.execution_options(populate_existing=True)).one()


def change_recipient(scope: TenantScope, campaign: Campaign, position: int, **values: object) -> None:
    this = scope.update(CampaignRecipient).where(
        CampaignRecipient.campaign_id == campaign.id, CampaignRecipient.position == position
    )
    with acting_for(scope), atomic():
        db.session.execute(this.values(values).execution_options(synchronize_session=False))


def change_campaign(scope: TenantScope, campaign_id: UUID, **values: object) -> None:
    this = scope.update(Campaign).where(Campaign.id == campaign_id)
    with acting_for(scope), atomic():
        db.session.execute(this.values(values).execution_options(synchronize_session=False))


def state_of(scope: TenantScope, campaign_id: UUID) -> CampaignState:
    with acting_for(scope):
        return CampaignState(
            db.session.scalars(scope.select(Campaign, Campaign.state).where(Campaign.id == campaign_id)).one()
        )


def unit_of(scope: TenantScope, campaign: Campaign) -> Unit:
    with acting_for(scope):
        return scope.get(Unit, campaign.unit_id)


def change(
    scope: TenantScope, model: type[Unit] | type[Lane] | type[Contact] | type[Connection], **values: object
) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(model).values(values))
