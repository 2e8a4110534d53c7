"""Which messages may be answered with a quote, reacted to or changed, and how they are held meanwhile."""

from collections.abc import Iterable
from uuid import UUID

from flask_babel import gettext as _

from portal.clock import now
from portal.db import db
from portal.errors import Invalid
from portal.models import ABOUT_ANOTHER, Message, MessageKind, MessageStatus
from portal.services import delivery, lanes
from portal.tenancy import TenantScope

# WhatsApp has no message of these that anybody could point at.
POINTLESS = (*ABOUT_ANOTHER, MessageKind.CALL)
NOT_THERE = (MessageStatus.FAILED, MessageStatus.CANCELLED)
# One that is being sent may still fail or fall in doubt: tried again after a newer one it would take its place.
UNSETTLED = (MessageStatus.SENDING, MessageStatus.FAILED, MessageStatus.UNCONFIRMED)


def is_open(message: Message) -> bool:
    """Whether both sides have the message, under an id that WhatsApp gave, so that one can point at it."""
    is_known = message.external_id is not None and not message.is_test and message.status not in NOT_THERE
    is_vote = bool((message.details or {}).get("isVote"))
    return is_known and message.deleted_at is None and message.kind not in POINTLESS and not is_vote


def hold(scope: TenantScope, message_id: UUID) -> Message:
    """The message, held with its unit and its lane until the transaction ends. Raises NotFound."""
    unit_id = scope.get(Message, message_id).unit_id
    delivery.lock_unit(scope, unit_id)
    # Before the messages: a claim holds the lane while it takes one of them.
    lanes.hold(scope, [unit_id])
    this = scope.select(Message).where(Message.id == message_id).with_for_update()
    message: Message = db.session.scalars(this.execution_options(populate_existing=True)).one()
    return message


def settle(ours: Iterable[Message]) -> None:
    """What became of the reactions or changes before is of no matter any more: nobody has to decide about them."""
    for message in ours:
        if message.status in UNSETTLED:
            message.handled_at = message.handled_at or now()


def checked_answer(scope: TenantScope, conversation_id: UUID, message_id: UUID) -> str:
    """WhatsApp's id of that message of the conversation. Raises Invalid for `answers_to`."""
    this = scope.select(Message).where(Message.id == message_id, Message.conversation_id == conversation_id)
    message: Message | None = db.session.scalar(this)
    if message is None or message.external_id is None or not is_open(message):
        raise Invalid({"answers_to": not_quotable()})
    return message.external_id


def not_quotable() -> str:
    """What is said of a quote that cannot be sent."""
    return str(_("This message cannot be quoted any more. Write without the quote."))
