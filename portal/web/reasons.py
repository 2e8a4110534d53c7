"""Why a message did not arrive, or still waits: what happened, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _

from portal.models import Message, MessageStatus
from portal.queries.campaigns import OPTED_OUT
from portal.queries.sending import Cause, Hold
from portal.queries.stories import Waiting
from portal.queries.undelivered import Bucket
from portal.web.moments import moment


@dataclass(frozen=True)
class Reason:
    """Why, in two or three words that follow a colon; one sentence; one thing to do."""

    name: str
    sentence: str
    step: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.step}"


FAILURES = {
    "not_on_whatsapp": Reason(
        _("number not on WhatsApp"), _("This number is not on WhatsApp."), _("Check it and send again.")
    ),
    "expired": Reason(
        _("waited too long"),
        _("It waited longer than this unit allows, so it was not sent any more."),
        _("See that the unit is connected; if the message still matters, try again."),
    ),
    "invalid_request": Reason(
        _("refused as it is"),
        _("Evolution refused the message as it is."),
        _("Change the text or the file, and write it again."),
    ),
    "timed_out": Reason(
        _("WhatsApp did not answer"), _("WhatsApp did not answer in time, several times over."), _("Try again later.")
    ),
    "preparing_failed": Reason(
        _("could not be prepared"),
        _("Evolution could not prepare the message for WhatsApp, several times over."),
        _("Try again; if it carries a file, try another one."),
    ),
    "not_connected": Reason(
        _("number not connected"), _("The number was not connected."), _("Connect the unit, then try again.")
    ),
    "unit_not_connected": Reason(
        _("number not connected"), _("The number was not connected."), _("Connect the unit, then try again.")
    ),
    "instance_unknown": Reason(
        _("connection is gone"),
        _("The WhatsApp server no longer knows the connection of this unit."),
        _("Connect the unit again, then try again."),
    ),
    "evolution_unreachable": Reason(
        _("WhatsApp server away"), _("The WhatsApp server of this unit did not answer."), _("Try again later.")
    ),
    "evolution_key_refused": Reason(
        _("key refused"),
        _("The WhatsApp server of this unit did not accept the portal's key."),
        _("Tell whoever runs the portal, then try again."),
    ),
    "evolution_not_licensed": Reason(
        _("server not licensed"),
        _("The licence of this unit's WhatsApp server is not active."),
        _("Tell whoever runs the portal, then try again."),
    ),
    "target_gone": Reason(
        _("message is gone"),
        _("The message that this was for is not there any more."),
        _("There is nothing left to do: set it aside."),
    ),
    "too_late": Reason(
        _("too late for WhatsApp"),
        _("WhatsApp lets a text be edited for 15 minutes, and a message be deleted for two and a half days."),
        _("There is nothing left to do: set it aside."),
    ),
    "not_editable": Reason(
        _("cannot be edited"),
        _("The WhatsApp server does not have this message, or not as a text, so it cannot edit it."),
        _("Delete the message for everyone and write it again, or set this aside."),
    ),
    "other_address": Reason(
        _("chat under another address"),
        _("The WhatsApp server knows this chat under another address, and edits nothing there."),
        _("Delete the message for everyone and write it again, or set this aside."),
    ),
    "refused_by_whatsapp": Reason(
        _("refused by WhatsApp"),
        _("WhatsApp refused the message after it was handed over, without saying why."),
        _("Look at WhatsApp on the unit's phone; if nothing is wrong there, try again later."),
    ),
    "new_chat_refused": Reason(
        _("new chat refused"),
        _("WhatsApp does not let this number begin new chats at the moment."),
        _("Try again once the pause for new chats is over; replies go out meanwhile."),
    ),
}
UNKNOWN_FAILURE = Reason(_("not sent"), _("Evolution could not send it."), _("Try again."))

_LOOK_AT_PHONE = _("Look at WhatsApp on the unit's phone: is the message there?")
DOUBTS = {
    "timed_out": Reason(
        _("no answer in time"), _("No answer came in time, so we do not know whether it was sent."), _LOOK_AT_PHONE
    ),
    "unclear_answer": Reason(
        _("unclear answer"),
        _("The WhatsApp server answered with an error that does not say whether it was sent."),
        _LOOK_AT_PHONE,
    ),
    "worker_lost": Reason(
        _("interrupted"),
        _("The portal was interrupted while sending, so we do not know whether it was sent."),
        _LOOK_AT_PHONE,
    ),
}
UNKNOWN_DOUBT = Reason(_("not known"), _("We do not know whether it was sent."), _LOOK_AT_PHONE)
# Evolution answers 201 for what WhatsApp then leaves PENDING for ever (contract §16, 32).
NO_RECEIPT = Reason(
    _("no receipt"),
    _("The WhatsApp server took it, but WhatsApp has not confirmed it."),
    _("Look at WhatsApp on the unit's phone: with a clock beside it, or not there at all, it did not go out."),
)
# Taken out of the queue, and not undelivered: nobody has to decide anything.
CANCELLATIONS = {
    OPTED_OUT: Reason(
        _("wants no campaigns"),
        _("The person had asked for no more messages, so this one was not sent."),
        _("What they ask is answered as ever."),
    ),
    "campaign_paused": Reason(
        _("campaign paused"),
        _("The campaign was paused before this one left."),
        _("The person gets another one once the campaign goes on."),
    ),
    "campaign_cancelled": Reason(
        _("campaign cancelled"),
        _("The campaign was cancelled before this one left."),
        _("Nothing more is sent for it."),
    ),
}

_OF_CODES = FAILURES | CANCELLATIONS

SERVER_AWAY = {
    "evolution_unreachable": _("The WhatsApp server of this unit does not answer since %(since)s."),
    "evolution_key_refused": _("The WhatsApp server of this unit does not accept the portal's key since %(since)s."),
    "evolution_not_licensed": _("The licence of this unit's WhatsApp server is not active since %(since)s."),
}
SERVER_IN_TROUBLE = _("The WhatsApp server of this unit does not answer as it should since %(since)s.")
UNIT_AWAY = {
    "instance_unknown": _("The WhatsApp server does not know the connection of this unit."),
    "unit_not_connected": _("WhatsApp cannot be reached through this unit's number at the moment."),
}


def reason_in(bucket: Bucket, code: str | None) -> Reason:
    """What an error code means for a message in that bucket."""
    if bucket == Bucket.NO_RECEIPT:
        return NO_RECEIPT
    if bucket == Bucket.UNCONFIRMED:
        return DOUBTS.get(code or "", UNKNOWN_DOUBT)
    return FAILURES.get(code or "", UNKNOWN_FAILURE)


def reason_of(message: Message) -> Reason | None:
    """Why the message failed or is in doubt; None for every other one."""
    if message.status not in (MessageStatus.FAILED, MessageStatus.UNCONFIRMED):
        return None
    return reason_in(Bucket(message.status), message.error_code)


def cancellation_words(message: Message, opted_out_at: datetime | None, zone: str) -> list[str]:
    """Why a cancelled message was not sent; nothing where a person took it back."""
    reason = CANCELLATIONS.get(message.error_code or "")
    if reason is None:
        return []
    if message.error_code != OPTED_OUT or opted_out_at is None:
        return [str(reason)]
    return [str(reason), str(_("No more messages wanted since %(time)s.", time=moment(opted_out_at, zone)))]


def error_words(message: Message) -> str | None:
    """What last went wrong with the message, for programs; None when nothing did."""
    reason = reason_of(message) or _OF_CODES.get(message.error_code or "")
    return str(reason) if reason else None


def hold_words(hold: Hold, zone: str) -> str:
    """What holds a message, since or until when by the unit's clock, and that it passes by itself."""
    if hold.cause in (Cause.NEW_CHATS_PAUSED, Cause.NEW_CHATS_SLOW):
        return new_chats_words(hold, zone)
    return " ".join(str(sentence) for sentence in _HOLDS[hold.cause](hold, zone))


