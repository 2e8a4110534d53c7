"""What was kept long enough is deleted, batch by batch; what is younger, or still to be sent, stays."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from portal.background import retention
from portal.background.retention import Retention
from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    ChangeKind,
    Conversation,
    DeliveryState,
    Direction,
    EarlyReceipt,
    EventState,
    Media,
    Message,
    MessageChange,
    MessageKind,
    MessageStatus,
    Unit,
    WebhookDelivery,
    WebhookEvent,
)
from portal.services import periods
from portal.services.periods import Periods
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.architecture.walk import everything
from tests.endpoints import deliveries, make_endpoint
from tests.factories import (
    make_connected_unit,
    make_conversation,
    make_media,
    make_message,
    make_parked_event,
    make_tenant,
)

OLD, YOUNG = timedelta(days=31), timedelta(days=29)


@pytest.fixture
def scope(database: None) -> TenantScope:
    """A company that keeps messages for 30 days and what Evolution told for 20."""
    scope = make_tenant()
    keep(scope, messages=30, events=20)
    return scope


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


@pytest.fixture
def conversation(scope: TenantScope, unit: Unit) -> Conversation:
    return make_conversation(scope, unit)


def keep(scope: TenantScope, *, messages: int | None, events: int) -> None:
    with acting_for(scope):
        periods.change(scope, Periods(messages, events))


def message_of(scope: TenantScope, conversation: Conversation, age: timedelta, **columns: object) -> Message:
    return make_message(scope, conversation, at=now() - age, **columns)  # type: ignore[arg-type]


def bodies(scope: TenantScope) -> list[str]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Message, Message.body).order_by(Message.occurred_at)))


def current(scope: TenantScope, conversation: Conversation) -> Conversation:
    with acting_for(scope):
        this = scope.select(Conversation).where(Conversation.id == conversation.id)
        return db.session.scalars(this.execution_options(populate_existing=True)).one()


def events() -> list[int]:
    with across_tenants("a test looks at what was stored"):
        return list(db.session.scalars(WebhookEvent.__table__.select().with_only_columns(WebhookEvent.id)))


def event_of(scope: TenantScope | None, unit: Unit | None, age: timedelta, **columns: object) -> int:
    return make_parked_event(scope, unit, received_at=now() - age, **columns)


def work_off() -> int:
    """How many batches one round takes."""
    worker, batches = Retention(), 0
    while worker.work():
        batches += 1
    return batches


def test_old_messages_go_and_younger_ones_stay(scope: TenantScope, conversation: Conversation) -> None:
    message_of(scope, conversation, OLD, body="velha")
    message_of(scope, conversation, YOUNG, body="nova")

    work_off()

    assert bodies(scope) == ["nova"]


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.SENDING], ids=str)
def test_message_that_is_still_to_be_sent_stays(
    scope: TenantScope, conversation: Conversation, status: MessageStatus
) -> None:
    message_of(scope, conversation, OLD, direction=Direction.OUTBOUND, status=status)

    work_off()

    assert bodies(scope) == ["Bom dia"]


def test_company_that_keeps_messages_for_ever_keeps_them(scope: TenantScope, conversation: Conversation) -> None:
    keep(scope, messages=None, events=20)
    message_of(scope, conversation, timedelta(days=4_000))

    work_off()

    assert bodies(scope) == ["Bom dia"]


def test_another_company_loses_nothing(scope: TenantScope, conversation: Conversation) -> None:
    rival = make_tenant("rival")
    theirs = make_conversation(rival, make_connected_unit(rival))
    message_of(rival, theirs, OLD, body="rival")
    message_of(scope, conversation, OLD)

    work_off()

    assert bodies(rival) == ["rival"]


def test_file_goes_with_its_last_message(scope: TenantScope, conversation: Conversation) -> None:
    message_of(scope, conversation, OLD, media_id=make_media(scope))

    work_off()

    with acting_for(scope):
        assert db.session.scalars(scope.select(Media, Media.id)).all() == []


def test_file_that_a_younger_message_carries_stays(scope: TenantScope, conversation: Conversation) -> None:
    media_id = make_media(scope)
    message_of(scope, conversation, OLD, media_id=media_id)
    message_of(scope, conversation, YOUNG, media_id=media_id)

    work_off()

    with acting_for(scope):
        assert db.session.scalars(scope.select(Media, Media.id)).all() == [media_id]


def test_message_that_was_sent_in_the_place_of_an_old_one_stays(scope: TenantScope, conversation: Conversation) -> None:
    first = message_of(scope, conversation, OLD, body="primeira", direction=Direction.OUTBOUND)
    message_of(scope, conversation, YOUNG, body="segunda", direction=Direction.OUTBOUND, resend_of_id=first.id)

    work_off()

    assert bodies(scope) == ["segunda"]


def test_list_shows_no_text_that_was_deleted(scope: TenantScope, conversation: Conversation) -> None:
    message_of(scope, conversation, OLD, body="segredo")

    work_off()

    shown = current(scope, conversation)
    assert (shown.last_message_preview, shown.last_message_kind) == (None, MessageKind.DELETION)


def test_list_goes_on_showing_what_is_younger(scope: TenantScope, conversation: Conversation) -> None:
    message_of(scope, conversation, OLD, body="velha")
    message_of(scope, conversation, YOUNG, body="nova")

    work_off()

    assert current(scope, conversation).last_message_preview == "nova"


def test_unread_messages_are_those_that_are_left(scope: TenantScope, conversation: Conversation) -> None:
    message_of(scope, conversation, OLD)
    message_of(scope, conversation, YOUNG)

    work_off()

    assert current(scope, conversation).unread == 1


def test_doubt_about_a_deleted_message_is_settled(scope: TenantScope, conversation: Conversation) -> None:
    message = message_of(scope, conversation, OLD)
    with acting_for(scope), atomic():
        found = scope.get(Conversation, conversation.id)
        found.doubted_at, found.doubted_message_id = now(), message.id

    work_off()

    assert current(scope, conversation).doubted_at is None


def test_edits_and_receipts_of_an_old_message_go_with_it(scope: TenantScope, conversation: Conversation) -> None:
    message = message_of(scope, conversation, OLD)
    _make_notes(scope, conversation.unit_id, str(message.external_id), at=now())

    work_off()

    assert (everything()["message_changes"], everything()["early_receipts"]) == ([], [])


@pytest.mark.parametrize(
    ("age", "changes", "receipts"),
    [(timedelta(days=31), 0, 0), (timedelta(days=21), 1, 0), (timedelta(days=19), 1, 1)],
    ids=["older than both periods", "older than what Evolution told is kept", "young"],
)
def test_edits_and_receipts_whose_message_never_came_are_kept_as_long_as_what_they_are_of(
    scope: TenantScope, unit: Unit, age: timedelta, changes: int, receipts: int
) -> None:
    _make_notes(scope, unit.id, "3ANEVER", at=now() - age)

    work_off()

    found = everything()
    assert (len(found["message_changes"]), len(found["early_receipts"])) == (changes, receipts)


@pytest.mark.parametrize(
    ("age", "state", "is_kept"),
    [
        (timedelta(days=21), EventState.DONE, False),
        (timedelta(days=21), EventState.PARKED, False),
        (timedelta(days=21), EventState.NEW, True),
        (timedelta(days=19), EventState.DONE, True),
    ],
    ids=["old and applied", "old and parked", "old and not applied yet", "young"],
)
def test_what_evolution_told_is_kept_for_its_time(
    scope: TenantScope, unit: Unit, age: timedelta, state: EventState, is_kept: bool
) -> None:
    event_id = event_of(scope, unit, age, state=state)

    work_off()

    assert events() == ([event_id] if is_kept else [])


def test_what_evolution_told_is_kept_no_longer_than_messages(scope: TenantScope, unit: Unit) -> None:
    keep(scope, messages=30, events=365)
    event_of(scope, unit, OLD)

    work_off()

    assert events() == []


def test_company_that_decided_nothing_keeps_what_evolution_told_for_90_days(database: None) -> None:
    scope = make_tenant()
    unit = make_connected_unit(scope)
    event_of(scope, unit, timedelta(days=91))
    kept = event_of(scope, unit, timedelta(days=89))

    work_off()

    assert events() == [kept]


def test_events_of_nobodys_instance_go_after_90_days(database: None) -> None:
    event_of(None, None, timedelta(days=91))
    kept = event_of(None, None, timedelta(days=89))

    work_off()

    assert events() == [kept]


@pytest.mark.parametrize("state", list(DeliveryState), ids=str)
def test_what_programs_were_told_goes_after_30_days(
    scope: TenantScope, conversation: Conversation, state: DeliveryState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what they could not be told until then, once it had its days of attempts: a person may have sent it again."""
    monkeypatch.setattr(retention, "BATCH", 2)
    keep(scope, messages=None, events=20)
    endpoints = [make_endpoint(scope), make_endpoint(scope)]
    made = [message_of(scope, conversation, YOUNG) for _ in range(4)]
    with acting_for(scope), atomic():
        old = scope.update(WebhookDelivery).where(WebhookDelivery.message_id.in_([one.id for one in made[:3]]))
        db.session.execute(old.values(state=state, created_at=now() - OLD))
    work_off()
    left = [len(deliveries(endpoint)) for endpoint in endpoints]

    with acting_for(scope), atomic():
        older = scope.update(WebhookDelivery).where(WebhookDelivery.created_at < now() - timedelta(days=1))
        db.session.execute(older.values(created_at=now() - OLD - retention.ATTEMPTS_FOR))
    work_off()

    assert left == ([4, 4] if state is DeliveryState.WAITING else [1, 1])
    assert [[one.message_id for one in deliveries(endpoint)] for endpoint in endpoints] == [[made[3].id]] * 2


