"""The people whom an audience means, as they are now; the pasted lines of it are read elsewhere."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, func, or_, union_all

from portal.db import among, as_table, db
from portal.models import Campaign, CampaignRecipient, Contact, ContactTag, ImportChange, RecipientState
from portal.queries import contacts
from portal.services.audience import Audience
from portal.tenancy import TenantScope


def people(scope: TenantScope, audience: Audience) -> Select[Any] | None:
    """Everybody who was chosen, each once, those who are left out among them; None when only a list was pasted.

    Somebody who was merged is the one they became.
    """
    everybody = contacts.everybody(scope)
    if audience.everybody:
        return everybody
    ways = [way for is_used, way in _ways(scope, audience) if is_used]
    return everybody.where(Contact.id.in_(union_all(*ways))) if ways else None


def count_people(scope: TenantScope, audience: Audience) -> int:
    """How many they are, without those of the pasted list."""
    chosen = people(scope, audience)
    return 0 if chosen is None else db.session.scalar(chosen.with_only_columns(func.count())) or 0


def find_left_out(scope: TenantScope, audience: Audience, contact_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the people who bear a tag, or were written to by a campaign, that leaves them out."""
    found: set[UUID] = set()
    if audience.without_tag_ids and contact_ids:
        # One by one from their table: a long list of values may be compared with every row.
        told = as_table({"contact_id": Uuid()}, [(contact_id,) for contact_id in contact_ids])
        tags = scope.select(ContactTag, ContactTag.contact_id).join(told, told.c.contact_id == ContactTag.contact_id)
        borne = tags.where(among(ContactTag.tag_id, audience.without_tag_ids))
        found.update(db.session.scalars(borne))
    if audience.without_campaign_ids:
        found.update(db.session.scalars(_written_to(scope, audience, contact_ids)))
    return found


def _ways(scope: TenantScope, audience: Audience) -> list[tuple[object, Select[Any]]]:
    """Each way of choosing, if it is used, with the ids that it gives."""
    is_changed = (ImportChange.tenant_id == Contact.tenant_id) & (ImportChange.contact_id == Contact.id)
    is_tagged = (ContactTag.tenant_id == Contact.tenant_id) & (ContactTag.contact_id == Contact.id)
    persons, import_ids = scope.select(Contact, _person()), audience.import_ids
    bearers = scope.select(ContactTag, ContactTag.contact_id).where(among(ContactTag.tag_id, audience.tag_ids))
    return [
        (audience.tag_ids, bearers),
        (audience.contact_ids, persons.where(among(Contact.id, audience.contact_ids))),
        (import_ids, persons.where(among(Contact.import_id, import_ids))),
        (import_ids, persons.join(ImportChange, is_changed).where(among(ImportChange.import_id, import_ids))),
        (import_ids, persons.join(ContactTag, is_tagged).where(among(ContactTag.import_id, import_ids))),
    ]


def _written_to(scope: TenantScope, audience: Audience, contact_ids: Sequence[UUID]) -> Select[Any]:
    """Also those who were written to before they became one of these people."""
    visible = scope.select(Campaign, Campaign.id).where(among(Campaign.id, audience.without_campaign_ids))
    received = scope.select(CampaignRecipient, CampaignRecipient.campaign_id).where(
        CampaignRecipient.tenant_id == Contact.tenant_id,
        CampaignRecipient.contact_id == Contact.id,
        CampaignRecipient.campaign_id.in_(visible),
        CampaignRecipient.state == RecipientState.HANDED,
    )
    is_one = or_(among(Contact.id, contact_ids), among(Contact.merged_into_id, contact_ids))
    return scope.select(Contact, _person()).where(is_one, received.correlate(Contact).exists())


def _person() -> ColumnElement[UUID]:
    return func.coalesce(Contact.merged_into_id, Contact.id)
