"""What of a company needs its people now, as far as the person may see it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.clock import now
from portal.models import CampaignState, ImportState
from portal.permissions import Permission
from portal.queries import campaign_runs, campaigns, consent, home, imports, undelivered
from portal.queries.checked_states import CheckedState
from portal.queries.conversation_lists import MOST_COUNTED
from portal.queries.home import FailingEndpoint, UnitRow, Waiting
from portal.queries.sending import Gates
from portal.queries.undelivered import Bucket, ReasonCount
from portal.queries.unit_troubles import Trouble, Troubles
from portal.services.connections import is_reconnecting
from portal.tenancy import TenantScope
from portal.web import import_words
from portal.web.attention import Need, named
from portal.web.campaign_hindrances import pause_caution
from portal.web.formats import counted, grouped
from portal.web.moments import moment
from portal.web.reasons import new_chats_words, reason_in
from portal.web.state_warnings import doubted_state, list_warnings
from portal.web.webhook_words import shown_address
from portal.web.words import State, Tone, connection_state

# Whoever wrote longer ago than this waits for too long.
LONG_WAIT = timedelta(hours=1)
# An import that did not work is no news any more after a week, when its file is forgotten.
IMPORT_IS_NEWS_FOR = timedelta(days=7)
# Looked through to tell of each; more than a few never are paused at once.
MOST_PAUSED = 20


@dataclass(frozen=True)
class Units:
    """The units that the person sees: which are in trouble, and how far the state of each can be believed."""

    troubles: Troubles
    checked: Mapping[UUID, CheckedState]

    def state(self, row: UnitRow) -> State:
        return doubted_state(row.connection, list_warnings(self.checked[row.unit.id], row.unit.time_zone))

    def number(self, trouble: Trouble) -> int:
        return self.troubles.counts.by_trouble[trouble]


def list_needs(scope: TenantScope, units: Units) -> Iterator[Need]:
    """In the order in which they matter; what the person may not see is left out, and not looked for."""
    yield from _units_down(scope, units)
    yield from _units_in_doubt(units)
    if scope.allows(Permission.READ_MESSAGES):
        yield from _undelivered(undelivered.count_reasons(scope))
    if scope.allows(Permission.READ_CAMPAIGNS):
        yield from _paused_campaigns(scope)
    if scope.allows(Permission.READ_MESSAGES):
        yield from _waiting(home.find_waiting(scope))
        yield from _doubts(consent.count_doubted(scope))
    yield from _limited_numbers(units)
    if scope.allows(Permission.MANAGE_CONTACTS):
        yield from _failed_import(scope)
    if scope.allows(Permission.MANAGE_INTEGRATIONS):
        yield from map(_failing_endpoint, home.list_failing_endpoints(scope))


def _units_down(scope: TenantScope, units: Units) -> Iterator[Need]:
    down = [_unit_down(scope, row) for row in units.troubles.rows[Trouble.DOWN]]
    yield from named(down, units.number(Trouble.DOWN), _more_down)


def _more_down(number: int) -> Need:
    title = ngettext("%(num)s more unit is not connected.", "%(num)s more units are not connected.", number)
    return _about_units("more-down", Tone.BAD, title)


def _unit_down(scope: TenantScope, row: UnitRow) -> Need:
    state, unit, since = connection_state(row.connection), row.unit, row.connection.disconnected_at
    told = [_("The unit is not connected since %(since)s.", since=moment(since, unit.time_zone))] if since else []
    # Whoever would scan a new code while it comes back by itself would throw that away.
    can_connect = scope.allows(Permission.CONNECT) and not is_reconnecting(row.connection)
    return Need(
        key=f"down-{unit.slug}",
        tone=state.tone if state.tone == Tone.BUSY else Tone.BAD,
        title=f"{unit.name}: {state.title}",
        detail=" ".join(str(part) for part in (*told, state.sentence, state.step)),
        link=url_for(f"tenant.{'connections.connect' if can_connect else 'units.show'}", unit_slug=unit.slug),
        label=_("Connect it") if can_connect else _("See the unit"),
    )


def _units_in_doubt(units: Units) -> Iterator[Need]:
    doubted = [
        Need(
            key=f"doubt-{row.unit.slug}",
            tone=Tone.WARNING,
            title=f"{row.unit.name}: {state.title}",
            detail=f"{state.sentence} {state.step}",
            link=url_for("tenant.units.show", unit_slug=row.unit.slug),
            label=_("See the unit"),
        )
        for row in units.troubles.rows[Trouble.DOUBTED]
        # What was in doubt when the database looked may be settled by now.
        if (state := units.state(row)).tone == Tone.WARNING
    ]
    yield from named(doubted, units.number(Trouble.DOUBTED), _more_in_doubt)


def _more_in_doubt(number: int) -> Need:
    title = ngettext(
        "%(num)s more unit is shown as connected, and in doubt.",
        "%(num)s more units are shown as connected, and in doubt.",
        number,
    )
    return _about_units("more-doubt", Tone.WARNING, title)


def _about_units(key: str, tone: Tone, title: str) -> Need:
    return Need(key, tone, title, "", url_for("tenant.units.index", state="attention"), _("See these units"))


def _undelivered(counts: Sequence[ReasonCount]) -> Iterator[Need]:
    for bucket, tone in ((Bucket.UNCONFIRMED, Tone.BAD), (Bucket.FAILED, Tone.BAD), (Bucket.NO_RECEIPT, Tone.WARNING)):
        # The most first: so the queries give them.
        own = [count for count in counts if count.bucket == bucket]
        if own:
            number = sum(count.number for count in own)
            link = url_for("tenant.undelivered.index", bucket=bucket)
            title = _undelivered_words(bucket, number)
            yield Need(f"messages-{bucket}", tone, title, _reason_words(own), link, _("Decide about them"))


def _undelivered_words(bucket: Bucket, number: int) -> str:
    words = {
        Bucket.UNCONFIRMED: ngettext(
            "It is not known whether %(count)s message was sent.",
            "It is not known whether %(count)s messages were sent.",
            number,
            count=grouped(number),
        ),
        Bucket.FAILED: ngettext(
            "%(count)s message was not sent.", "%(count)s messages were not sent.", number, count=grouped(number)
        ),
        Bucket.NO_RECEIPT: ngettext(
            "%(count)s message was handed over and has no receipt.",
            "%(count)s messages were handed over and have no receipt.",
            number,
            count=grouped(number),
        ),
    }
    return str(words[bucket])


def _reason_words(counts: Sequence[ReasonCount]) -> str:
    """Why, where that is the same for all; else the most frequent reason."""
    reason = reason_in(counts[0].bucket, counts[0].reason)
    if len(counts) == 1:
        return str(reason)
    return f"{_('Most often: %(reason)s.', reason=reason.name)} {reason.step}"


def _paused_campaigns(scope: TenantScope) -> Iterator[Need]:
    paused = campaigns.list_campaigns(scope, state=CampaignState.PAUSED, limit=MOST_PAUSED)
    by_id = campaign_runs.units_of(scope, paused) if paused else {}
    for campaign in paused:
        unit = by_id[campaign.unit_id]
        if unit.archived_at is None:
            caution = pause_caution(campaign, unit)
            yield Need(
                key=f"campaign-{campaign.id}",
                tone=caution.tone,
                title=_("The campaign “%(name)s” is paused.", name=campaign.name),
                detail=f"{caution.sentence} {caution.remedy}",
                link=url_for("tenant.campaigns.show", campaign_id=campaign.id),
                label=_("To the campaign"),
            )


def _waiting(waiting: Waiting | None) -> Iterator[Need]:
    if waiting is None:
        return
    since = waiting.longest.last_message_at or waiting.longest.created_at
    title = ngettext(
        "%(count)s conversation waits for an answer.",
        "%(count)s conversations wait for an answer.",
        waiting.number,
        count=counted(waiting.number, most=MOST_COUNTED),
    )
    yield Need(
        key="waiting",
        tone=Tone.WARNING if since < now() - LONG_WAIT else Tone.CALM,
        title=title,
        detail=_(
            "No one here has taken that on. Whoever waits longest wrote at %(time)s.",
            time=moment(since, waiting.unit.time_zone),
        ),
        link=url_for("tenant.conversations.show", conversation_id=waiting.longest.id),
        label=_("Answer the one that waits longest"),
    )


def _doubts(number: int) -> Iterator[Need]:
    if number:
        title = ngettext(
            "In %(count)s conversation somebody may have asked for no more messages.",
            "In %(count)s conversations somebody may have asked for no more messages.",
            number,
            count=grouped(number),
        )
        link = url_for("tenant.conversations.index", doubted="1")
        detail = _("The words leave it open. Somebody here should read them and decide.")
        yield Need("doubts", Tone.WARNING, title, detail, link, _("Read and decide"))


def _limited_numbers(units: Units) -> Iterator[Need]:
    limited = [
        Need(
            key=f"limited-{row.unit.slug}",
            tone=Tone.WARNING,
            title=_("%(unit)s: new chats are limited", unit=row.unit.name),
            detail=new_chats_words(hold, row.unit.time_zone),
            link=url_for("tenant.units.show", unit_slug=row.unit.slug),
            label=_("See the unit"),
        )
        for row in units.troubles.rows[Trouble.LIMITED]
        if (hold := Gates(row.connection, row.lane, None).new_chats_hold()) is not None
    ]
    yield from named(limited, units.number(Trouble.LIMITED), _more_limited)


def _more_limited(number: int) -> Need:
    title = ngettext(
        "At %(num)s more unit new chats are limited.", "At %(num)s more units new chats are limited.", number
    )
    return _about_units("more-limited", Tone.WARNING, title)


def _failed_import(scope: TenantScope) -> Iterator[Need]:
    """The newest one only: whoever brought the list again has seen to it."""
    for listed in imports.list_imports(scope, limit=1):
        if listed.state == ImportState.FAILED and listed.created_at > now() - IMPORT_IS_NEWS_FOR:
            problem = import_words.problem_of(listed)
            yield Need(
                key="import",
                tone=Tone.WARNING,
                title=_("The import of “%(name)s” did not work.", name=import_words.list_name(listed)),
                detail=f"{problem.sentence} {problem.step}",
                link=url_for("tenant.imports.show", import_id=listed.id),
                label=_("To the import"),
            )


def _failing_endpoint(found: FailingEndpoint) -> Need:
    endpoint, given_up = found.endpoint, ""
    address = shown_address(endpoint.url)
    if endpoint.is_gone:
        title = _("%(address)s said that it is gone for good, so it was switched off.", address=address)
    elif endpoint.paused_until is not None:
        title = _("Your program at %(address)s does not take what it is told.", address=address)
    else:
        title = _("Your program at %(address)s did not take all that it was told.", address=address)
    if found.given_up:
        given_up = ngettext(
            "%(num)s piece of news of the last 24 hours was given up; you can send it again.",
            "%(num)s pieces of news of the last 24 hours were given up; you can send them again.",
            found.given_up,
        )
    link = url_for("tenant.webhook_endpoints.deliveries.index", endpoint_id=endpoint.id)
    return Need(f"endpoint-{endpoint.id}", Tone.WARNING, title, given_up, link, _("See its log"))
