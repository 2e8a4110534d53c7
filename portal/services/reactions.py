"""Reacting to a message: one sign of ours at a time, which goes through the lane as every message does."""

from datetime import timedelta
from uuid import UUID

import emoji
from flask_babel import gettext as _

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import Conversation, Direction, Message, MessageKind, MessageStatus, Unit
from portal.queries import reactions as queries
from portal.services import conversations, references
from portal.services.drafts import Draft
from portal.tenancy import TenantScope

# With and without it a sign is the same one.
EMOJI_STYLE = "\ufe0f"


def react(scope: TenantScope, message_id: UUID, *, sign: str) -> None:
    """Put this sign on a message in the place of our one before; "" takes that back.

    The same sign again changes nothing, and one that has not left yet becomes the new one. Raises NotFound, Invalid
    for what is no single emoji and for a message that cannot be reacted to, Conflict when the unit never had a number.
    """
    if sign and not emoji.is_emoji(sign):
        raise Invalid({"sign": _("Choose a single emoji.")})
    with atomic():
        target = references.hold(scope, message_id)
        if not references.is_open(target):
            raise Invalid({"sign": _("Nobody can react to this message any more.")})
        _put(scope, target, sign)


def _put(scope: TenantScope, target: Message, sign: str) -> None:
    ours = list(db.session.scalars(queries.of_ours(scope, target).with_for_update()))
    given = queries.find_given(ours)
    if _is_same(sign, given.body if given else ""):
        return
    references.settle(ours)
    if given is not None and given.status == MessageStatus.QUEUED:
        _replace(scope, given, sign)
        return
    conversation = scope.get(Conversation, target.conversation_id)
    draft = Draft(sign, refers_to=target.external_id, about=MessageKind.REACTION)
    conversations.queue_about(scope, conversation, draft)


def _is_same(sign: str, other: str) -> bool:
    return sign.replace(EMOJI_STYLE, "") == other.replace(EMOJI_STYLE, "")


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