def test_many_messages_of_many_conversations_go_in_batches(
    scope: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "CHATS", 2)
    for number in range(5):
        chat = make_conversation(scope, unit, phone=f"551199999100{number}")
        for _ in range(4):
            message_of(scope, chat, OLD)

    batches = work_off()

    assert bodies(scope) == []
    # 20 messages, at most 3 a time.
    assert batches >= 7


def test_round_that_is_over_begins_again_after_an_hour(
    scope: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000_000.0]
    monkeypatch.setattr(retention.time, "monotonic", lambda: clock[0])
    worker = Retention()
    while worker.work():
        pass
    message_of(scope, conversation, OLD)

    is_at_work_at_once = worker.work()
    clock[0] += retention.ROUND_S
    is_at_work_later = worker.work()

    assert (is_at_work_at_once, is_at_work_later) == (False, True)


def test_task_that_fails_keeps_no_other_from_its_turn(
    scope: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_of(scope, conversation, OLD)

    def fail() -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(retention, "_delete_unknown_events", fail)
    worker = Retention()
    with pytest.raises(RuntimeError):
        worker.work()

    while worker.work():
        pass

    assert bodies(scope) == []


def _make_notes(scope: TenantScope, unit_id: object, external_id: str, *, at: datetime) -> None:
    """An edit and a receipt that are kept beside a message."""
    with acting_for(scope), atomic():
        edit = {"kind": ChangeKind.EDIT, "told_as": uuid4().hex, "body": "Olá", "received_at": at}
        scope.add(MessageChange(unit_id=unit_id, external_id=external_id, **edit))
        scope.add(EarlyReceipt(unit_id=unit_id, external_id=external_id, receipt="READ", received_at=at))
