"""What a campaign's audience can be chosen by: tags, imports, and campaigns whose people are left out."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func

from portal.db import among, db
from portal.models import Campaign, CampaignRecipient, Contact, ContactTag, Import, ImportState, Tag
from portal.queries import contacts
from portal.queries.campaigns import WITHOUT_AUDIENCE
from portal.tenancy import TenantScope

# As many imports and campaigns as are offered; those that were chosen before come on top of them.
MOST_OFFERED = 20


@dataclass(frozen=True)
class TagOption:
    """A tag, and how many people bear it."""

    tag: Tag
    people: int


@dataclass(frozen=True)
class CampaignOption:
    """A campaign that ran, and to how many people it has written."""

    campaign: Campaign
    people: int


def list_tag_options(scope: TenantScope) -> list[TagOption]:
    """The tags that somebody bears, by name."""
    bearer = (ContactTag.tenant_id == Contact.tenant_id) & (ContactTag.contact_id == Contact.id)
    same_tag = (Tag.tenant_id == ContactTag.tenant_id) & (Tag.id == ContactTag.tag_id)
    statement = contacts.everybody(scope).join(ContactTag, bearer).join(Tag, same_tag)
    counted = statement.with_only_columns(Tag, func.count()).group_by(Tag.id).order_by(func.lower(Tag.name))
    return [TagOption(tag, people) for tag, people in db.session.execute(counted)]


def list_import_options(scope: TenantScope, *, chosen: Collection[UUID]) -> list[Import]:
    """The youngest imports that brought people, and those that were chosen."""
    done = scope.select(Import).where(Import.state == ImportState.DONE).order_by(Import.id.desc())
    recent = list(db.session.scalars(done.limit(MOST_OFFERED)))
    missing = set(chosen) - {listed.id for listed in recent}
    return [*recent, *(db.session.scalars(done.where(among(Import.id, missing))) if missing else ())]


def list_campaign_options(
    scope: TenantScope, *, chosen: Collection[UUID], besides: UUID | None = None
) -> list[CampaignOption]:
    """The youngest campaigns that began, without `besides`, and those that were chosen."""
    begun = scope.select(Campaign).where(Campaign.started_at.is_not(None), Campaign.id != besides)
    newest = begun.options(WITHOUT_AUDIENCE).order_by(Campaign.id.desc())
    recent = list(db.session.scalars(newest.limit(MOST_OFFERED)))
    missing = set(chosen) - {campaign.id for campaign in recent}
    found = [*recent, *(db.session.scalars(newest.where(among(Campaign.id, missing))) if missing else ())]
    written = _count_written(scope, [campaign.id for campaign in found])
    return [CampaignOption(campaign, written.get(campaign.id, 0)) for campaign in found]


def _count_written(scope: TenantScope, campaign_ids: Collection[UUID]) -> dict[UUID, int]:
    counted = scope.select(CampaignRecipient, CampaignRecipient.campaign_id, func.count()).where(
        among(CampaignRecipient.campaign_id, campaign_ids), CampaignRecipient.handed_at.is_not(None)
    )
    rows = db.session.execute(counted.group_by(CampaignRecipient.campaign_id))
    return {row[0]: row[1] for row in rows}
