"""What is to be known of a planned campaign before somebody sends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func

from portal.clock import now
from portal.db import db
from portal.models import Campaign, CampaignRecipient, Contact, Conversation, Media, RecipientState, SkipReason, Unit
from portal.queries.campaigns import WITHOUT_AUDIENCE, count_skipped
from portal.tenancy import TenantScope

# What was learned of a number holds for so long.
KNOWN_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Tally:
    """The ledger of a draft in numbers: who gets the message, and what there is to say about the lines."""

    pending: int
    skipped: Mapping[SkipReason, int]
    # Lines, whatever becomes of them.
    renumbered: int
    gaps: int
    # Of those who get it: whose number was looked up, while that goes on.
    looked_up: int


@dataclass(frozen=True)
class Crowd:
    """Those who get the message: who of them never wrote to the unit, and how many get the same words."""

    never_wrote: int
    identical: int


@dataclass(frozen=True)
class Shown:
    """One of those who get the message, what they get, and which of them it is, from 1."""

    recipient: CampaignRecipient
    contact: Contact
    number: int


@dataclass(frozen=True)
class Overlap:
    """A campaign that wrote since then to some of the same people."""

    campaign: Campaign
    people: int


def tally(scope: TenantScope, campaign: Campaign) -> Tally:
    """Count the ledger of a campaign that the scope sees."""
    counted = scope.select(
        CampaignRecipient,
        func.count().filter(CampaignRecipient.state == RecipientState.PENDING),
        func.count().filter(CampaignRecipient.is_renumbered),
        func.count().filter(CampaignRecipient.has_gaps),
    )
    counts = db.session.execute(counted.where(CampaignRecipient.campaign_id == campaign.id)).one()
    pending, renumbered, gaps = counts
    return Tally(
        pending=pending,
        skipped=count_skipped(scope, campaign.id),
        renumbered=renumbered,
        gaps=gaps,
        looked_up=_count_looked_up(scope, campaign.id) if campaign.number_check_at else 0,
    )


def survey_crowd(scope: TenantScope, campaign: Campaign, *, pending: int) -> Crowd:
    """Look at all of those who get the message of a campaign that the scope sees: it takes a second for many."""
    return Crowd(
        never_wrote=pending - _count_writers(scope, campaign),
        identical=_count_identical(scope, campaign.id),
    )


def count_absent(scope: TenantScope, campaign_id: UUID) -> int:
    """How many get nothing since their number turned out not to be on WhatsApp."""
    return count_skipped(scope, campaign_id).get(SkipReason.NOT_ON_WHATSAPP, 0)


def find_shown(scope: TenantScope, campaign_id: UUID, number: int) -> Shown | None:
    """The person who gets the message as that one, counted from 1 in the order of the ledger."""
    # The person is read afterwards: those who are passed over are read from the index alone.
    ordered = _pending(scope, campaign_id).order_by(CampaignRecipient.position)
    recipient: CampaignRecipient | None = db.session.scalar(ordered.offset(number - 1).limit(1))
    if recipient is None or recipient.contact_id is None:
        return None
    return Shown(recipient, scope.get(Contact, recipient.contact_id), number)


def list_overlaps(scope: TenantScope, campaign_id: UUID, *, since: datetime) -> list[Overlap]:
    """Other campaigns that wrote to people of this one since then, the one with the most of them first."""
    waiting = _pending(scope, campaign_id, CampaignRecipient.contact_id)
    of_campaign = (CampaignRecipient.tenant_id == Campaign.tenant_id) & (CampaignRecipient.campaign_id == Campaign.id)
    written = (
        scope.select(Campaign, Campaign, func.count())
        .options(WITHOUT_AUDIENCE)
        .join(CampaignRecipient, of_campaign)
        .where(
            Campaign.id != campaign_id,
            CampaignRecipient.handed_at >= since,
            CampaignRecipient.contact_id.in_(waiting),
        )
    )
    counted = written.group_by(Campaign.id).order_by(func.count().desc(), Campaign.id)
    return [Overlap(campaign, people) for campaign, people in db.session.execute(counted)]


def is_unit_new(scope: TenantScope, unit_id: UUID, *, since: datetime) -> bool:
    """Whether the unit had no conversation before then: nobody knows its number yet."""
    older = scope.select(Conversation, Conversation.id).where(
        Conversation.unit_id == unit_id, Conversation.created_at < since
    )
    return db.session.scalar(older.limit(1)) is None


def get_unit(scope: TenantScope, campaign: Campaign) -> Unit:
    """The unit that sends the campaign, even one that is archived."""
    return scope.get(Unit, campaign.unit_id)


def find_file(scope: TenantScope, campaign: Campaign) -> Media | None:
    """The file that a campaign which the scope sees carries, without its content."""
    if campaign.media_id is None:
        return None
    file: Media | None = db.session.scalar(scope.select(Media).where(Media.id == campaign.media_id))
    return file


def _count_looked_up(scope: TenantScope, campaign_id: UUID) -> int:
    same_person = (Contact.tenant_id == CampaignRecipient.tenant_id) & (Contact.id == CampaignRecipient.contact_id)
    known = _pending(scope, campaign_id, func.count()).join(Contact, same_person)
    return db.session.scalar(known.where(Contact.number_checked_at > now() - KNOWN_FOR)) or 0


def _count_writers(scope: TenantScope, campaign: Campaign) -> int:
    """How many have written to the unit before."""
    at_unit = (
        (Conversation.tenant_id == CampaignRecipient.tenant_id)
        & (Conversation.unit_id == campaign.unit_id)
        & (Conversation.contact_id == CampaignRecipient.contact_id)
    )
    writers = _pending(scope, campaign.id, func.count()).join(Conversation, at_unit)
    return db.session.scalar(writers.where(Conversation.last_inbound_at.is_not(None))) or 0


def _count_identical(scope: TenantScope, campaign_id: UUID) -> int:
    """How many get the words that most get."""
    # What is compared is short, so that many long texts do not have to be kept while they are counted.
    same = _pending(scope, campaign_id, func.count()).group_by(func.md5(CampaignRecipient.body))
    return db.session.scalar(same.order_by(func.count().desc()).limit(1)) or 0


def _pending(scope: TenantScope, campaign_id: UUID, *columns: Any) -> Select[Any]:
    """Those who get the message."""
    ledger = scope.select(CampaignRecipient, *columns).select_from(CampaignRecipient)
    return ledger.where(CampaignRecipient.campaign_id == campaign_id, CampaignRecipient.state == RecipientState.PENDING)
