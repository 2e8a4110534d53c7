"""States in the words of the people who look at them: what it is, what it means, what to do next."""

from dataclasses import dataclass
from enum import StrEnum

from flask_babel import lazy_gettext as _

from portal.models import (
    ABOUT_ANOTHER,
    CHANGES,
    Connection,
    ConnectionAction,
    ConnectionStatus,
    Conversation,
    Message,
    MessageKind,
    MessageSource,
    MessageStatus,
    StatusReason,
)
from portal.web import contents, reasons


class Tone(StrEnum):
    """How a state is coloured; the words always say it too."""

    CALM = "calm"
    BUSY = "busy"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class State:
    """A state in words: a title, one sentence, one next step."""

    title: str
    sentence: str
    step: str
    tone: Tone


@dataclass(frozen=True)
class Rung:
    """How far a message came: the name of its icon, and the words for it."""

    name: str
    label: str
    detail: str = ""


BY_ACTION = {
    ConnectionAction.CONNECT: State(
        _("Preparing the code"),
        _("Evolution is making a QR code; it usually takes a few seconds."),
        _("Open WhatsApp on the phone meanwhile."),
        Tone.BUSY,
    ),
    ConnectionAction.DISCONNECT: State(
        _("Disconnecting"), _("The number is being unlinked."), _("Wait a moment."), Tone.BUSY
    ),
    ConnectionAction.RESTART: State(
        _("Restarting"),
        _("The connection is being closed and opened again; the number stays linked."),
        _("Wait a moment."),
        Tone.BUSY,
    ),
    ConnectionAction.DELETE: State(
        _("Deleting the connection"), _("The connection is being removed at Evolution."), _("Wait a moment."), Tone.BUSY
    ),
}

BY_REASON = {
    StatusReason.INITIALIZING: BY_ACTION[ConnectionAction.CONNECT],
    StatusReason.WAITING_SCAN: State(
        _("Waiting for the phone"),
        _("The QR code is ready."),
        _("Scan it with the phone of this unit."),
        Tone.BUSY,
    ),
    StatusReason.QR_EXPIRED: State(
        _("The code ran out"),
        _("Nobody scanned it in time. This is normal."),
        _("Take the phone in hand, then generate a new code."),
        Tone.WARNING,
    ),
    StatusReason.SCAN_COMPLETED: State(
        _("Connected"), _("Messages come in and go out."), _("You can write to customers now."), Tone.GOOD
    ),
    StatusReason.RESTARTING: BY_ACTION[ConnectionAction.RESTART],
    StatusReason.LOGGED_OUT: State(
        _("Unlinked"),
        _("The number was unlinked, here or in the phone's list of linked devices."),
        _("Connect it again with a new QR code."),
        Tone.WARNING,
    ),
    StatusReason.CONNECTION_LOST: State(
        _("Connection lost"),
        _("Evolution lost its connection to WhatsApp; it normally comes back by itself."),
        _("Check that the phone is on and online. If this stays, restart, or disconnect and connect again."),
        Tone.WARNING,
    ),
    StatusReason.CONNECTION_ERROR: State(
        _("WhatsApp refused the connection"),
        _("Evolution could not link this number."),
        _("Wait a minute, then generate a new code."),
        Tone.BAD,
    ),
    StatusReason.NUMBER_BANNED: State(
        _("WhatsApp blocked this number"),
        _("WhatsApp no longer lets this number send messages."),
        _("Open WhatsApp on the phone: it says why and how to ask for a review."),
        Tone.BAD,
    ),
    StatusReason.WRONG_NUMBER: State(
        _("Another number was scanned"),
        _("The phone that was linked has another number than the one this unit expects, so it was unlinked."),
        _("Scan with the phone of this unit, or correct the expected number in the unit's settings."),
        Tone.BAD,
    ),
    StatusReason.NUMBER_IN_USE: State(
        _("Number already in use"),
        _("This number is connected in another unit already, so it was unlinked here."),
        _("Scan with another phone, or disconnect the number in the other unit first."),
        Tone.BAD,
    ),
    StatusReason.INSTANCE_GONE: State(
        _("Connection is gone"),
        _("The Evolution server no longer knows the connection of this unit."),
        _("Connect it again with a new QR code."),
        Tone.BAD,
    ),
    StatusReason.EVOLUTION_UNREACHABLE: State(
        _("Evolution cannot be reached"),
        _("The Evolution server does not answer, so there is no code to show."),
        _("Check that the server is running and that its address is right, then try again."),
        Tone.BAD,
    ),
    StatusReason.EVOLUTION_KEY_REFUSED: State(
        _("Evolution refused the key"),
        _("The Evolution server answers, but does not accept this portal's key."),
        _("Ask whoever runs the portal to correct the server's key, then try again."),
        Tone.BAD,
    ),
    StatusReason.EVOLUTION_NOT_LICENSED: State(
        _("Evolution is not licensed"),
        _("The Evolution server says that its licence is not active."),
        _("Ask whoever runs the server to activate the licence, then try again."),
        Tone.BAD,
    ),
    StatusReason.EVOLUTION_FULL: State(
        _("No Evolution server has room"),
        _("Every Evolution server serves as many units as it may, so there is no code to show."),
        _("Ask whoever runs the portal to add a server or raise a capacity, then try again."),
        Tone.BAD,
    ),
}

