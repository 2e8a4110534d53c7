"""What the page of a diagnosis shows: the four incidents, each with what was found, in words and with one next step."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import g, url_for
from flask_babel import gettext as _

from portal.models import Unit
from portal.monitor.diagnose import Cause, Diagnosis, Finding, Fix, Incident
from portal.permissions import Permission
from portal.queries.campaigns import get_campaign
from portal.queries.undelivered import Bucket
from portal.tenancy import TenantScope
from portal.web.diagnosis_words import CAUSES, FIXES, INCIDENTS, CauseWords, FixWords, IncidentWords
from portal.web.formats import grouped
from portal.web.moments import moment
from portal.web.reasons import FAILURES, UNKNOWN_FAILURE
from portal.web.repairs import FIELDS
from portal.web.words import State, Tone

# Whoever may do without the page what the fix does: those that send, send to many at once.
PERMISSIONS = {
    Fix.RESTART: Permission.CONNECT,
    Fix.REQUEUE: Permission.MANAGE_CAMPAIGNS,
    Fix.RESUME: Permission.MANAGE_CAMPAIGNS,
}
# These interrupt something, change a secret or send to many: they are asked for twice.
ASKED_TWICE = frozenset({Fix.RESTART, Fix.ROTATE, Fix.REQUEUE})
TO_CONNECT = frozenset(
    {
        Cause.NEVER_CONNECTED,
        Cause.INSTANCE_MISSING,
        Cause.CODE_WAITS,
        Cause.CODE_STALE,
        Cause.NO_PAIRING_CODE,
        Cause.QR_EXPIRED,
        Cause.LOGGED_OUT,
        Cause.CONNECTION_LOST,
        Cause.CONNECTION_ERROR,
        Cause.CONNECT_FAILED,
        Cause.NUMBER_IN_USE,
    }
)
TO_SETTINGS = frozenset({Cause.WRONG_NUMBER, Cause.LEFT_OUT})
TO_PACE = frozenset({Cause.OUTSIDE_HOURS, Cause.DAY_IS_FULL, Cause.NEVER_OPENS})
TO_SERVERS = frozenset(
    {
        Cause.EVOLUTION_UNREACHABLE,
        Cause.EVOLUTION_SLOW,
        Cause.EVOLUTION_KEY_REFUSED,
        Cause.EVOLUTION_NOT_LICENSED,
        Cause.EVOLUTION_UNCLEAR,
        Cause.EVOLUTION_FULL,
        Cause.SERVER_PAUSED,
    }
)
BUCKETS = {
    Cause.FAILED_FOR_NOW: Bucket.FAILED,
    Cause.FAILED_FOR_GOOD: Bucket.FAILED,
    Cause.UNCONFIRMED: Bucket.UNCONFIRMED,
    Cause.SENDS_ABANDONED: Bucket.UNCONFIRMED,
    Cause.NO_RECEIPT: Bucket.NO_RECEIPT,
}


@dataclass(frozen=True)
class Link:
    address: str
    words: str


@dataclass(frozen=True)
class Item:
    """One cause that was found; without a button where no fix helps, or the person may not do it."""

    cause: Cause
    words: CauseWords
    tone: Tone
    # Label -> value.
    facts: Mapping[str, str]
    link: Link | None
    fix: Fix | None
    fix_words: FixWords | None

    @property
    def is_asked_twice(self) -> bool:
        return self.fix in ASKED_TWICE


@dataclass(frozen=True)
class Section:
    """One incident: what was found of it, what could not be looked at, and what else was looked for."""

    incident: Incident
    words: IncidentWords
    state: State
    items: list[Item]
    unknown: list[str]
    fine: list[str]


def make_sections(scope: TenantScope, unit: Unit, diagnosis: Diagnosis) -> list[Section]:
    """The diagnosis through the eyes of whoever asked for it."""
    return [_section(scope, unit, incident, diagnosis.of(incident)) for incident in Incident]


def _section(scope: TenantScope, unit: Unit, incident: Incident, findings: list[Finding]) -> Section:
    items = [_item(scope, unit, finding) for finding in findings if finding.is_found]
    unknown = [str(CAUSES[finding.cause].title) for finding in findings if finding.is_found is None]
    fine = dict.fromkeys(str(CAUSES[finding.cause].title) for finding in findings if finding.is_found is False)
    return Section(
        incident, INCIDENTS[incident], _state(incident, items, is_known=not unknown), items, unknown, list(fine)
    )


def _state(incident: Incident, items: list[Item], *, is_known: bool) -> State:
    fine = INCIDENTS[incident].fine
    if any(item.tone == Tone.BAD for item in items):
        return State(_("Cause found"), "", "", Tone.BAD)
    if not is_known:
        return State(_("Not known"), _("Evolution did not say everything."), "", Tone.WARNING)
    if items:
        return State(_("Waits as it should"), fine, "", Tone.CALM)
    return State(_("In order"), fine, "", Tone.GOOD)


def _item(scope: TenantScope, unit: Unit, finding: Finding) -> Item:
    fix = finding.fix if finding.fix and scope.allows(PERMISSIONS.get(finding.fix, Permission.MANAGE_UNITS)) else None
    return Item(
        cause=finding.cause,
        words=CAUSES[finding.cause],
        tone=Tone.CALM if finding.passes else Tone.BAD,
        facts=_facts(scope, unit, finding),
        link=_link(scope, unit, finding),
        fix=fix,
        fix_words=FIXES[fix] if fix else None,
    )


def _facts(scope: TenantScope, unit: Unit, finding: Finding) -> dict[str, str]:
    words = [_code_words(finding.cause, code) for code in finding.codes]
    told = {
        _("Campaign"): _campaign_name(scope, finding.campaign_id),
        _("How many"): grouped(finding.count) if finding.count else "",
        _("Since"): _moment(finding.since, unit.time_zone),
        _("Until"): _moment(finding.until, unit.time_zone),
        _("What"): ", ".join(word for word in words if word),
    }
    return {str(label): value for label, value in told.items() if value}


def _code_words(cause: Cause, code: str) -> str:
    if cause in (Cause.WEBHOOK_WRONG, Cause.SETTINGS_WRONG):
        return str(FIELDS.get(code, code))
    if cause in (Cause.FAILED_FOR_NOW, Cause.FAILED_FOR_GOOD):
        return str(FAILURES.get(code, UNKNOWN_FAILURE).name)
    return code if cause == Cause.WORKER_AWAY else ""


def _campaign_name(scope: TenantScope, campaign_id: UUID | None) -> str:
    """Operators who may not read the company's campaigns are told nothing of them."""
    may_read = campaign_id is not None and scope.allows(Permission.READ_CAMPAIGNS)
    return get_campaign(scope, campaign_id).name if campaign_id and may_read else ""


