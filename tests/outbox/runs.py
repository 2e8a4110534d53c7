"""A campaign at a unit, and what became of those who had their turn."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    CAMPAIGN_PRIORITY,
    Campaign,
    CampaignRecipient,
    CampaignState,
    Contact,
    Direction,
    Message,
    MessageSource,
    MessageStatus,
    RecipientState,
    Unit,
)
from portal.services import campaign_states, conversations
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_campaign


class Run:
    """A campaign of a unit to so many people, who have numbers of their own."""

    def __init__(
        self, scope: TenantScope, unit: Unit, people: int = 3, *, prefix: str = "55119888", **columns: object
    ) -> None:
        self.scope, self.unit = scope, unit
        with acting_for(scope), atomic():
            numbers = [f"{prefix}{number:05d}" for number in range(people)]
            self.contact_ids = [conversations.find_or_add_contact(scope, phone=number) for number in numbers]
        self.campaign_id = make_campaign(scope, unit, self.contact_ids, **columns).id

    def start(self) -> Self:
        with acting_for(self.scope):
            campaign_states.start(self.scope, self.campaign_id)
        return self

    def campaign(self) -> Campaign:
        with acting_for(self.scope):
            this = self.scope.select(Campaign).where(Campaign.id == self.campaign_id)
            return db.session.scalars(this.execution_options(populate_existing=True)).one()

    def state(self) -> CampaignState:
        return self.campaign().state

    def recipients(self) -> list[CampaignRecipient]:
        with acting_for(self.scope):
            theirs = self.scope.select(CampaignRecipient).where(CampaignRecipient.campaign_id == self.campaign_id)
            now_there = theirs.order_by(CampaignRecipient.position).execution_options(populate_existing=True)
            return list(db.session.scalars(now_there))

    def change(self, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            this = self.scope.update(Campaign).where(Campaign.id == self.campaign_id)
            db.session.execute(this.values(columns).execution_options(synchronize_session=False))

    def change_recipient(self, position: int, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            this = self.scope.update(CampaignRecipient).where(
                CampaignRecipient.campaign_id == self.campaign_id, CampaignRecipient.position == position
            )
            db.session.execute(this.values(columns).execution_options(synchronize_session=False))

    def hand(
        self,
        statuses: Sequence[MessageStatus],
        *,
        first: int = 1,
        at: datetime | None = None,
        error_code: str = "rejected",
        delivered_at: datetime | None = None,
    ) -> list[UUID]:
        """As if they had had their turns by then, one second after the other, and this had become of it."""
        at = at or now()
        with across_tenants("a test writes what the outbox would"), atomic():
            return [
                self._hand_one(first + number, status, at + timedelta(seconds=number), error_code, delivered_at)
                for number, status in enumerate(statuses)
            ]

    def opt_out(self, positions: Sequence[int], *, at: datetime | None = None) -> None:
        with acting_for(self.scope), atomic():
            for position in positions:
                this = self.scope.update(Contact).where(Contact.id == self.contact_ids[position - 1])
                db.session.execute(this.values(opted_out_at=at or now() + timedelta(hours=1)))

    def _hand_one(
        self, position: int, status: MessageStatus, at: datetime, error_code: str, delivered_at: datetime | None
    ) -> UUID:
        scope = self.scope
        conversation_id = conversations.open_conversation(scope, self.unit.id, self.contact_ids[position - 1]).id
        message = scope.add(
            Message(
                unit_id=self.unit.id,
                conversation_id=conversation_id,
                direction=Direction.OUTBOUND,
                body="Oi!",
                status=status,
                source=MessageSource.CAMPAIGN,
                priority=CAMPAIGN_PRIORITY,
                is_cold=True,
                occurred_at=at,
                sent_at=None if status in (MessageStatus.QUEUED, MessageStatus.SENDING) else at,
                sending_at=at,
                delivered_at=delivered_at or (at if status == MessageStatus.DELIVERED else None),
                error_code=error_code if status == MessageStatus.FAILED else None,
            )
        )
        db.session.flush()
        this = scope.update(CampaignRecipient).where(
            CampaignRecipient.campaign_id == self.campaign_id, CampaignRecipient.position == position
        )
        handed = {
            "state": RecipientState.HANDED,
            "message_id": message.id,
            "conversation_id": conversation_id,
            "handed_at": at,
        }
        db.session.execute(this.values(handed).execution_options(synchronize_session=False))
        return message.id
