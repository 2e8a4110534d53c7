"""Which messages may be answered with a quote, or reacted to."""

from uuid import UUID

from flask_babel import gettext as _

from portal.db import db
from portal.errors import Invalid
from portal.models import Message, MessageKind, MessageStatus
from portal.tenancy import TenantScope

# WhatsApp has no message of these that anybody could point at.
POINTLESS = (MessageKind.REACTION, MessageKind.CALL)
NOT_THERE = (MessageStatus.FAILED, MessageStatus.CANCELLED)


def is_open(message: Message) -> bool:
    """Whether both sides have the message, under an id that WhatsApp gave, so that one can point at it."""
    is_known = message.external_id is not None and not message.is_test and message.status not in NOT_THERE
    is_vote = bool((message.details or {}).get("isVote"))
    return is_known and message.deleted_at is None and message.kind not in POINTLESS and not is_vote


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