def _company_suspended(hold: Hold, zone: str) -> tuple[object, ...]:
    told = _("The company is suspended since %(since)s: nothing of it is sent.", since=_moment(hold.since, zone))
    return told, _("It is sent by itself once an operator of the portal lets the company go on.")


def _not_connected(hold: Hold, zone: str) -> tuple[object, ...]:
    since = _moment(hold.since, zone)
    told = _("The unit is not connected since %(since)s.", since=since) if since else _("The unit is not connected.")
    return told, _("It is sent by itself once the unit is connected.")


def _server_away(hold: Hold, zone: str) -> tuple[object, ...]:
    told = SERVER_AWAY.get(hold.reason or "", SERVER_IN_TROUBLE)
    return str(told) % {"since": _moment(hold.since, zone)}, _("It is tried again by itself.")


def _unit_away(hold: Hold, zone: str) -> tuple[object, ...]:
    told = UNIT_AWAY.get(hold.reason or "", UNIT_AWAY["unit_not_connected"])
    return told, _("It is tried again by itself at %(until)s.", until=_moment(hold.until, zone))


def _next_turn(hold: Hold, zone: str) -> tuple[object, ...]:
    until = _moment(hold.until, zone)
    return (_("Campaign messages leave one after the other: the next one at %(until)s.", until=until),)


def _tried_again(hold: Hold, zone: str) -> tuple[object, ...]:
    return (_("The last try did not go well. The next one is at %(until)s.", until=_moment(hold.until, zone)),)


_HOLDS: dict[Cause, Callable[[Hold, str], tuple[object, ...]]] = {
    Cause.COMPANY_SUSPENDED: _company_suspended,
    Cause.NOT_CONNECTED: _not_connected,
    Cause.SERVER_AWAY: _server_away,
    Cause.UNIT_AWAY: _unit_away,
    Cause.TRIED_AGAIN: _tried_again,
    Cause.NEXT_TURN: _next_turn,
}


def new_chats_words(hold: Hold, zone: str) -> str:
    """What WhatsApp's limit on new chats means now."""
    until = _moment(hold.until, zone)
    if hold.cause == Cause.NEW_CHATS_SLOW:
        return str(_("WhatsApp limited new chats: they go out slowly, the next one at %(until)s.", until=until))
    return str(_("WhatsApp limits this number: no new chats until %(until)s. Replies go out.", until=until))


def waiting_words(waiting: Waiting, zone: str) -> list[str]:
    """Why a queued message has not left: what holds it, then what goes before it."""
    told = [hold_words(waiting.hold, zone)] if waiting.hold else []
    if waiting.ahead == 1:
        told.append(str(_("One message of this unit goes before it.")))
    elif waiting.ahead:
        told.append(str(_("%(number)s messages of this unit go before it.", number=waiting.ahead)))
    elif not told:
        told.append(str(_("It is the next to go.")))
    return told


def _moment(at: datetime | None, zone: str) -> str:
    return moment(at, zone) if at else ""
