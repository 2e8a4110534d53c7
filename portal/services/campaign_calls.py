"""A whole campaign in one call: made, planned and ready to be started, or nothing of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask_babel import gettext as _

from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import Campaign, Contact
from portal.queries import contacts
from portal.services import campaign_drafts, campaign_states, choosing, pasted, planning
from portal.services.audience import Audience
from portal.services.plan_problems import problem_words
from portal.tenancy import TenantScope

# Whoever calls waits for the planning, which takes some seconds for so many.
MOST_LINES = 100_000


@dataclass(frozen=True)
class Wanted:
    """A campaign as a program asks for it: whom by their ids, by names of tags and by numbers, and what it says."""

    unit_id: UUID
    name: str
    variants: Sequence[str]
    scheduled_at: datetime | None
    contact_ids: Sequence[UUID]
    tags: Sequence[str]
    phones: Sequence[str]


def prepare(scope: TenantScope, wanted: Wanted) -> Campaign:
    """Make the draft and its ledger in one transaction.

    Raises Invalid for `name`, `variant_1`, `variant_2` …, `tags`, `pasted`, `audience` and `at`, and NotFound.
    """
    if wanted.scheduled_at is not None:
        campaign_states.check_time(wanted.scheduled_at)
    audience = _audience(scope, wanted)
    with atomic():
        _check_size(scope, audience)
        campaign = campaign_drafts.create_draft(scope, unit_id=wanted.unit_id, name=wanted.name)
        campaign_drafts.set_audience(scope, campaign.id, audience)
        campaign_drafts.set_message(scope, campaign.id, variants=wanted.variants)
        campaign.scheduled_at = wanted.scheduled_at
        db.session.flush()
        planning.plan(scope, campaign.id)
        if campaign.plan_problem is not None:
            raise Invalid({"variant_1": problem_words(campaign)})
    return campaign


def _audience(scope: TenantScope, wanted: Wanted) -> Audience:
    # One number in each line: what breaks a line inside one would make two of it.
    lines = [" ".join(phone.split()) for phone in wanted.phones]
    tag_ids, contact_ids = _tag_ids(scope, wanted.tags), tuple(wanted.contact_ids)
    if scope.unit_ids is not None and tag_ids:
        # One by one: whoever plans it anew sees everybody who bears the tag.
        bearers = choosing.people(scope, Audience(tag_ids=tag_ids))
        assert bearers is not None, "something is chosen"
        contact_ids = (*contact_ids, *db.session.scalars(bearers.with_only_columns(Contact.id)))
        tag_ids = ()
    return Audience(tag_ids=tag_ids, contact_ids=tuple(dict.fromkeys(contact_ids)), pasted="\n".join(lines))


def _tag_ids(scope: TenantScope, names: Sequence[str]) -> tuple[UUID, ...]:
    wanted = {name.strip() for name in names}
    found = contacts.find_tags(scope, wanted)
    for name in names:
        if name.strip() not in found:
            raise Invalid({"tags": _("There is no tag “%(name)s”.", name=name)})
    return tuple(tag.id for tag in found.values())


def _check_size(scope: TenantScope, audience: Audience) -> None:
    if choosing.count_people(scope, audience) + pasted.count_lines(audience.pasted) > MOST_LINES:
        sentence = _("These are more than %(most)s recipients. Split them, or import them as a list.", most=MOST_LINES)
        raise Invalid({"audience": sentence})
