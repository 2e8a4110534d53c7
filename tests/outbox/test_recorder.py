"""The thread that writes outcomes down: what holds it up, and what does not."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
from flask import Flask
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, TimeoutError

from portal.db import atomic
from portal.evolution.types import SentMessage
from portal.models import MessageStatus
from portal.outbox import outcomes, owners, recorder
from portal.outbox.lanes import ClaimedMessage
from portal.outbox.outcomes import Outcome
from portal.outbox.recorder import Recorder
from portal.services import delivery
from portal.tenancy import TenantScope, acting_for
from tests.outbox.conftest import Shop
from tests.outbox.desk import until
from tests.outbox.sending import OWNER, claim, outcome

pytestmark = pytest.mark.commits

DEADLINE_S = 10.0
Record = Callable[[Sequence[Outcome]], list[Outcome]]


class Desk:
    """A recorder, and a door that lets it begin its next transaction."""

    def __init__(self, app: Flask, record: Record) -> None:
        self.batches: list[int] = []
        self.done: list[Outcome] = []
        self.door = threading.Event()
        self.door.set()
        self._record = record
        self.recorder = Recorder(app.app_context, self._note)

    def record(self, batch: Sequence[Outcome]) -> list[Outcome]:
        self.batches.append(len(batch))
        self.door.wait(DEADLINE_S)
        return self._record(batch)

    def put_together(self, *outcomes: Outcome) -> None:
        """The first is taken alone; what comes meanwhile is the next batch."""
        self.door.clear()
        self.recorder.put(outcomes[0])
        until(lambda: self.batches)
        for following in outcomes[1:]:
            self.recorder.put(following)
        self.door.set()

    def wait(self) -> None:
        until(self.recorder.is_idle)

    def _note(self, outcomes: Iterable[Outcome]) -> None:
        self.done += outcomes


@pytest.fixture
def desk(app: Flask, database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(recorder, "STORAGE_DOWN_S", 0.01)
    desk = Desk(app, outcomes.record)
    monkeypatch.setattr(outcomes, "record", desk.record)
    yield desk
    desk.door.set()
    desk.wait()


def sent_of(message: ClaimedMessage, external_id: str | None = None) -> Outcome:
    external_id = external_id or f"3EB0{message.id.hex[-18:].upper()}"
    return outcome(message, SentMessage(external_id, f"{message.number}@s.whatsapp.net"))


@pytest.fixture
def shops(scope: TenantScope) -> list[Shop]:
    return [Shop(scope, f"loja-{number}", phone=f"551199999000{number}") for number in range(4)]


def send_all(shops: list[Shop]) -> list[ClaimedMessage]:
    """The message of each unit, as claimed, in the order of the units."""
    wanted = [shop.reply() for shop in shops]
    claimed = {message.id: message for message in claim()}
    return [claimed[message_id] for message_id in wanted]


def statuses(shops: list[Shop], messages: list[ClaimedMessage]) -> list[MessageStatus]:
    return [shop.message(message.id).status for shop, message in zip(shops, messages, strict=True)]


def test_what_comes_during_a_transaction_goes_into_the_next_one(desk: Desk, shops: list[Shop]) -> None:
    messages = send_all(shops)

    desk.put_together(*map(sent_of, messages))
    desk.wait()

    assert desk.batches == [1, 3]
    assert statuses(shops, messages) == [MessageStatus.SENT] * 4
    assert {done.message.id for done in desk.done} == {message.id for message in messages}


@pytest.mark.parametrize("down", [OperationalError, TimeoutError], ids=["connection_lost", "no_connection_free"])
def test_outcomes_wait_for_the_database_to_come_back(
    desk: Desk, shops: list[Shop], monkeypatch: pytest.MonkeyPatch, down: type[Exception]
) -> None:
    messages = send_all(shops)
    broken = [down("SELECT", {}, Exception("away")) if down is OperationalError else down("away") for _ in range(3)]

    def record(batch: Sequence[Outcome]) -> list[Outcome]:
        if broken:
            raise broken.pop()
        return desk.record(batch)

    monkeypatch.setattr(outcomes, "record", record)
    for message in messages:
        desk.recorder.put(sent_of(message))
    desk.wait()

    assert broken == []
    assert statuses(shops, messages) == [MessageStatus.SENT] * 4


def test_what_is_not_on_disk_is_not_let_go(desk: Desk, shops: list[Shop]) -> None:
    message = send_all(shops[:1])[0]
    desk.door.clear()

    desk.recorder.put(sent_of(message))
    until(lambda: desk.batches)

    assert not desk.recorder.is_idle()
    assert desk.done == []


# Longer than its column, and what no text column takes at all.
@pytest.mark.parametrize("external_id", ["X" * 81, "3EB0\x00"], ids=["too_long", "zero_byte"])
def test_an_outcome_that_no_row_takes_does_not_hold_up_the_others(
    desk: Desk, shops: list[Shop], external_id: str
) -> None:
    messages = send_all(shops)
    first, poison, third, fourth = messages

    desk.put_together(sent_of(first), sent_of(poison, external_id), sent_of(third), sent_of(fourth))
    desk.wait()

    sent = MessageStatus.SENT
    assert statuses(shops, messages) == [sent, MessageStatus.SENDING, sent, sent]
    assert len(desk.done) == 4


def test_a_send_whose_outcome_no_row_takes_is_in_doubt(desk: Desk, shops: list[Shop]) -> None:
    message = send_all(shops[:1])[0]
    desk.recorder.put(sent_of(message, "X" * 81))
    desk.wait()

    owners.settle_forgotten(OWNER, set())

    assert statuses(shops[:1], [message]) == [MessageStatus.UNCONFIRMED]
    assert shops[0].lane().message_id is None


@pytest.mark.parametrize("error", [DataError, IntegrityError])
def test_trouble_with_one_row_is_not_taken_for_an_absence(
    desk: Desk, shops: list[Shop], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    message = send_all(shops[:1])[0]

    def record(batch: Sequence[Outcome]) -> list[Outcome]:
        desk.batches.append(len(batch))
        raise error("UPDATE", {}, Exception("no"))  # type: ignore[call-arg]

    monkeypatch.setattr(outcomes, "record", record)
    desk.recorder.put(sent_of(message))
    desk.wait()

    assert desk.batches == [1, 1]


def test_a_unit_that_is_held_holds_up_nobody_else(app: Flask, desk: Desk, shops: list[Shop]) -> None:
    messages = send_all(shops)
    with app.app_context(), acting_for(shops[0].scope), atomic():
        delivery.lock_unit(shops[0].scope, shops[0].unit.id)
        for message in messages:
            desk.recorder.put(sent_of(message))
        until(lambda: len(desk.done) == 3)
        meanwhile = {done.message.id for done in desk.done}
    desk.wait()

    assert meanwhile == {message.id for message in messages[1:]}
    assert statuses(shops, messages) == [MessageStatus.SENT] * 4
