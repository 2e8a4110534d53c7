"""The story of one message: who wrote it, how far it came, what it waits for, and what was sent in its place."""

from dataclasses import dataclass
from uuid import UUID

from portal.db import db
from portal.models import (
    CAMPAIGN_PRIORITY,
    Campaign,
    ConsentKind,
    Contact,
    Conversation,
    Message,
    MessageStatus,
    Unit,
    User,
)
from portal.queries import campaign_lines, consent, deciders, sending, undelivered
from portal.queries.campaigns import OPTED_OUT
from portal.queries.consent import Evidence
from portal.queries.deciders import Decided
from portal.queries.sending import Gates, Hold
from portal.queries.undelivered import Bucket, bucket_of
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Waiting:
    """What holds a queued message now (None: nothing), how many go before it, and what all of its unit pass."""

    hold: Hold | None
    ahead: int
    gates: Gates


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
    # What a person decided about it, or about its campaign while it waited.
    decided: Decided | None
    # What shows that the person wants no campaigns, where that is why nothing was sent.
    opt_out: Evidence | None


def get_story(scope: TenantScope, message_id: UUID) -> Story:
    """Raises NotFound."""
    message = scope.get(Message, message_id)
    conversation = scope.get(Conversation, message.conversation_id)
    unit = scope.get(Unit, message.unit_id)
    decided = deciders.find_about_message(scope, message)
    return Story(
        message=message,
        contact=scope.get(Contact, conversation.contact_id),
        unit=unit,
        author=_author(scope, message),
        bucket=bucket_of(message, receipt_wait_min=unit.receipt_wait_min),
        first=scope.get(Message, message.resend_of_id) if message.resend_of_id else None,
        second=undelivered.find_resends(scope, [message]).get(message.id),
        waiting=_waiting(scope, message),
        campaign=campaign_lines.find_campaign(scope, message) or (decided.campaign if decided else None),
        decided=decided,
        opt_out=_opt_out(scope, message, conversation.contact_id),
    )


def _author(scope: TenantScope, message: Message) -> str | None:
    """The e-mail address of whoever wrote it; None for an operator, whom the tenant does not know."""
    email: str | None = db.session.scalar(scope.select(User, User.email).where(User.id == message.sent_by_id))
    return email


def _waiting(scope: TenantScope, message: Message) -> Waiting | None:
    if message.status != MessageStatus.QUEUED:
        return None
    gates = sending.get_gates(scope, message.unit_id)
    hold = gates.hold(is_cold=message.is_cold)
    if hold is None and message.priority >= CAMPAIGN_PRIORITY:
        hold = gates.turn_hold()
    return Waiting(hold, sending.count_ahead(scope, message), gates)


def _opt_out(scope: TenantScope, message: Message, contact_id: UUID) -> Evidence | None:
    if message.status != MessageStatus.CANCELLED or message.error_code != OPTED_OUT:
        return None
    newest = next(iter(consent.list_events(scope, contact_id)), None)
    return newest if newest is not None and newest.event.kind == ConsentKind.OPTED_OUT else None
