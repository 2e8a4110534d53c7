"""Reacting to a message: one sign of ours at a time, which goes through the lane as every message does."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import emoji
from flask_babel import gettext as _

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import Conversation, Direction, Message, MessageKind, MessageStatus, Unit
from portal.queries import reactions as queries
from portal.services import conversations, delivery, lanes, references
from portal.tenancy import TenantScope

# With and without it a sign is the same one.
EMOJI_STYLE = "\ufe0f"
# One that is being sent may still fail or fall in doubt: tried again after the new one it would take its place.
UNSETTLED = (MessageStatus.SENDING, MessageStatus.FAILED, MessageStatus.UNCONFIRMED)


def react(scope: TenantScope, message_id: UUID, *, sign: str) -> None:
    """Put this sign on a message in the place of our one before; "" takes that back.

    The same sign again changes nothing, and one that has not left yet becomes the new one. Raises NotFound, Invalid
    for what is no single emoji and for a message that cannot be reacted to, Conflict when the unit never had a number.
    """
    if sign and not emoji.is_emoji(sign):
        raise Invalid({"sign": _("Choose a single emoji.")})
    with atomic():
        unit_id = scope.get(Message, message_id).unit_id
        delivery.lock_unit(scope, unit_id)
        # Before the messages: a claim holds the lane while it takes one of them.
        lanes.hold(scope, [unit_id])
        _put(scope, _locked_target(scope, message_id), sign)


def _locked_target(scope: TenantScope, message_id: UUID) -> Message:
    this = scope.select(Message).where(Message.id == message_id).with_for_update()
    message: Message = db.session.scalars(this.execution_options(populate_existing=True)).one()
    if not references.is_open(message):
        raise Invalid({"sign": _("Nobody can react to this message any more.")})
    return message


def _put(scope: TenantScope, target: Message, sign: str) -> None:
    ours = list(db.session.scalars(queries.of_ours(scope, target).with_for_update()))
    given = queries.find_given(ours)
    if _is_same(sign, given.body if given else ""):
        return
    _settle(ours)
    if given is not None and given.status == MessageStatus.QUEUED:
        _replace(scope, given, sign)
        return
    conversation = scope.get(Conversation, target.conversation_id)
    conversations.queue_reaction(scope, conversation, sign=sign, refers_to=str(target.external_id))


def _is_same(sign: str, other: str) -> bool:
    return sign.replace(EMOJI_STYLE, "") == other.replace(EMOJI_STYLE, "")


def _settle(ours: Sequence[Message]) -> None:
    """What became of the ones before is of no matter any more: nobody has to decide about them."""
    for reaction in ours:
        if reaction.status in UNSETTLED:
            reaction.handled_at = reaction.handled_at or now()


def _replace(scope: TenantScope, waiting: Message, sign: str) -> None:
    lifetime = timedelta(hours=scope.get(Unit, waiting.unit_id).message_lifetime_h)
    waiting.body, waiting.occurred_at, waiting.sent_by_id = sign, now(), scope.user_id
    waiting.expires_at = waiting.occurred_at + lifetime
    db.session.flush()
    conversations.note_last_message(
        scope,
        waiting.conversation_id,
        kind=MessageKind.REACTION,
        body=sign,
        at=waiting.occurred_at,
        direction=Direction.OUTBOUND,
    )
