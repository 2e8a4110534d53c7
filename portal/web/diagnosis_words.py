"""Incidents, their causes and what the portal can do about them, in words: for the diagnosis and for the runbook."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from portal.models import ConnectionStatus, StatusReason
from portal.monitor.diagnose import Cause, Fix, Incident
from portal.web.server_states import OTHER_TROUBLE, TROUBLE
from portal.web.words import BY_REASON, BY_STATUS, LOST_FOR_GOOD, State


@dataclass(frozen=True)
class IncidentWords:
    """What it is about; what somebody complains about, and what is said where nothing of it is found."""

    about: str
    title: str
    seen: str
    fine: str


@dataclass(frozen=True)
class CauseWords:
    """What it is, what it means, and one thing to do where the portal cannot do it."""

    title: str
    meaning: str
    step: str


@dataclass(frozen=True)
class FixWords:
    """The button, and what happens when it is pressed."""

    button: str
    sentence: str


INCIDENTS: Mapping[Incident, IncidentWords] = {
    Incident.UNCONNECTED: IncidentWords(
        _("Connection"),
        _("Status stays unconnected"),
        _("The unit is not shown as connected, although somebody scanned the code or nothing was changed."),
        _("The unit is connected, and the portal and Evolution agree about it."),
    ),
    Incident.INBOUND: IncidentWords(
        _("What comes in"),
        _("Messages of customers are missing"),
        _("Customers say that they wrote, and nothing of it is in the conversations."),
        _("What customers write comes in."),
    ),
    Incident.OUTBOUND: IncidentWords(
        _("What goes out"),
        _("Messages are not sent"),
        _("What is written here waits, fails, or shows no receipt."),
        _("What is written here goes out."),
    ),
    Incident.CAMPAIGN: IncidentWords(
        _("Campaigns"),
        _("A campaign is stuck"),
        _("A campaign is planned, scheduled or running, and its numbers do not change."),
        _("Campaigns go on as their pace allows."),
    ),
}


def _of_state(state: State) -> CauseWords:
    return CauseWords(state.title, state.sentence, state.step)


def _of_server(title: str, trouble: tuple[str, str]) -> CauseWords:
    return CauseWords(title, *trouble)


_OF_WORKER = _("The worker has to be started by whoever runs the portal. Nothing is lost meanwhile.")
_OF_PHONE = _("Look at WhatsApp on the unit's phone.")
CAUSES: Mapping[Cause, CauseWords] = {
    Cause.WORKER_AWAY: CauseWords(
        _("No worker is running"),
        _("The process that talks to Evolution, sends messages and takes them in has not been heard for a while."),
        _OF_WORKER,
    ),
    Cause.EVOLUTION_UNREACHABLE: _of_server(_("Evolution cannot be reached"), TROUBLE["evolution_unreachable"]),
    Cause.EVOLUTION_SLOW: _of_server(_("Evolution is too slow"), TROUBLE["timed_out"]),
    Cause.EVOLUTION_KEY_REFUSED: _of_server(_("Evolution refused the key"), TROUBLE["evolution_key_refused"]),
    Cause.EVOLUTION_NOT_LICENSED: _of_server(_("Evolution is not licensed"), TROUBLE["evolution_not_licensed"]),
    Cause.EVOLUTION_UNCLEAR: _of_server(_("Evolution answers with errors"), OTHER_TROUBLE),
    Cause.SERVER_PAUSED: CauseWords(
        _("The WhatsApp server is paused"),
        _("It did not answer as it should, so nothing is sent through it until it does."),
        _("Check that it is running. It goes on by itself once it answers."),
    ),
    Cause.UNIT_UNCONNECTED: CauseWords(
        _("The unit is not connected"),
        _("Without a linked phone nothing comes in and nothing goes out; what waits is kept."),
        _("See to the connection first."),
    ),
    Cause.COMPANY_SUSPENDED: CauseWords(
        _("The company is suspended"),
        _("An operator of the portal let nothing of it leave."),
        _("Ask whoever runs the portal."),
    ),
    Cause.NEVER_CONNECTED: _of_state(BY_STATUS[ConnectionStatus.NOT_CONFIGURED]),
    Cause.INSTANCE_MISSING: _of_state(BY_REASON[StatusReason.INSTANCE_GONE]),
    Cause.INSTANCE_NOT_LOADED: CauseWords(
        _("Evolution has not loaded the connection"),
        _("Evolution knows the connection and has not opened it, say since it has just started."),
        _("Wait a minute. If this stays, restart Evolution."),
    ),
    Cause.STATE_DIFFERS: CauseWords(
        _("Evolution says something else"),
        _("The state shown here is not Evolution's: the news of it did not arrive."),
        _("The portal corrects it by itself within a minute."),
    ),
    Cause.WEBHOOK_WRONG: CauseWords(
        _("Evolution does not report to the portal as it should"),
        _("The webhook at Evolution is missing, switched off, or leads somewhere else, so news does not arrive."),
        _("Ask who else manages Evolution."),
    ),
    Cause.NOTHING_ARRIVES: CauseWords(
        _("Evolution cannot reach the portal"),
        _("The webhook is right, and yet nothing of this connection has arrived since it was made."),
        _("Check that the portal's address (BASE_URL) can be opened from the machine on which Evolution runs."),
    ),
    Cause.CODE_WAITS: _of_state(BY_REASON[StatusReason.WAITING_SCAN]),
    Cause.CODE_STALE: CauseWords(
        _("The code is old"),
        _("Evolution renews a code after 45 seconds, and the next one did not arrive."),
        _("Generate a new code."),
    ),
    Cause.NO_PAIRING_CODE: CauseWords(
        _("No pairing code came"),
        _("WhatsApp made a QR code, but no pairing code for the number that was given."),
        _("Check the number, or scan the QR code with the phone's camera."),
    ),
    Cause.QR_EXPIRED: _of_state(BY_REASON[StatusReason.QR_EXPIRED]),
    Cause.LOGGED_OUT: _of_state(BY_REASON[StatusReason.LOGGED_OUT]),
    Cause.CONNECTION_LOST: _of_state(LOST_FOR_GOOD),
    Cause.CONNECTION_ERROR: _of_state(BY_REASON[StatusReason.CONNECTION_ERROR]),
    Cause.CONNECT_FAILED: CauseWords(
        _("The last try to connect failed"),
        _("When a code was wanted, Evolution did not answer as it should."),
        _("If Evolution answers again, generate a new code."),
    ),
    Cause.NUMBER_BANNED: _of_state(BY_REASON[StatusReason.NUMBER_BANNED]),
    Cause.WRONG_NUMBER: _of_state(BY_REASON[StatusReason.WRONG_NUMBER]),
    Cause.NUMBER_IN_USE: _of_state(BY_REASON[StatusReason.NUMBER_IN_USE]),
    Cause.EVOLUTION_FULL: _of_state(BY_REASON[StatusReason.EVOLUTION_FULL]),
    Cause.ACTION_WAITS: CauseWords(
        _("Something that was asked for is not done"),
        _("Somebody asked to connect, disconnect, restart or delete, and that takes longer than it should."),
        _OF_WORKER,
    ),
    Cause.SECRET_MISMATCH: CauseWords(
        _("The webhook secrets differ"),
        _("Evolution reports with a secret or a signature that the portal does not take, so news is refused."),
        _("Make a new secret in both places. Nothing is lost: what was refused is fetched afterwards."),
    ),
    Cause.STRANGER_POSTS: CauseWords(
        _("Somebody else posts with a wrong secret"),
        _("Evolution has the right secret, so what was refused did not come from it. Nothing of that was taken in."),
        _("Nothing needs to be done. If it goes on, ask who else knows the address of the portal's webhook."),
    ),
    Cause.SETTINGS_WRONG: CauseWords(
        _("Evolution leaves out chats that the unit wants"),
        _("Evolution's settings for groups or stories are not those of the unit."),
        _("The portal corrects them by itself within minutes."),
    ),
    Cause.EVENTS_WAIT: CauseWords(
        _("News waits to be taken in"),
        _("Evolution reported, and the portal has not come to it yet."),
        _OF_WORKER,
    ),
    Cause.EVENTS_PARKED: CauseWords(
        _("News could not be taken in"),
        _("Evolution reported something that the portal did not understand, five times over; it is kept."),
        _("If it does not help to try again, tell whoever runs the portal."),
    ),
    Cause.MESSAGES_MISSED: CauseWords(
        _("Evolution has messages that are not here"),
        _("They were not reported. The portal compares every few minutes and fetches them by itself."),
        _("Fetch them now."),
    ),
    Cause.UNUSUALLY_SILENT: CauseWords(
        _("Nothing was heard for unusually long"),
        _("Meanwhile other numbers hear messages."),
        _("Write to this number from another phone. If nothing appears here, restart the connection."),
    ),
    Cause.LEFT_OUT: CauseWords(
        _("Some chats are left out on purpose"),
        _("Groups, stories or broadcast lists wrote lately, and the unit's settings leave these out."),
        _("To keep them, change the settings of the unit."),
    ),
    Cause.LANE_CLOSED: CauseWords(
        _("Sending stayed closed"),
        _("The unit is connected, and yet its messages are held."),
        _("Let the connection be checked."),
    ),
    Cause.SOCKET_DEAD: CauseWords(
        _("The connection is open and dead"),
        _("Evolution says that the number is connected, and yet sends nothing. What waits is kept."),
        _("Restart the connection; the number stays linked."),
    ),
    Cause.UNIT_AWAY: CauseWords(
        _("WhatsApp cannot be reached through this number"),
        _("The last try did not leave. It is tried again by itself."),
        _("Check that the phone is on and online."),
    ),
    Cause.TRIED_AGAIN: CauseWords(
        _("The last try did not go well"),
        _("It is tried again by itself in a moment."),
        _("Nothing needs to be done."),
    ),
    Cause.NEW_CHATS_PAUSED: CauseWords(
        _("WhatsApp limits new chats of this number"),
        _("Whoever never wrote to this unit waits until the limit is over (error 463). Replies go out."),
        _("Only waiting helps. Afterwards write to fewer strangers, and more slowly."),
    ),
    Cause.NEW_CHATS_SLOW: CauseWords(
        _("New chats go out slowly"),
        _("WhatsApp limited this number a short time ago, so messages to strangers leave one by one."),
        _("Nothing needs to be done; it gets faster as they arrive."),
    ),
    Cause.QUEUE_STALLED: CauseWords(
        _("Messages wait, and nobody looks at them"),
        _("Nothing holds them, and yet the next one did not leave."),
        _("Let the unit's messages be looked at again."),
    ),
    Cause.SENDS_ABANDONED: CauseWords(
        _("A worker died while it was sending"),
        _("Nobody knows whether these messages left: they become “not known”, and are not sent again by themselves."),
        _("Decide about them on the page of messages that were not delivered."),
    ),
    Cause.FAILED_FOR_NOW: CauseWords(
        _("Messages failed that can be tried again"),
        _("They surely did not leave, for a reason that is not their own."),
        _("See to the causes above first; then they can go back to the queue."),
    ),
    Cause.FAILED_FOR_GOOD: CauseWords(
        _("Messages failed for a reason of their own"),
        _("For example, the number is not on WhatsApp. Trying again changes nothing."),
        _("Look at each reason on the page of messages that were not delivered."),
    ),
    Cause.UNCONFIRMED: CauseWords(
        _("Of some messages nobody knows whether they left"),
        _("They are never sent again by themselves, so that nobody gets one twice."),
        _("Look at WhatsApp on the unit's phone, then decide about them."),
    ),
    Cause.NO_RECEIPT: CauseWords(
        _("Messages were handed over and show no receipt"),
        _("Evolution took them, and WhatsApp has not confirmed them."),
        _OF_PHONE,
    ),
    Cause.PAUSED_BY_PERSON: CauseWords(
        _("Somebody paused it"),
        _("It stands still because a person wanted that."),
        _("Resume it on its page: nobody is lost or written to twice."),
    ),
    Cause.PAUSED_BY_ITSELF: CauseWords(
        _("It paused itself"),
        _("Too many messages failed or were not delivered, too many people opted out, or WhatsApp limits the number."),
        _("Its page says why. Put that right first, then resume it there."),
    ),
    Cause.START_MISSED: CauseWords(
        _("It missed its time"),
        _("The portal was not running when it was to start. Nothing was sent."),
        _("Resume it on its page to start now, or cancel it if it is too late."),
    ),
    Cause.START_OVERDUE: CauseWords(
        _("It should have started"),
        _("Its time has come, and no worker started it."),
        _OF_WORKER,
    ),
    Cause.PLANNING_DIED: CauseWords(
        _("The worker that planned it died"),
        _("Its recipients are not worked out yet. Another worker begins anew."),
        _("Let it be taken up again."),
    ),
    Cause.PLANNING_GAVE_UP: CauseWords(
        _("It could not be planned"),
        _("Working out its recipients ended with an error each time."),
        _("Copy it and try with fewer people. If that fails too, tell whoever runs the portal."),
    ),
    Cause.OUTSIDE_HOURS: CauseWords(
        _("It is outside the hours of this unit"),
        _("By the unit's pace no campaign message leaves now: the hours, the days or a holiday."),
        _("It goes on by itself. To go on sooner, change the pace."),
    ),
    Cause.DAY_IS_FULL: CauseWords(
        _("The messages for today have left"),
        _("As many as may leave in one day did."),
        _("It goes on by itself tomorrow. To go on sooner, change the pace."),
    ),
    Cause.NEVER_OPENS: CauseWords(
        _("By the unit's pace no message may ever leave"),
        _("No day or no hour is allowed."),
        _("Allow more hours, days or messages."),
    ),
    Cause.TURNS_STOPPED: CauseWords(
        _("Nobody has their turn"),
        _("The campaign runs and people are left, and yet no turn is expected."),
        _("Let the unit's campaigns be looked at again."),
    ),
    Cause.NOBODY_LEFT: CauseWords(
        _("Nobody is left, and it has not ended"),
        _("Everybody had their turn; the campaign only has to be marked as done."),
        _("Let it be ended."),
    ),
}

FIXES: Mapping[Fix, FixWords] = {
    Fix.CHECK: FixWords(
        _("Check and correct"), _("A worker compares the unit with Evolution and corrects what differs.")
    ),
    Fix.CHECK_SERVER: FixWords(_("Check the server"), _("A worker asks the server; if it answers, sending goes on.")),
    Fix.RESTART: FixWords(
        _("Restart the connection"), _("The connection closes and opens again within seconds. The number stays linked.")
    ),
    Fix.ROTATE: FixWords(
        _("Make a new secret"), _("The portal and Evolution get a new secret; the one before is taken for 30 minutes.")
    ),
    Fix.FETCH: FixWords(_("Fetch them now"), _("A worker fetches what is missing from Evolution.")),
    Fix.REPLAY: FixWords(_("Try them again"), _("What was kept is taken in once more; nothing is done twice.")),
    Fix.WAKE: FixWords(_("Look again"), _("The workers look at once at what waits at this unit.")),
    Fix.SETTLE: FixWords(_("Take over"), _("What the dead worker left is settled; nothing is sent twice.")),
    Fix.REQUEUE: FixWords(_("Send them again"), _("They go back to the queue; none of them has left before.")),
    Fix.COMPLETE: FixWords(_("End it"), _("The campaign is marked as done.")),
    Fix.RESUME: FixWords(_("Resume it"), _("The campaign goes on where it stood; nobody is written to twice.")),
}
