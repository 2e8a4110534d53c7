"""What somebody should know before a campaign leaves, each with what can be done about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from babel.numbers import format_percent
from flask import url_for
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _

from portal.clock import now
from portal.models import Campaign, ConnectionStatus, Unit
from portal.pacing import Forecast, Pace
from portal.queries.campaign_checks import Crowd, Overlap, Tally
from portal.queries.sending import Gates
from portal.web.formats import grouped
from portal.web.reasons import new_chats_words
from portal.web.words import Tone

# So many people make it worth a word.
MANY = 50
# WhatsApp takes many first messages at once for advertising that nobody asked for.
SHARE_OF_STRANGERS = 0.5
QUIET_FROM, QUIET_UNTIL, SUNDAY = time(20), time(8), 7


@dataclass(frozen=True)
class Facts:
    """All that the cautions depend on."""

    campaign: Campaign
    unit: Unit
    gates: Gates
    pace: Pace
    tally: Tally
    crowd: Crowd
    forecast: Forecast | None
    starts_at: datetime
    sent_today: int
    is_unit_new: bool
    overlaps: Sequence[Overlap]


@dataclass(frozen=True)
class Caution:
    """What is so, what to do, and where."""

    tone: Tone
    sentence: str
    remedy: str
    link: str = ""
    label: str = ""


def list_cautions(facts: Facts) -> list[Caution]:
    """The gravest first."""
    return [*_about_connection(facts), *_about_pace(facts), *_about_message(facts), *_about_people(facts)]


def _about_connection(facts: Facts) -> Iterator[Caution]:
    connection = facts.gates.connection
    connect = url_for("tenant.connections.connect", unit_slug=facts.unit.slug)
    if connection.connected_at is None:
        sentence = _("This unit was never connected to WhatsApp, so the campaign cannot start.")
        yield Caution(Tone.BAD, sentence, _("Connect its number, then come back here."), connect, _("Connect it"))
    elif connection.status != ConnectionStatus.CONNECTED:
        sentence = _("The unit is not connected at the moment.")
        remedy = _("The messages wait, and leave by themselves once it is.")
        yield Caution(Tone.WARNING, sentence, remedy, connect, _("Connect it"))
    hold = facts.gates.new_chats_hold()
    if hold is not None and facts.crowd.never_wrote:
        remedy = _("Whoever never wrote to this unit waits for that. Send to the others first, or later.")
        yield Caution(Tone.WARNING, new_chats_words(hold, facts.unit.time_zone), remedy)


def _about_pace(facts: Facts) -> Iterator[Caution]:
    to_pace = (url_for("tenant.paces.edit", unit_slug=facts.unit.slug), _("Change the pace"))
    if facts.forecast is None:
        sentence = _("At this pace the campaign would never end.")
        yield Caution(Tone.BAD, sentence, _("Allow more hours, days or messages."), *to_pace)
    elif is_at_quiet_hours(facts.pace, facts.starts_at, facts.forecast.finishes_at):
        sentence = _("Some messages would leave between 20:00 and 8:00, or on a Sunday.")
        yield Caution(Tone.WARNING, sentence, _("Say during which hours this unit may send."), *to_pace)
    if facts.is_unit_new and facts.pace.warm_up_from is None and facts.tally.pending > MANY:
        sentence = _("This number is new here, and would send at full speed. WhatsApp blocks new numbers for that.")
        yield Caution(Tone.WARNING, sentence, _("Let it warm up: few messages a day at first."), *to_pace)
    if facts.forecast is not None and facts.forecast.days > 1 and _is_above_cap(facts):
        sentence = _("This is more than may leave today, so it goes on over %(days)s days.", days=facts.forecast.days)
        yield Caution(Tone.CALM, sentence, _("Nothing is to be done; it goes on by itself."), *to_pace)


def _about_message(facts: Facts) -> Iterator[Caution]:
    to_message = url_for(".message", campaign_id=facts.campaign.id)
    if facts.tally.gaps:
        sentence = ngettext(
            "For %(count)s person a variable has no value: its name would stand in the message.",
            "For %(count)s people a variable has no value: its name would stand in the message.",
            facts.tally.gaps,
            count=grouped(facts.tally.gaps),
        )
        remedy = _("Write it so that it may be missing, as in ((city??We have a shop near you.)), or leave them out.")
        yield Caution(Tone.WARNING, sentence, remedy, to_message, _("Change the message"))
    if facts.crowd.identical > MANY:
        sentence = _(
            "%(count)s people would get exactly the same words. WhatsApp takes that for unwanted advertising.",
            count=grouped(facts.crowd.identical),
        )
        remedy = _("Greet each one by name with ((first name)), and write two or three variants.")
        yield Caution(Tone.WARNING, sentence, remedy, to_message, _("Change the message"))


def _about_people(facts: Facts) -> Iterator[Caution]:
    to_audience = (url_for(".audience", campaign_id=facts.campaign.id), _("Change the audience"))
    strangers, pending = facts.crowd.never_wrote, facts.tally.pending
    if strangers > MANY and strangers >= SHARE_OF_STRANGERS * pending:
        sentence = _(
            "%(share)s of these people never wrote to this unit (%(count)s of %(whole)s).",
            share=format_percent(strangers / pending, locale=get_locale()),
            count=grouped(strangers),
            whole=grouped(pending),
        )
        remedy = _("WhatsApp limits how many chats a number may begin. Start with people who know you.")
        yield Caution(Tone.WARNING, sentence, remedy, *to_audience)
    for overlap in facts.overlaps[:1]:
        sentence = ngettext(
            "%(count)s of these people already got “%(name)s” today.",
            "%(count)s of these people already got “%(name)s” today.",
            overlap.people,
            count=grouped(overlap.people),
            name=overlap.campaign.name,
        )
        yield Caution(Tone.WARNING, sentence, _("Leave them out, or send on another day."), *to_audience)


def is_at_quiet_hours(pace: Pace, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether messages leave when people rest, and nobody said that they may."""
    if pace.window_from is not None:
        return False
    local, ends = (at.astimezone(ZoneInfo(pace.zone)) for at in (starts_at, ends_at))
    if local.isoweekday() == SUNDAY or not QUIET_UNTIL <= local.time() < QUIET_FROM:
        return True
    return ends >= datetime.combine(local.date(), QUIET_FROM, local.tzinfo)


def _is_above_cap(facts: Facts) -> bool:
    cap = facts.pace.cap_on(facts.pace.day_of(facts.starts_at))
    is_today = facts.pace.day_of(facts.starts_at) == facts.pace.day_of(now())
    return cap is not None and facts.tally.pending > cap - (facts.sent_today if is_today else 0)
