"""Whom a campaign is for, as its page shows it and as its form says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from portal.models import Campaign, Import
from portal.queries import campaign_audiences as queries
from portal.queries.audiences import Reach
from portal.queries.campaign_audiences import CampaignOption, TagOption
from portal.services import estimating
from portal.services.audience import Audience
from portal.services.pasted import count_lines
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Offer:
    """What can be chosen, what is, and how many people that is now."""

    audience: Audience
    tags: Sequence[TagOption]
    imports: Sequence[Import]
    campaigns: Sequence[CampaignOption]
    reach: Reach

    @property
    def pasted_lines(self) -> int:
        return count_lines(self.audience.pasted)

    @property
    def is_counted_to_its_end(self) -> bool:
        return self.reach.total < estimating.MOST_COUNTED


def audience_of(campaign: Campaign) -> Audience:
    return Audience.from_row(campaign.audience)


def read_audience(form: "MultiDict[str, str]", *, before: Audience) -> Audience:
    """What the form says. Raises BadRequest for ids that are none."""
    return Audience(
        everybody="everybody" in form,
        tag_ids=_ids(form, "tags"),
        import_ids=_ids(form, "imports"),
        # They were chosen one by one, by a program: a page can only keep or drop them.
        contact_ids=before.contact_ids if "contacts" in form else (),
        pasted=form.get("pasted", "").replace("\x00", ""),
        without_tag_ids=_ids(form, "without_tags"),
        without_campaign_ids=_ids(form, "without_campaigns"),
    )


def make_offer(scope: TenantScope, campaign: Campaign, audience: Audience, *, is_whole: bool = True) -> Offer:
    """What the page of this audience shows, or with `is_whole` not set how many people it is alone."""
    reach = estimating.estimate_reach(scope, audience)
    if not is_whole:
        return Offer(audience, (), (), (), reach)
    return Offer(
        audience=audience,
        tags=queries.list_tag_options(scope),
        imports=queries.list_import_options(scope, chosen=audience.import_ids),
        campaigns=queries.list_campaign_options(scope, chosen=audience.without_campaign_ids, besides=campaign.id),
        reach=reach,
    )


def _ids(form: "MultiDict[str, str]", name: str) -> tuple[UUID, ...]:
    try:
        return tuple(UUID(text) for text in form.getlist(name))
    except ValueError as e:
        raise BadRequest from e
