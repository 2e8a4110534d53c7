"""Campaigns and their ledgers. Each recipient counts once, on the highest rung that is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_
from sqlalchemy.orm import defer

from portal.db import among, db, first_id_at
from portal.errors import NotFound
from portal.models import (
    Campaign,
    CampaignRecipient,
    CampaignState,
    Contact,
    Message,
    MessageStatus,
    RecipientState,
    SkipReason,
)
from portal.tenancy import TenantScope

PAGE = 50
OPTED_OUT = "opted_out"
# A pasted list may have a megabyte, and few look at it.
WITHOUT_AUDIENCE = defer(Campaign.audience)


class Rung(StrEnum):
    """What became of a recipient: the names of R8's counts."""

    PENDING = "pending"
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    REPLIED = "replied"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Counts:
    """How many recipients are on each rung; the sum is the campaign's `total`, always."""

    by_rung: Mapping[Rung, int]

    def __getitem__(self, rung: Rung) -> int:
        return self.by_rung.get(rung, 0)

    @property
    def total(self) -> int:
        return sum(self.by_rung.values())

    @property
    def handed_over(self) -> int:
        """Whose message left, whatever became of it."""
        gone = (Rung.SENT, Rung.DELIVERED, Rung.READ, Rung.REPLIED, Rung.FAILED, Rung.UNCONFIRMED)
        return sum(self[rung] for rung in gone)

    @property
    def to_send(self) -> int:
        """Everybody but those who were chosen and get nothing."""
        return self.total - self[Rung.SKIPPED]

    @property
    def percent(self) -> int:
        """How much of it left."""
        return 100 * self.handed_over // self.to_send if self.to_send else 0

    @property
    def left(self) -> int:
        """Who waits for their turn, or whose message is about to leave."""
        return self[Rung.PENDING] + self[Rung.QUEUED]


@dataclass(frozen=True)
class RecipientRow:
    """One line of the ledger, with the person and the message, where there are any."""

    recipient: CampaignRecipient
    contact: Contact | None
    message: Message | None
    rung: Rung

    @property
    def reason(self) -> SkipReason | None:
        """Why they get nothing: as it was planned, or since they opted out while their message waited."""
        if self.recipient.reason is not None:
            return SkipReason(self.recipient.reason)
        return SkipReason.OPTED_OUT if self.rung == Rung.SKIPPED else None


def get_campaign(scope: TenantScope, campaign_id: UUID) -> Campaign:
    """Raises NotFound. Whom it is for is read when it is asked for."""
    this = scope.select(Campaign).options(WITHOUT_AUDIENCE).where(Campaign.id == campaign_id)
    campaign: Campaign | None = db.session.scalar(this)
    if campaign is None:
        raise NotFound("no such campaign")
    return campaign


