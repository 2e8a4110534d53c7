"""The number of a person who is erased goes from the lists that were pasted for campaigns."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, or_
from sqlalchemy.orm import InstrumentedAttribute

from portal import phone
from portal.background.persons import Person
from portal.db import among, db
from portal.models import Campaign, CampaignRecipient
from portal.phone import NotAPhone
from portal.tenancy import TenantScope

# However a number is written, with country and area code or without: its last digits are these.
LAST_DIGITS = 8


def forget(scope: TenantScope, person: Person) -> bool:
    """Blank their number wherever it was pasted; False when it is nowhere (any more)."""
    endings = sorted({digits[-LAST_DIGITS:] for digits in person.spellings})
    if not endings:
        return False
    pasted = Campaign.audience["pasted"].as_string()
    found = scope.select(Campaign).where(_says(pasted, endings)).order_by(Campaign.id).with_for_update()
    campaigns = list(db.session.scalars(found.execution_options(populate_existing=True)))
    done = [_blank(campaign, person) for campaign in campaigns]
    repeated = scope.select(CampaignRecipient).where(
        among(CampaignRecipient.campaign_id, [campaign.id for campaign in campaigns]),
        CampaignRecipient.contact_id.is_(None),
        CampaignRecipient.typed.is_not(None),
        _says(CampaignRecipient.typed, endings),
    )
    for recipient in db.session.scalars(repeated):
        if _is_theirs(recipient.typed or "", person):
            recipient.typed = None
            done.append(True)
    return any(done)


def _says(text: InstrumentedAttribute[str | None] | ColumnElement[str], endings: Iterable[str]) -> ColumnElement[bool]:
    """Whether the digits of one of its lines hold one of these."""
    digits = func.regexp_replace(text, "[^0-9\n]", "", "g")
    return or_(*(digits.contains(ending) for ending in endings))


def _blank(campaign: Campaign, person: Person) -> bool:
    """A line that is left empty keeps the numbers of those behind it."""
    lines = campaign.audience["pasted"].splitlines()
    left = ["" if _is_theirs(line, person) else line for line in lines]
    if left == lines:
        return False
    campaign.audience = {**campaign.audience, "pasted": "\n".join(left)}
    return True


def _is_theirs(line: str, person: Person) -> bool:
    try:
        return phone.canonical(line) in person.addresses | person.spellings
    except NotAPhone:
        return False
