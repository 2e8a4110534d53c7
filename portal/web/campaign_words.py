"""Campaigns in words: their states, the rungs of their recipients, and why somebody gets nothing."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from flask_babel import lazy_gettext as _
from flask_babel import ngettext

from portal.models import Campaign, CampaignState, MissedStart, SkipReason
from portal.queries.campaigns import Rung
from portal.web.moments import moment, span
from portal.web.words import State, Tone

STANDINGS: Mapping[CampaignState, State] = {
    CampaignState.DRAFT: State(
        _("Draft"), _("Nobody gets it yet."), _("Finish it, then send it or choose a time."), Tone.CALM
    ),
    CampaignState.SCHEDULED: State(
        _("Scheduled"), _("It starts by itself at its time."), _("You may pause or cancel it until then."), Tone.BUSY
    ),
    CampaignState.PROCESSING: State(
        _("Being sent"),
        _("One message after the other leaves at the unit's pace."),
        _("You may close this page; it goes on by itself."),
        Tone.BUSY,
    ),
    CampaignState.PAUSED: State(
        _("Paused"),
        _("Nothing leaves. Whoever was not written to yet keeps their place."),
        _("Resume it, or cancel it for good."),
        Tone.WARNING,
    ),
    CampaignState.COMPLETED: State(
        _("Completed"),
        _("Everybody had their turn. Receipts and answers may still come."),
        _("See below what became of each message."),
        Tone.GOOD,
    ),
    CampaignState.FAILED: State(
        _("Could not be prepared"),
        _("Its recipients could not be prepared, so nothing was sent."),
        _("Copy it and try again; if it fails again, tell whoever runs the portal."),
        Tone.BAD,
    ),
    CampaignState.CANCELLED: State(
        _("Cancelled"),
        _("It was stopped for good. Whoever was not written to by then never will be."),
        _("Copy it to write to other people."),
        Tone.CALM,
    ),
}

TONES = {
    Rung.REPLIED: Tone.GOOD,
    Rung.READ: Tone.GOOD,
    Rung.DELIVERED: Tone.GOOD,
    Rung.FAILED: Tone.BAD,
    Rung.UNCONFIRMED: Tone.WARNING,
}

SKIPS: Mapping[SkipReason, str] = {
    SkipReason.INVALID: _("This is no telephone number."),
    SkipReason.DUPLICATE: _("The same person is in the list already."),
    SkipReason.OPTED_OUT: _("Wants no campaigns."),
    SkipReason.WITHOUT_NUMBER: _("No number is known."),
    SkipReason.NOT_ON_WHATSAPP: _("The number is not on WhatsApp."),
    SkipReason.EXCLUDED: _("Left out, as was chosen."),
    SkipReason.ERASED: _("Erased at the person's own request."),
}

# What can be done about it.
SKIP_STEPS: Mapping[SkipReason, str] = {
    SkipReason.INVALID: _("Correct the number, and write to them in a copy of the campaign."),
    SkipReason.DUPLICATE: _("There is nothing to do: they get one message."),
    SkipReason.OPTED_OUT: _("Nothing is sent until they ask for messages again."),
    SkipReason.WITHOUT_NUMBER: _("Add their number to the contact, and write to them in a copy of the campaign."),
    SkipReason.NOT_ON_WHATSAPP: _("Ask for another number, or reach them in another way."),
    SkipReason.EXCLUDED: _("Choose them in a copy of the campaign if that was a mistake."),
    SkipReason.ERASED: _("There is nothing to do: their data is gone."),
}

IF_MISSED: Mapping[MissedStart, str] = {
    MissedStart.START: _("Should the portal not be running then, it starts as soon as it is."),
    MissedStart.ASK: _("Should the portal not be running then, it waits for your decision."),
}


def rung_words(rung: Rung, number: int) -> str:
    """What is said beside the number of those who stand on the rung."""
    labels = {
        Rung.PENDING: ngettext("waits for their turn", "wait for their turn", number),
        Rung.QUEUED: _("about to leave"),
        Rung.SENT: ngettext("was sent, no receipt yet", "were sent, no receipt yet", number),
        Rung.DELIVERED: ngettext("was delivered", "were delivered", number),
        Rung.READ: ngettext("was read", "were read", number),
        Rung.REPLIED: ngettext("was answered", "were answered", number),
        Rung.FAILED: _("failed"),
        Rung.UNCONFIRMED: _("not known"),
        Rung.SKIPPED: ngettext("gets nothing", "get nothing", number),
        Rung.CANCELLED: ngettext("was cancelled", "were cancelled", number),
    }
    return str(labels[rung])


def recheck_words(campaign: Campaign, zone: str) -> str:
    """What looking through the ledger of a completed campaign again found; nothing before that was done."""
    if campaign.rechecked_at is None:
        return ""
    at = moment(campaign.rechecked_at, zone)
    if not campaign.recheck_found:
        return str(_("Looked through again at %(time)s: it is complete.", time=at))
    found: str = ngettext(
        "Looked through again at %(time)s: %(num)s person had been missed and gets the message after all.",
        "Looked through again at %(time)s: %(num)s people had been missed and get the message after all.",
        campaign.recheck_found,
        time=at,
    )
    return found


def duration_words(began_at: datetime, ended_at: datetime) -> str:
    """`3 h 20 min`; under an hour the minutes alone."""
    passed = max(ended_at - began_at, timedelta())
    hours, rest = divmod(int(passed.total_seconds()), 3_600)
    if hours >= 48 or hours == 0 or rest < 60:
        return span(passed.total_seconds())
    return f"{hours} h {rest // 60} min"
