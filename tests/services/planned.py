"""Drafts that are planned in this process, and what their ledgers say then."""

from collections.abc import Sequence
from uuid import UUID

from portal.db import atomic, db
from portal.models import Campaign, CampaignRecipient, Contact, ContactTag, RecipientState, Tag, Unit
from portal.services import campaign_drafts, planning
from portal.services.audience import Audience
from portal.services.media import Upload
from portal.tenancy import TenantScope, acting_for

# State or reason, what was typed, and the contact's name.
Line = tuple[str, str | None, str | None]


def make_draft(
    scope: TenantScope,
    unit: Unit,
    audience: Audience | None = None,
    texts: Sequence[str] = ("Oi!",),
    upload: Upload | None = None,
) -> Campaign:
    """A draft that waits for its plan; without an audience it has none yet."""
    with acting_for(scope):
        campaign = campaign_drafts.create_draft(scope, unit_id=unit.id, name="Promoção")
        if audience is not None:
            campaign_drafts.set_audience(scope, campaign.id, audience)
        return campaign_drafts.set_message(scope, campaign.id, variants=texts, upload=upload)


def plan(
    scope: TenantScope,
    unit: Unit,
    audience: Audience,
    texts: Sequence[str] = ("Oi!",),
    upload: Upload | None = None,
) -> Campaign:
    campaign = make_draft(scope, unit, audience, texts, upload)
    with acting_for(scope):
        planning.plan(scope, campaign.id)
    return look(scope, campaign.id)


def look(scope: TenantScope, campaign_id: UUID) -> Campaign:
    with acting_for(scope):
        this = scope.select(Campaign).where(Campaign.id == campaign_id)
        return db.session.scalars(this.execution_options(populate_existing=True)).one()


def recipients(scope: TenantScope, campaign: Campaign) -> list[CampaignRecipient]:
    with acting_for(scope):
        lines = scope.select(CampaignRecipient).where(CampaignRecipient.campaign_id == campaign.id)
        ordered = lines.order_by(CampaignRecipient.position).execution_options(populate_existing=True)
        return list(db.session.scalars(ordered))


def ledger(scope: TenantScope, campaign: Campaign) -> list[Line]:
    """The lines in their order; the sum is the campaign's total, and each is in one place."""
    lines = recipients(scope, campaign)
    with acting_for(scope):
        names = dict(db.session.execute(scope.select(Contact, Contact.id, Contact.name)).all())
    assert [line.position for line in lines] == list(range(1, len(lines) + 1))
    assert look(scope, campaign.id).total == len(lines)
    return [(line.reason or line.state, line.typed, names.get(line.contact_id)) for line in lines]


def bodies(scope: TenantScope, campaign: Campaign) -> list[str | None]:
    return [line.body for line in recipients(scope, campaign) if line.state == RecipientState.PENDING]


def add_people(scope: TenantScope, *names: str, **columns: object) -> list[UUID]:
    """Their ids, in the order of a ledger; the n-th one that a company has is +55 11 99999-000n."""
    with acting_for(scope), atomic():
        begin = len(db.session.scalars(scope.select(Contact, Contact.id)).all())
        added = [
            scope.add(Contact(name=name, **{"phone": f"551199999{number:04d}", **columns}))
            for number, name in enumerate(names, start=begin + 1)
        ]
        db.session.flush()
        return [contact.id for contact in added]


def tag(scope: TenantScope, name: str, contact_ids: Sequence[UUID]) -> UUID:
    with acting_for(scope), atomic():
        made = scope.add(Tag(name=name))
        db.session.flush()
        for contact_id in contact_ids:
            scope.add(ContactTag(contact_id=contact_id, tag_id=made.id))
        return made.id


def change(scope: TenantScope, contact_id: UUID, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Contact).where(Contact.id == contact_id).values(columns))


def phones(scope: TenantScope) -> list[str | None]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Contact, Contact.phone).order_by(Contact.id)))
