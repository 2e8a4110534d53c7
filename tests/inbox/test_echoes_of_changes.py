"""What Evolution tells of our own edits and deletions (contract §11.5 to §11.8): the same whenever it comes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    CHANGES,
    Conversation,
    Direction,
    Message,
    MessageChange,
    MessageKind,
    MessageStatus,
    Unit,
)
from portal.services import changes, changing, delivery
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_message
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA

Rows = Callable[..., list[Any]]
KEY = {"remoteJid": MARIA, "fromMe": True, "id": "3EB0A"}
TOLD_MS = 1_761_055_330_000
TEXT = "Fechamos às 19h"
EDIT_ECHO = ("send.message.update", {"key": KEY, "editedMessage": {"extendedTextMessage": {"text": TEXT}}})
EDIT_ECHO[1].update({"timestampMs": TOLD_MS, "type": 14})
DELETION_ECHO = (
    "messages.delete",
    {"id": "cm75e3090289e2955dfaecfe2", "key": {**KEY, "deleted": True}, "status": "DELETED"},
)
ECHOES = {MessageKind.EDIT: EDIT_ECHO, MessageKind.DELETION: DELETION_ECHO}


@pytest.fixture
def conversation(scope: TenantScope, unit: Unit) -> Conversation:
    return make_conversation(scope, unit)


@pytest.fixture
def target(scope: TenantScope, conversation: Conversation) -> Message:
    ours = {"direction": Direction.OUTBOUND, "external_id": "3EB0A", "sent_at": now()}
    return make_message(scope, conversation, body="Fechamos às 18h", **ours)


def ask(scope: TenantScope, target: Message, kind: MessageKind, status: MessageStatus) -> None:
    """Somebody asked for the change, and that became of it."""
    with acting_for(scope), atomic():
        if kind == MessageKind.EDIT:
            changing.edit(scope, target.id, text=TEXT)
        else:
            changing.delete(scope, target.id)
        ours = scope.update(Message).where(Message.kind.in_(CHANGES))
        db.session.execute(ours.values(status=status, sending_at=now()))


def note_made(scope: TenantScope, unit: Unit, kind: MessageKind) -> None:
    """The answer to the call came."""
    with acting_for(scope), atomic():
        delivery.lock_unit(scope, unit.id)
        changes.apply(scope, unit.id, [changes.made_here("3EB0A", kind, text=TEXT, told_ms=TOLD_MS)])


def shown(rows: Rows) -> dict[str, Any]:
    [target] = [message for message in rows(Message) if message.external_id == "3EB0A"]
    conversation = rows(Conversation)[0]
    return {
        "text": target.body,
        "first": target.original_body,
        "edited_at": target.edited_at,
        "is_deleted": target.deleted_at is not None,
        "changes": len(rows(MessageChange)),
        "preview": (conversation.last_message_kind, conversation.last_message_preview),
    }


AFTERWARDS = {
    MessageKind.EDIT: {
        "text": TEXT,
        "first": "Fechamos às 18h",
        "edited_at": datetime.fromtimestamp(TOLD_MS / 1000, tz=UTC),
        "is_deleted": False,
        "changes": 1,
        "preview": (MessageKind.TEXT, TEXT),
    },
    MessageKind.DELETION: {
        "text": "Fechamos às 18h",
        "first": None,
        "edited_at": None,
        "is_deleted": True,
        "changes": 1,
        "preview": (MessageKind.DELETION, ""),
    },
}


@pytest.mark.parametrize("is_echo_first", [True, False], ids=["echo_first", "answer_first"])
@pytest.mark.parametrize("kind", CHANGES)
def test_answer_and_echo_are_one_change_in_whatever_order(
    scope: TenantScope,
    unit: Unit,
    target: Message,
    evolution: Evolution,
    rows: Rows,
    kind: MessageKind,
    is_echo_first: bool,
) -> None:
    ask(scope, target, kind, MessageStatus.SENDING)

    if not is_echo_first:
        note_made(scope, unit, kind)
    evolution.tell(ECHOES[kind])
    if is_echo_first:
        note_made(scope, unit, kind)
    evolution.replay()

    assert shown(rows) == AFTERWARDS[kind]


@pytest.mark.parametrize("status", [MessageStatus.SENDING, MessageStatus.UNCONFIRMED])
@pytest.mark.parametrize("kind", CHANGES)
def test_an_echo_settles_a_change_in_doubt(
    scope: TenantScope, target: Message, evolution: Evolution, rows: Rows, kind: MessageKind, status: MessageStatus
) -> None:
    ask(scope, target, kind, status)

    evolution.tell(ECHOES[kind])

    [change] = [message for message in rows(Message) if message.kind in CHANGES]
    assert (change.status, change.error_code, change.accepted_at is not None) == (MessageStatus.SENT, None, True)


def test_an_echo_of_another_text_settles_nothing(
    scope: TenantScope, target: Message, evolution: Evolution, rows: Rows
) -> None:
    ask(scope, target, MessageKind.EDIT, MessageStatus.UNCONFIRMED)

    other = {**EDIT_ECHO[1], "editedMessage": {"conversation": "Fechamos às 21h"}}
    evolution.tell(("send.message.update", other), DELETION_ECHO)

    [change] = [message for message in rows(Message) if message.kind in CHANGES]
    assert change.status == MessageStatus.UNCONFIRMED


def test_a_change_that_still_waits_is_made_by_nobody_elses(
    scope: TenantScope, target: Message, evolution: Evolution, rows: Rows
) -> None:
    ask(scope, target, MessageKind.EDIT, MessageStatus.QUEUED)

    evolution.tell(EDIT_ECHO)

    [change] = [message for message in rows(Message) if message.kind in CHANGES]
    assert change.status == MessageStatus.QUEUED