def _link(scope: TenantScope, unit: Unit, finding: Finding) -> Link | None:
    """Where a person does what no fix can."""
    cause, slug = finding.cause, unit.slug
    if cause == Cause.UNIT_UNCONNECTED:
        return Link(f"#{Incident.UNCONNECTED}", _("See the connection"))
    if finding.campaign_id is not None and cause not in TO_PACE and scope.allows(Permission.READ_CAMPAIGNS):
        return Link(url_for("tenant.campaigns.show", campaign_id=finding.campaign_id), _("To the campaign"))
    if cause in BUCKETS and scope.allows(Permission.READ_MESSAGES):
        address = url_for("tenant.undelivered.index", bucket=BUCKETS[cause], unit=slug)
        return Link(address, _("See these messages"))
    if cause in TO_CONNECT and scope.allows(Permission.CONNECT):
        return Link(url_for("tenant.connections.connect", unit_slug=slug), _("To the QR code"))
    if cause in TO_SETTINGS and scope.allows(Permission.MANAGE_UNITS):
        return Link(url_for("tenant.units.settings", unit_slug=slug), _("To the settings"))
    if cause in TO_PACE and scope.allows(Permission.MANAGE_CAMPAIGNS):
        return Link(url_for("tenant.paces.edit", unit_slug=slug), _("Change the pace"))
    return _link_of_operator(scope, unit, cause)


def _link_of_operator(scope: TenantScope, unit: Unit, cause: Cause) -> Link | None:
    if not scope.allows(Permission.OPERATE):
        return None
    if cause in TO_SERVERS:
        return Link(url_for("operator.servers.index"), _("To the servers"))
    if cause == Cause.EVENTS_PARKED:
        address = url_for("operator.events.index", unit=f"{g.tenant_slug}/{unit.slug}")
        return Link(address, _("See these events"))
    return None


def _moment(at: datetime | None, zone: str) -> str:
    return moment(at, zone) if at else ""