def list_campaigns(
    scope: TenantScope,
    *,
    state: CampaignState | None = None,
    unit_id: UUID | None = None,
    since: datetime | None = None,
    before: UUID | None = None,
    limit: int = PAGE,
) -> list[Campaign]:
    """The youngest campaigns that the scope sees; those older than `before`, made at `since` or after it."""
    statement = scope.select(Campaign).options(WITHOUT_AUDIENCE).order_by(Campaign.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(Campaign.state == state)
    if unit_id is not None:
        statement = statement.where(Campaign.unit_id == unit_id)
    if since is not None:
        statement = statement.where(Campaign.id >= first_id_at(since))
    if before is not None:
        statement = statement.where(Campaign.id < before)
    return list(db.session.scalars(statement))


def count_recipients(scope: TenantScope, campaign_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """Campaign -> its counts; a campaign of another tenant or unit has none."""
    # Grouped by its name: written twice, the expression would have other parameters, and be another one.
    rung = rung_of_recipient().label("rung")
    counted = with_messages(scope.select(CampaignRecipient, CampaignRecipient.campaign_id, rung, func.count()))
    visible = scope.select(Campaign, Campaign.id).where(among(Campaign.id, campaign_ids))
    counted = counted.where(CampaignRecipient.campaign_id.in_(visible)).group_by(CampaignRecipient.campaign_id, rung)
    found: dict[UUID, dict[Rung, int]] = {campaign_id: {} for campaign_id in campaign_ids}
    for campaign_id, name, number in db.session.execute(counted):
        found[campaign_id][Rung(name)] = number
    return {campaign_id: Counts(by_rung) for campaign_id, by_rung in found.items()}


def count_skipped(scope: TenantScope, campaign_id: UUID, *, on_rung: int = 0) -> dict[SkipReason, int]:
    """Reason -> how many get nothing for it, by planning or at their turn.

    `on_rung` is how many are on the rung for it: those without a reason opted out while their message waited.
    """
    counted = scope.select(CampaignRecipient, CampaignRecipient.reason, func.count()).where(
        CampaignRecipient.campaign_id == campaign_id, CampaignRecipient.reason.is_not(None)
    )
    rows = db.session.execute(counted.group_by(CampaignRecipient.reason))
    found = {SkipReason(reason): number for reason, number in rows}
    late = max(0, on_rung - sum(found.values()))
    return {**found, SkipReason.OPTED_OUT: found.get(SkipReason.OPTED_OUT, 0) + late} if late else found


def retryable(scope: TenantScope, campaign_id: UUID) -> Select[Any]:
    """The ids of the failed messages whose recipients may have another turn; not of those that were deleted since."""
    recipient = (CampaignRecipient.tenant_id == Message.tenant_id) & (CampaignRecipient.message_id == Message.id)
    return (
        scope.select(Message, Message.id)
        .join(CampaignRecipient, recipient)
        .where(
            CampaignRecipient.campaign_id == campaign_id,
            CampaignRecipient.state == RecipientState.HANDED,
            CampaignRecipient.replied_at.is_(None),
            Message.status == MessageStatus.FAILED,
        )
    )


def count_retryable(scope: TenantScope, campaign_id: UUID) -> int:
    """To how many "retry failed" gives another turn."""
    return db.session.scalar(retryable(scope, campaign_id).with_only_columns(func.count())) or 0


def list_recipients(
    scope: TenantScope,
    campaign_id: UUID,
    *,
    rung: Rung | None = None,
    reason: SkipReason | None = None,
    is_renumbered: bool = False,
    has_gaps: bool = False,
    after: int = 0,
    limit: int = PAGE,
) -> list[RecipientRow]:
    """Lines of the ledger in their order, after that position; each condition that is given narrows the others.

    Raises NotFound for a campaign that the scope does not see.
    """
    get_campaign(scope, campaign_id)
    statement = with_messages(
        scope.select(CampaignRecipient, CampaignRecipient, Contact, Message, rung_of_recipient())
    ).outerjoin(
        Contact, (Contact.tenant_id == CampaignRecipient.tenant_id) & (Contact.id == CampaignRecipient.contact_id)
    )
    statement = statement.where(CampaignRecipient.campaign_id == campaign_id, CampaignRecipient.position > after)
    if rung is not None:
        statement = statement.where(rung_of_recipient() == rung)
    if reason is not None:
        statement = statement.where(_has_reason(reason))
    if is_renumbered:
        statement = statement.where(CampaignRecipient.is_renumbered)
    if has_gaps:
        statement = statement.where(CampaignRecipient.has_gaps)
    rows = db.session.execute(statement.order_by(CampaignRecipient.position).limit(limit))
    return [RecipientRow(recipient, contact, message, Rung(rung)) for recipient, contact, message, rung in rows]


def _has_reason(reason: SkipReason) -> ColumnElement[bool]:
    is_planned = CampaignRecipient.reason == reason
    if reason != SkipReason.OPTED_OUT:
        return is_planned
    return or_(is_planned, CampaignRecipient.reason.is_(None) & (rung_of_recipient() == Rung.SKIPPED))


def rung_of_recipient() -> ColumnElement[str]:
    """The rung in SQL, over recipients and their messages; of a message that was deleted, the one it had then."""
    status = func.coalesce(Message.status, CampaignRecipient.outcome)
    is_opted_out = (status == MessageStatus.CANCELLED) & (Message.error_code == OPTED_OUT)
    rung: ColumnElement[str] = case(
        (CampaignRecipient.state != RecipientState.HANDED, CampaignRecipient.state),
        (CampaignRecipient.replied_at.is_not(None), Rung.REPLIED.value),
        (status == MessageStatus.SENDING, Rung.QUEUED.value),
        (is_opted_out, Rung.SKIPPED.value),
        # Its message is gone and left no word: nobody knows.
        else_=func.coalesce(status, Rung.UNCONFIRMED.value),
    )
    return rung


def with_messages(statement: Select[Any]) -> Select[Any]:
    """Beside each recipient the newest message to them, if there is one."""
    return statement.outerjoin(
        Message, and_(Message.tenant_id == CampaignRecipient.tenant_id, Message.id == CampaignRecipient.message_id)
    )
