"""The story of one message: who wrote it, how far it came, what it waits for, and what was sent in its place."""

from dataclasses import dataclass
from uuid import UUID

from portal.db import db
from portal.models import Campaign, Contact, Conversation, Message, MessageStatus, Unit, User
from portal.queries import campaign_lines, sending, undelivered
from portal.queries.sending import Hold
from portal.queries.undelivered import Bucket, bucket_of
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Waiting:
    """What holds a queued message now (None: nothing), and how many go before it."""

    hold: Hold | None
    ahead: int


@dataclass(frozen=True)
class Story:
    """A message with all that is known of it. `first` and `second`: it was sent in the place of, or was replaced by."""

    message: Message
    contact: Contact
    unit: Unit
    author: str | None
    bucket: Bucket | None
    first: Message | None
    second: Message | None
    waiting: Waiting | None
    campaign: Campaign | None


def get_story(scope: TenantScope, message_id: UUID) -> Story:
    """Raises NotFound."""
    message = scope.get(Message, message_id)
    conversation = scope.get(Conversation, message.conversation_id)
    unit = scope.get(Unit, message.unit_id)
    return Story(
        message=message,
        contact=scope.get(Contact, conversation.contact_id),
        unit=unit,
        author=_author(scope, message),
        bucket=bucket_of(message, receipt_wait_min=unit.receipt_wait_min),
        first=scope.get(Message, message.resend_of_id) if message.resend_of_id else None,
        second=undelivered.find_resends(scope, [message]).get(message.id),
        waiting=_waiting(scope, message),
        campaign=campaign_lines.find_campaign(scope, message),
    )


def _author(scope: TenantScope, message: Message) -> str | None:
    """The e-mail address of whoever wrote it; None for an operator, whom the tenant does not know."""
    email: str | None = db.session.scalar(scope.select(User, User.email).where(User.id == message.sent_by_id))
    return email


def _waiting(scope: TenantScope, message: Message) -> Waiting | None:
    if message.status != MessageStatus.QUEUED:
        return None
    gates = sending.get_gates(scope, message.unit_id)
    return Waiting(gates.hold(is_cold=message.is_cold), sending.count_ahead(scope, message))
