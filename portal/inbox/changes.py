"""Edits and deletions as Evolution tells of them, for `services.changes`, which keeps and applies them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from portal.inbox.facts import MessageDeleted, MessageEdited
from portal.models import ChangeKind
from portal.services import changes
from portal.services.changes import Told
from portal.tenancy import TenantScope

Change = MessageEdited | MessageDeleted


def apply(scope: TenantScope, unit_id: UUID, told: Sequence[tuple[Change, datetime]]) -> None:
    """Keep these, each with the time at which it was heard, and change the messages that are there."""
    changes.apply(scope, unit_id, [_told(*one) for one in told])


def _told(change: Change, heard_at: datetime) -> Told:
    if isinstance(change, MessageDeleted):
        return Told(change.external_id, ChangeKind.DELETION, heard_at, at=change.at)
    return Told(change.external_id, ChangeKind.EDIT, heard_at, body=change.body, told_as=change.told_as, at=change.at)
