"""What Evolution tells of our own sends: which of them it means, and which it does not (contract §5.4, §11.5)."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.evolution.types import SentMessage
from portal.models import (
    Lane,
    Message,
    MessageStatus,
    Unit,
)
from portal.outbox import lanes
from portal.outbox.lanes import ClaimedMessage
from portal.services import conversations
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation
from tests.inbox.conftest import NAME, Evolution
from tests.inbox.payloads import MARIA, MARIA_LID, SENT_AT, echo, receipt

Rows = Callable[..., list[Any]]
ID = "3EB00123456789ABCDEF01"


class InFlight:
    """A reply that this test's worker has claimed, and has no answer to yet."""

    def __init__(self, scope: TenantScope, unit: Unit, text: str) -> None:
        self.scope, self.unit = scope, unit
        conversation = make_conversation(scope, unit)
        with acting_for(scope):
            self.id = conversations.reply(scope, conversation.id, text=text).message.id
            with atomic():
                self.proposed_id = scope.get(Message, self.id).proposed_id
                self._put(MessageStatus.SENDING)

    def _put(self, status: MessageStatus, error_code: str | None = None) -> None:
        this = self.scope.update(Message).where(Message.id == self.id)
        db.session.execute(this.values(status=status, sending_at=now(), error_code=error_code))
        lane = self.scope.update(Lane).where(Lane.unit_id == self.unit.id)
        db.session.execute(lane.values(message_id=self.id if status == MessageStatus.SENDING else None))

    def doubt(self) -> None:
        with acting_for(self.scope), atomic():
            self._put(MessageStatus.UNCONFIRMED, "timed_out")

    def answer(self, external_id: str) -> None:
        claimed = ClaimedMessage(
            self.id, self.scope.tenant_id, self.unit.id, NAME, uuid4(), "5511999990002", "Olá", self.proposed_id or ""
        )
        lanes.record_sent(claimed, SentMessage(external_id=external_id, jid=MARIA))


@pytest.fixture
def in_flight(scope: TenantScope, unit: Unit) -> InFlight:
    return InFlight(scope, unit, "Olá")


def this_minute() -> int:
    return int(now().timestamp())


def test_an_echo_before_the_answer_is_the_same_message(in_flight: InFlight, evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=this_minute())))
    before = [(m.id, m.status, m.external_id) for m in rows(Message)]
    in_flight.answer(ID)

    assert before == [(in_flight.id, MessageStatus.SENT, ID)]
    assert [(m.id, m.status, m.external_id) for m in rows(Message)] == before


def test_an_echo_after_the_answer_is_the_same_message(in_flight: InFlight, evolution: Evolution, rows: Rows) -> None:
    in_flight.answer(ID)
    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=this_minute())))

    assert [(m.id, m.status, m.external_id) for m in rows(Message)] == [(in_flight.id, MessageStatus.SENT, ID)]


def test_an_echo_with_our_own_id_is_the_same_message_whatever_its_text(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    own_id = in_flight.proposed_id or ""

    evolution.tell(("send.message", echo(own_id, "Olá (editado)", messageTimestamp=this_minute())))

    assert [(m.id, m.status, m.external_id) for m in rows(Message)] == [(in_flight.id, MessageStatus.SENT, own_id)]


def test_an_echo_under_an_address_we_did_not_know_becomes_one_message_with_the_answer(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(("send.message", echo(ID, "Olá", chat=MARIA_LID, messageTimestamp=this_minute())))
    evolution.tell(("messages.update", receipt(ID, "DELIVERY_ACK", chat=MARIA_LID)))
    in_flight.answer(ID)

    settled = rows(Message)
    assert [(m.id, m.status, m.external_id) for m in settled] == [(in_flight.id, MessageStatus.DELIVERED, ID)]
    assert settled[0].delivered_at is not None


def test_a_failure_told_before_the_answer_keeps_its_reason(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(("send.message", echo(ID, "Olá", chat=MARIA_LID, messageTimestamp=this_minute())))
    evolution.tell(("messages.update", receipt(ID, "ERROR", chat=MARIA_LID)))
    in_flight.answer(ID)

    failed = rows(Message)[0]
    assert (failed.id, failed.status, failed.error_code) == (in_flight.id, MessageStatus.FAILED, "refused_by_whatsapp")
    assert failed.failed_at is not None


@pytest.mark.parametrize("event", ["send.message", "messages.upsert"])
def test_an_echo_settles_a_message_in_doubt(in_flight: InFlight, evolution: Evolution, rows: Rows, event: str) -> None:
    in_flight.doubt()

    evolution.tell((event, echo(ID, "Olá", messageTimestamp=this_minute())))

    settled = rows(Message)
    assert [(m.id, m.status, m.external_id, m.error_code) for m in settled] == [
        (in_flight.id, MessageStatus.SENT, ID, None)
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Outra coisa"},
        {"chat": "5521999990004@s.whatsapp.net"},
        {"messageTimestamp": SENT_AT},
    ],
    ids=["other_text", "other_person", "long_ago"],
)
def test_an_echo_of_something_else_settles_nothing(
    in_flight: InFlight, evolution: Evolution, rows: Rows, other: dict[str, Any]
) -> None:
    in_flight.doubt()
    told = {"text": "Olá", "messageTimestamp": this_minute(), **other}

    evolution.tell(("send.message", echo(ID, **told)))

    kept = next(m for m in rows(Message) if m.id == in_flight.id)
    assert (kept.status, kept.external_id) == (MessageStatus.UNCONFIRMED, None)
    assert len(rows(Message)) == 2


def test_one_echo_settles_one_of_two_equal_messages(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    first, second = InFlight(scope, unit, "Olá"), InFlight(scope, unit, "Olá")
    first.doubt()
    second.doubt()

    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=this_minute())))
    evolution.replay()

    statuses = {m.id: m.status for m in rows(Message)}
    assert sorted(statuses.values()) == [MessageStatus.SENT, MessageStatus.UNCONFIRMED]
    assert len(statuses) == 2
