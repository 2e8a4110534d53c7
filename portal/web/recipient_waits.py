"""Why those of a campaign wait who were not written to yet, or never will be: what the top of its ledger says."""

from flask_babel import gettext as _

from portal.models import Campaign, CampaignState, Unit
from portal.queries import campaign_runs, deciders, pacing, sending
from portal.tenancy import TenantScope
from portal.web import audit_words
from portal.web.campaign_cautions import Caution
from portal.web.campaign_hindrances import Circumstances, list_hindrances, pause_caution
from portal.web.campaign_words import STANDINGS
from portal.web.moments import moment
from portal.web.words import Tone


def list_waits(scope: TenantScope, campaign: Campaign, unit: Unit) -> list[Caution]:
    """Each reason with what can be done; nothing where they leave one after the other, or everybody had their turn."""
    if campaign.state == CampaignState.PROCESSING:
        gates, others = sending.get_gates(scope, unit.id), campaign_runs.list_others(scope, campaign)
        return list_hindrances(Circumstances(unit, gates, pacing.pace_of(unit), others))
    if campaign.state == CampaignState.PAUSED:
        return [pause_caution(campaign, unit, deciders.find_about_campaign(scope, campaign, "campaign.paused"))]
    if campaign.state == CampaignState.SCHEDULED and campaign.scheduled_at is not None:
        at = moment(campaign.scheduled_at, unit.time_zone)
        return [Caution(Tone.CALM, str(_("It starts by itself at %(time)s.", time=at)), "")]
    if campaign.state == CampaignState.COMPLETED:
        return []
    standing = STANDINGS[campaign.state]
    told = [str(standing.sentence), cancelled_words(scope, campaign, unit)]
    return [Caution(standing.tone, " ".join(one for one in told if one), str(standing.step))]


def cancelled_words(scope: TenantScope, campaign: Campaign, unit: Unit) -> str:
    """Who cancelled the campaign, and when; nothing where nobody did or it is not known."""
    if campaign.state != CampaignState.CANCELLED:
        return ""
    decided = deciders.find_about_campaign(scope, campaign, "campaign.cancelled")
    if decided is None:
        return ""
    at, who = moment(decided.row.event.created_at, unit.time_zone), audit_words.who(decided.row)
    return str(_("%(who)s cancelled it at %(time)s.", who=who, time=at))
