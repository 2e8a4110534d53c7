"""An audience before it is planned: about how many people it has, and one of them, for whom a message can be shown."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Select

from portal.db import among, db
from portal.models import Campaign, CampaignRecipient, Contact, ContactTag, RecipientState
from portal.queries import audiences, contact_search, contacts
from portal.queries.audiences import Reach
from portal.services import choosing
from portal.services.audience import Audience
from portal.services.pasted import read_lines
from portal.tenancy import TenantScope

# Whoever has more is told that there are more, so that no page counts for long.
MOST_COUNTED = 100_000
# So many pasted lines are looked up to find somebody for whom a message can be shown.
MOST_LOOKED_UP = 50


def estimate_reach(scope: TenantScope, audience: Audience) -> Reach:
    """Whom the audience would reach as things are now, without its pasted list; counted up to MOST_COUNTED people."""
    chosen = choosing.people(scope, audience)
    if chosen is None:
        return Reach(0, 0, 0, 0)
    return audiences.count_reach(_without_left_out(scope, audience, chosen).limit(MOST_COUNTED))


def find_person(scope: TenantScope, audience: Audience, search: str) -> Contact | None:
    """The newest person of the audience whose name or number fits the search; an empty one fits everybody."""
    chosen = choosing.people(scope, audience)
    if chosen is None:
        chosen = contacts.everybody(scope).where(among(Contact.phone, _first_numbers(audience)))
    found = _without_left_out(scope, audience, chosen).where(audiences.is_reachable())
    if search:
        found = found.where(contact_search.matches(scope, search))
    person: Contact | None = db.session.scalar(found.order_by(Contact.id.desc()).limit(1))
    return person


def _first_numbers(audience: Audience) -> Sequence[str]:
    lines = islice(read_lines(audience.pasted), MOST_LOOKED_UP)
    return [line.number for line in lines if line.number is not None]


def _without_left_out(scope: TenantScope, audience: Audience, chosen: Select[Any]) -> Select[Any]:
    if audience.without_tag_ids:
        bearers = scope.select(ContactTag, ContactTag.contact_id)
        chosen = chosen.where(Contact.id.not_in(bearers.where(among(ContactTag.tag_id, audience.without_tag_ids))))
    if audience.without_campaign_ids:
        visible = scope.select(Campaign, Campaign.id).where(among(Campaign.id, audience.without_campaign_ids))
        written_to = scope.select(CampaignRecipient, CampaignRecipient.contact_id).where(
            CampaignRecipient.campaign_id.in_(visible),
            CampaignRecipient.state == RecipientState.HANDED,
            CampaignRecipient.contact_id.is_not(None),
        )
        chosen = chosen.where(Contact.id.not_in(written_to))
    return chosen
