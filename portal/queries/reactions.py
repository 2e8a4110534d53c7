"""Our own reactions to a message. WhatsApp keeps one of each person: the newest counts."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select

from portal.db import db
from portal.models import Message, MessageKind, MessageStatus
from portal.queries import about_messages
from portal.tenancy import TenantScope

# What nobody ever saw.
NEVER_GIVEN = (MessageStatus.FAILED, MessageStatus.CANCELLED)


def list_ours(scope: TenantScope, target: Message) -> list[Message]:
    """Our reactions to that message, the newest first."""
    return list(db.session.scalars(of_ours(scope, target)))


def of_ours(scope: TenantScope, target: Message) -> Select[Any]:
    """As `list_ours`, the statement."""
    return about_messages.of_ours(scope, target, MessageKind.REACTION)


def find_given(ours: Iterable[Message]) -> Message | None:
    """Of our reactions, newest first, the one that counts: it was given, or is on its way."""
    return next((reaction for reaction in ours if reaction.status not in NEVER_GIVEN), None)
