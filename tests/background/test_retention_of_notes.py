"""Notes, and what was done with conversations, go when messages of their time do."""

from datetime import timedelta

import pytest

from portal.background import retention
from portal.background.retention import Retention
from portal.clock import now
from portal.models import Conversation, Unit
from portal.services import periods
from portal.services.periods import Periods
from portal.tenancy import TenantScope, acting_for
from tests.conversation_work import events, make_note
from tests.factories import make_connected_unit, make_conversation, make_tenant

OLD, YOUNG = timedelta(days=31), timedelta(days=29)


@pytest.fixture
def scope(database: None) -> TenantScope:
    """A company that keeps messages for 30 days."""
    scope = make_tenant()
    keep(scope, messages=30)
    return scope


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


@pytest.fixture
def conversation(scope: TenantScope, unit: Unit) -> Conversation:
    return make_conversation(scope, unit)


def keep(scope: TenantScope, *, messages: int | None) -> None:
    with acting_for(scope):
        periods.change(scope, Periods(messages, 20))


def note_of(scope: TenantScope, conversation: Conversation, age: timedelta, body: str) -> None:
    make_note(scope, conversation, body, created_at=now() - age)


def work_off() -> int:
    """How many batches one round takes."""
    worker, batches = Retention(), 0
    while worker.work():
        batches += 1
    return batches


def test_old_notes_go_and_younger_ones_stay(scope: TenantScope, unit: Unit, conversation: Conversation) -> None:
    other = make_conversation(scope, unit, phone="5511999990003")
    note_of(scope, conversation, OLD, "velha")
    note_of(scope, other, OLD, "velha")
    note_of(scope, other, YOUNG, "nova")

    work_off()

    assert events(scope, "body") == ["nova"]


def test_company_that_keeps_messages_for_ever_keeps_notes(scope: TenantScope, conversation: Conversation) -> None:
    keep(scope, messages=None)
    note_of(scope, conversation, 100 * OLD, "velha")

    work_off()

    assert events(scope, "body") == ["velha"]


def test_another_company_loses_none(scope: TenantScope) -> None:
    rival = make_tenant("rival")
    note_of(rival, make_conversation(rival, make_connected_unit(rival, phone="5511999990077")), OLD, "velha")

    work_off()

    assert events(rival, "body") == ["velha"]


def test_many_notes_of_many_conversations_go_in_batches(
    scope: TenantScope, unit: Unit, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "CHATS", 2)
    for number in range(5):
        note_of(scope, make_conversation(scope, unit, phone=f"551199999100{number}"), OLD, "velha")
        note_of(scope, conversation, OLD, "velha")
    note_of(scope, conversation, YOUNG, "nova")

    assert work_off() > 5

    assert events(scope, "body") == ["nova"]