BY_STATUS = {
    ConnectionStatus.NOT_CONFIGURED: State(
        _("Not connected yet"),
        _("No phone has been linked to this unit."),
        _("Take the phone of this unit in hand and show the QR code."),
        Tone.CALM,
    ),
    ConnectionStatus.QR: BY_REASON[StatusReason.WAITING_SCAN],
    ConnectionStatus.CONNECTING: State(
        _("Connecting"), _("Evolution is opening the connection to WhatsApp."), _("Wait a moment."), Tone.BUSY
    ),
    ConnectionStatus.CONNECTED: BY_REASON[StatusReason.SCAN_COMPLETED],
    ConnectionStatus.DISCONNECTED: State(
        _("Disconnected"),
        _("The number is not linked at the moment."),
        _("Connect it again with a new QR code."),
        Tone.WARNING,
    ),
}

# Evolution has given up: nothing comes back by itself any more.
LOST_FOR_GOOD = State(
    _("Connection lost"),
    _("Evolution lost its connection to WhatsApp."),
    _("Check that the phone is on and online, then connect it again with a new QR code."),
    Tone.WARNING,
)

RUNGS = {
    MessageStatus.QUEUED: Rung("queued", _("Waiting to be sent")),
    MessageStatus.SENDING: Rung("sending", _("Being sent")),
    MessageStatus.SENT: Rung("sent", _("Handed to Evolution")),
    MessageStatus.DELIVERED: Rung("delivered", _("Delivered")),
    MessageStatus.READ: Rung("read", _("Read")),
    MessageStatus.UNCONFIRMED: Rung(
        "unconfirmed",
        _("Not known"),
        _("We do not know whether it was sent. It is not sent again by itself, so that nobody gets it twice."),
    ),
    MessageStatus.CANCELLED: Rung("cancelled", _("Cancelled")),
    MessageStatus.RECEIVED: Rung("received", _("Received")),
}
KINDS = {
    MessageKind.IMAGE: _("Photo"),
    MessageKind.AUDIO: _("Audio"),
    MessageKind.VIDEO: _("Video"),
    MessageKind.DOCUMENT: _("Document"),
    MessageKind.STICKER: _("Sticker"),
    MessageKind.LOCATION: _("Location"),
    MessageKind.CONTACT_CARD: _("Contact"),
    MessageKind.REACTION: _("Reaction"),
    MessageKind.POLL: _("Poll"),
    MessageKind.CALL: _("Call"),
    MessageKind.DELETION: _("This message was deleted"),
}
# What a list says of these besides the text that came with them.
NAMED_IN_LISTS = (MessageKind.POLL, MessageKind.LOCATION, MessageKind.CONTACT_CARD, MessageKind.REACTION)
ACCEPTED = Rung("accepted", _("Accepted by WhatsApp"))
# Evolution had no part in it.
SENT_BY_PHONE = Rung("accepted", _("Sent"))


def connection_state(connection: Connection) -> State:
    """What a unit's connection is doing: what somebody asked for comes before what it was."""
    # A check is the portal's own question: nobody waits for it.
    if connection.action in BY_ACTION:
        return BY_ACTION[ConnectionAction(connection.action)]
    if connection.status == ConnectionStatus.CONNECTED:
        return BY_STATUS[ConnectionStatus.CONNECTED]
    reason = connection.status_reason
    if connection.status == ConnectionStatus.DISCONNECTED and reason == StatusReason.CONNECTION_LOST:
        return LOST_FOR_GOOD
    return BY_REASON[StatusReason(reason)] if reason else BY_STATUS[ConnectionStatus(connection.status)]


def kind_words(kind: MessageKind) -> str:
    """What stands for a message without a text."""
    return str(KINDS.get(kind, _("Message")))


def excerpt(message: Message) -> str:
    """A message in one short line; of a deleted one only that it was deleted."""
    if message.deleted_at is not None:
        return kind_words(MessageKind.DELETION)
    if message.kind == MessageKind.CALL:
        return contents.call_words(message)
    return contents.excerpt(message) or kind_words(message.kind)


def reaction_words(reaction: Message) -> str:
    """What a reaction does, where its message does not stand beside it."""
    sign = contents.sign_of(reaction)
    told = _("Reacted with %(sign)s to an earlier message", sign=sign)
    return str(told if sign else _("Took back a reaction to an earlier message"))


def text_of(message: Message) -> str:
    """What a list shows of a message: its own text, and of one that is about another what it does."""
    if message.kind in CHANGES:
        return contents.change_words(message)
    return reaction_words(message) if message.kind == MessageKind.REACTION else message.body


def kind_before(message: Message) -> str:
    """What stands before that in a list: nothing where the text says it all."""
    return "" if message.kind in (MessageKind.TEXT, *ABOUT_ANOTHER) else kind_words(message.kind)


def preview(conversation: Conversation) -> str:
    """What a list shows of the newest message of a conversation."""
    kind, lines = conversation.last_message_kind, (conversation.last_message_preview or "").strip().splitlines()
    if kind == MessageKind.REACTION and not lines:
        return str(_("Reaction taken back"))
    if kind is None or kind == MessageKind.DELETION or not lines:
        return kind_words(kind or MessageKind.UNKNOWN)
    if kind in NAMED_IN_LISTS:
        return f"{kind_words(kind)}: {lines[0]}"
    return " ".join(lines)


def rung(message: Message) -> Rung:
    """How far the message came. `accepted` lies between handed over and delivered and has a time only."""
    if message.status == MessageStatus.FAILED:
        return Rung("failed", _("Not sent"), str(reasons.reason_of(message)))
    if message.status == MessageStatus.CANCELLED and message.error_code in reasons.CANCELLATIONS:
        return Rung("cancelled", _("Not sent"), str(reasons.CANCELLATIONS[message.error_code]))
    if message.status == MessageStatus.SENT and message.accepted_at is not None:
        return ACCEPTED
    if message.status == MessageStatus.SENT and message.source == MessageSource.PHONE:
        return SENT_BY_PHONE
    return RUNGS[MessageStatus(message.status)]
