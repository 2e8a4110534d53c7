"""Why a campaign is paused, and why one that runs does not move: each with what can be done about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from flask import url_for
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _

from portal.clock import now
from portal.models import Campaign, PauseReason, Unit
from portal.pacing import Pace, next_slot
from portal.queries.deciders import Decided
from portal.queries.sending import Cause, Gates
from portal.queries.undelivered import Bucket
from portal.web import audit_words
from portal.web.campaign_cautions import Caution
from portal.web.formats import grouped
from portal.web.moments import moment
from portal.web.reasons import hold_words, new_chats_words, reason_in
from portal.web.words import Tone


@dataclass(frozen=True)
class Circumstances:
    """What a running campaign meets at its unit; the others take turns with it."""

    unit: Unit
    gates: Gates
    pace: Pace
    others: Sequence[Campaign]
    # Of what counts for today already, what has not left.
    waiting: int = 0

    @property
    def sent_today(self) -> int:
        lane = self.gates.lane
        counted = lane.campaign_count if lane.campaign_day == self.pace.day_of(now()) else 0
        return max(0, counted - self.waiting)

    @property
    def opened_at(self) -> datetime | None:
        """Since when messages may leave without a break, where that is known; of today at the earliest."""
        window = self.pace.window_on(self.pace.day_of(now()))
        times = (window[0] if window else None, self.gates.connection.connected_at)
        return max((at for at in times if at is not None), default=None)


def list_hindrances(found: Circumstances) -> list[Caution]:
    """What holds the campaign up now, the gravest first; nothing when nothing does."""
    return [*_about_unit(found), *list_hindrances_of_pace(found), *_about_others(found)]


def pause_caution(campaign: Campaign, unit: Unit, paused: Decided | None = None) -> Caution:
    """Why the campaign is paused, and what to do before it is resumed; `paused` is what the log says of it."""
    reason = PauseReason(campaign.pause_reason or PauseReason.PERSON)
    if reason == PauseReason.PERSON and paused is not None:
        return _by_person(campaign, unit, audit_words.who(paused.row))
    return _PAUSES[reason](campaign.pause_details or {}, campaign, unit)


def _about_unit(found: Circumstances) -> Iterator[Caution]:
    hold, zone = found.gates.hold(is_cold=False), found.unit.time_zone
    if hold is not None and hold.cause == Cause.NOT_CONNECTED:
        since = moment(hold.since, zone) if hold.since else ""
        told = (
            _("The unit is not connected since %(since)s.", since=since) if since else _("The unit is not connected.")
        )
        remedy = _("The campaign goes on by itself once it is.")
        yield Caution(Tone.BAD, str(told), str(remedy), *_to_connection(found.unit))
    elif hold is not None:
        yield Caution(Tone.WARNING, hold_words(hold, zone), "")
    new_chats = found.gates.new_chats_hold()
    if new_chats is not None:
        remedy = _("Whoever never wrote to this unit waits for that.")
        yield Caution(Tone.WARNING, new_chats_words(new_chats, zone), str(remedy))


def list_hindrances_of_pace(found: Circumstances) -> Iterator[Caution]:
    """The hours, the days and the number for a day, where no message may leave now."""
    pace, at = found.pace, now()
    slot = next_slot(pace, at, sent_today=found.sent_today)
    to_pace = _to_pace(found.unit)
    if slot is None:
        sentence = _("By the unit's pace no message may ever leave.")
        yield Caution(Tone.BAD, str(sentence), str(_("Allow more hours, days or messages.")), *to_pace)
    elif slot.opens > at:
        yield Caution(Tone.CALM, _closed_words(found), _goes_on_words(slot.opens, found.unit.time_zone), *to_pace)


def _closed_words(found: Circumstances) -> str:
    day = found.pace.day_of(now())
    cap = found.pace.cap_on(day)
    if cap is not None and found.sent_today >= cap:
        full: str = ngettext(
            "The %(count)s message that may leave today has left.",
            "The %(count)s messages that may leave today have left.",
            cap,
            count=grouped(cap),
        )
        return full
    if found.pace.window_on(day) is None:
        return str(_("No campaign message leaves today."))
    return str(_("It is outside the hours in which this unit may send."))


def _goes_on_words(at: datetime, zone: str) -> str:
    """`It goes on by itself on Monday at 09:00.`"""
    local, today = at.astimezone(ZoneInfo(zone)), now().astimezone(ZoneInfo(zone)).date()
    time = str(format_time(local, "short", tzinfo=ZoneInfo(zone), locale=get_locale()))
    days = (local.date() - today).days
    if days == 0:
        return str(_("It goes on by itself today at %(time)s.", time=time))
    if days == 1:
        return str(_("It goes on by itself tomorrow at %(time)s.", time=time))
    day = format_date(local.date(), "EEEE" if days < 7 else "full", locale=get_locale())
    return str(_("It goes on by itself: %(day)s at %(time)s.", day=day, time=time))


def _about_others(found: Circumstances) -> Iterator[Caution]:
    if not found.others:
        return
    names = ", ".join(f"“{other.name}”" for other in found.others)
    sentence = ngettext(
        "Another campaign of this unit runs too, and they take turns: %(names)s.",
        "Other campaigns of this unit run too, and they take turns: %(names)s.",
        len(found.others),
        names=names,
    )
    first = found.others[0]
    label = _("To “%(name)s”", name=first.name)
    yield Caution(Tone.CALM, sentence, "", url_for("tenant.campaigns.show", campaign_id=first.id), str(label))


def _by_somebody(details: Mapping[str, Any], campaign: Campaign, unit: Unit) -> Caution:
    return _by_person(campaign, unit, str(_("Somebody")))


def _by_person(campaign: Campaign, unit: Unit, who: str) -> Caution:
    since = moment(campaign.paused_at, unit.time_zone) if campaign.paused_at else ""
    sentence = _("%(who)s paused it at %(time)s.", who=who, time=since) if since else _("%(who)s paused it.", who=who)
    return Caution(Tone.CALM, str(sentence), str(_("Resume it when you like: nobody is lost or written to twice.")))


def _missed(details: Mapping[str, Any], campaign: Campaign, unit: Unit) -> Caution:
    planned = moment(campaign.scheduled_at, unit.time_zone) if campaign.scheduled_at else ""
    sentence = _("The portal was not running when it was to start, at %(time)s. Nothing was sent.", time=planned)
    return Caution(Tone.WARNING, str(sentence), str(_("Resume it to start now, or cancel it if it is too late.")))


def _failures(details: Mapping[str, Any], campaign: Campaign, unit: Unit) -> Caution:
    reason = reason_in(Bucket.FAILED, details.get("code"))
    sentence = _(
        "It paused itself: %(failed)s of its last %(of)s messages failed. Most often: %(reason)s.",
        failed=details.get("failed", 0),
        of=details.get("of", 0),
        reason=reason.name,
    )
    ledger = url_for("tenant.recipients.index", campaign_id=campaign.id, rung="failed")
    remedy = _("Put that right first, then resume it. %(step)s", step=reason.step)
    return Caution(Tone.BAD, str(sentence), str(remedy), ledger, str(_("See who failed")))


def _opt_outs(details: Mapping[str, Any], campaign: Campaign, unit: Unit) -> Caution:
    sentence = _(
        "It paused itself: %(opted_out)s of the last %(of)s people asked for no more messages.",
        opted_out=details.get("opted_out", 0),
        of=details.get("of", 0),
    )
    remedy = _("These people may not expect it. Write to those who know you, or say it differently, in a copy.")
    return Caution(Tone.BAD, str(sentence), str(remedy))


def _blocks(details: Mapping[str, Any], campaign: Campaign, unit: Unit) -> Caution:
    sentence = _(
        "It paused itself: %(undelivered)s of its last %(of)s messages were never delivered."
        " That is how it shows that people block the number, or that WhatsApp limits it.",
        undelivered=details.get("undelivered", 0),
        of=details.get("of", 0),
    )
    remedy = _("Look at WhatsApp on the unit's phone. Wait a day before you resume, and go slower.")
    return Caution(Tone.BAD, str(sentence), str(remedy), *_to_pace(unit))


def _number_limited(details: Mapping[str, Any], campaign: Campaign, unit: Unit) -> Caution:
    until = _instant(details.get("until"))
    sentence = _("It paused itself: WhatsApp does not let this number begin new chats at the moment.")
    remedy = (
        _("Resume it after %(time)s, and go slower then.", time=moment(until, unit.time_zone))
        if until
        else _("Resume it when the number may begin chats again, and go slower then.")
    )
    return Caution(Tone.BAD, str(sentence), str(remedy), *_to_pace(unit))


_PAUSES: Mapping[PauseReason, Callable[[Mapping[str, Any], Campaign, Unit], Caution]] = {
    PauseReason.PERSON: _by_somebody,
    PauseReason.MISSED_START: _missed,
    PauseReason.FAILURES: _failures,
    PauseReason.OPT_OUTS: _opt_outs,
    PauseReason.BLOCKS: _blocks,
    PauseReason.NUMBER_LIMITED: _number_limited,
}


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _to_pace(unit: Unit) -> tuple[str, str]:
    return url_for("tenant.paces.edit", unit_slug=unit.slug), str(_("Change the pace"))


def _to_connection(unit: Unit) -> tuple[str, str]:
    return url_for("tenant.connections.connect", unit_slug=unit.slug), str(_("Connect it"))
