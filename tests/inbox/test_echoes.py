"""What Evolution tells of our own sends: which of them it means, and which it does not (contract §5.4, §11.5)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.evolution.types import SentMessage
from portal.models import Lane, Message, MessageKind, MessageSource, MessageStatus, Unit
from portal.outbox.lanes import ClaimedMessage
from portal.services import conversations, media, undelivered
from portal.services.media import Upload
from portal.services.undelivered import Decision
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_conversation
from tests.files import PDF
from tests.inbox.conftest import NAME, Evolution
from tests.inbox.payloads import MARIA, MARIA_LID, SENT_AT, echo, receipt
from tests.outbox.sending import record

Rows = Callable[..., list[Any]]
ID = "3EB00123456789ABCDEF01"


class InFlight:
    """A reply that this test's worker has claimed, and has no answer to yet."""

    def __init__(self, scope: TenantScope, unit: Unit, text: str) -> None:
        self.scope, self.unit = scope, unit
        self.conversation = make_conversation(scope, unit)
        with acting_for(scope):
            self.id = conversations.reply(scope, self.conversation.id, text=text).message.id
            with atomic():
                self.proposed_id = scope.get(Message, self.id).proposed_id
                self._put(MessageStatus.SENDING)

    def _put(self, status: MessageStatus, error_code: str | None = None) -> None:
        this = self.scope.update(Message).where(Message.id == self.id)
        db.session.execute(this.values(status=status, sending_at=now(), error_code=error_code))
        lane = self.scope.update(Lane).where(Lane.unit_id == self.unit.id)
        db.session.execute(lane.values(message_id=self.id if status == MessageStatus.SENDING else None))

    def change(self, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            this = self.scope.update(Message).where(Message.id == self.id)
            db.session.execute(this.values(columns).execution_options(synchronize_session=False))

    def doubt(self) -> None:
        with acting_for(self.scope), atomic():
            self._put(MessageStatus.UNCONFIRMED, "timed_out")

    def answer(self, external_id: str) -> None:
        claimed = ClaimedMessage(
            id=self.id,
            tenant_id=self.scope.tenant_id,
            unit_id=self.unit.id,
            server_id=uuid4(),
            conversation_id=self.conversation.id,
            contact_id=self.conversation.contact_id,
            instance_name=NAME,
            number="5511999990002",
            text="Olá",
            message_id=self.proposed_id or "",
            media_id=None,
            is_cold=False,
            is_test=False,
            sending_at=now(),
            start_at=0.0,
        )
        record(claimed, SentMessage(external_id=external_id, jid=MARIA))


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


def test_what_somebody_writes_on_the_phone_is_no_echo_of_a_test(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    in_flight.change(is_test=True)

    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=this_minute())))

    told = {(m.id == in_flight.id, m.status, m.external_id) for m in rows(Message)}
    assert told == {(True, MessageStatus.SENDING, None), (False, MessageStatus.SENT, ID)}


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


OTHER_ID = "3EB00123456789ABCDEF02"


def stands(rows: Rows) -> dict[UUID, tuple[MessageStatus, str | None]]:
    return {m.id: (m.status, m.external_id) for m in rows(Message)}


@pytest.fixture
def equals(scope: TenantScope, unit: Unit) -> tuple[InFlight, InFlight]:
    """A send in doubt, and a later one of the same text to the same person, to which there is no answer yet."""
    earlier = InFlight(scope, unit, "Olá")
    earlier.doubt()
    earlier.change(sending_at=now() - timedelta(seconds=60))
    return earlier, InFlight(scope, unit, "Olá")


def test_an_echo_belongs_to_the_nearest_of_two_equal_sends(
    equals: tuple[InFlight, InFlight], evolution: Evolution, rows: Rows
) -> None:
    earlier, later = equals

    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=this_minute())))

    assert stands(rows) == {earlier.id: (MessageStatus.UNCONFIRMED, None), later.id: (MessageStatus.SENT, ID)}


def test_a_late_echo_belongs_to_the_send_of_its_time(
    equals: tuple[InFlight, InFlight], evolution: Evolution, rows: Rows
) -> None:
    earlier, later = equals

    evolution.tell(("messages.upsert", echo(ID, "Olá", messageTimestamp=this_minute() - 58)))

    assert stands(rows) == {earlier.id: (MessageStatus.SENT, ID), later.id: (MessageStatus.SENDING, None)}


def test_an_echo_that_went_to_the_wrong_of_two_equal_sends_is_put_right_by_the_answer(
    equals: tuple[InFlight, InFlight], evolution: Evolution, rows: Rows
) -> None:
    earlier, later = equals
    late = this_minute() - 58
    evolution.tell(
        ("send.message", echo(ID, "Olá", messageTimestamp=late)), ("messages.update", receipt(ID, "DELIVERY_ACK"))
    )

    later.answer(ID)

    assert stands(rows) == {earlier.id: (MessageStatus.UNCONFIRMED, None), later.id: (MessageStatus.DELIVERED, ID)}
    doubtful, arrived = rows(Message)
    assert (doubtful.sent_at, doubtful.accepted_at, doubtful.delivered_at) == (None, None, None)
    assert doubtful.look_up_at is not None
    assert arrived.delivered_at is not None


def test_the_send_that_is_in_doubt_again_is_settled_by_its_own_echo(
    equals: tuple[InFlight, InFlight], evolution: Evolution, rows: Rows
) -> None:
    earlier, later = equals
    late = this_minute() - 58
    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=late)))
    later.answer(ID)

    evolution.tell(("send.message", echo(OTHER_ID, "Olá", messageTimestamp=late)))

    assert stands(rows) == {earlier.id: (MessageStatus.SENT, OTHER_ID), later.id: (MessageStatus.SENT, ID)}


# As they come with a number that is copied from a list of contacts, or from a terminal.
@pytest.mark.parametrize("mark", ["\u202a", "\u200e", "\x0b", "\r", "\x7f"], ids=ascii)
def test_an_echo_without_the_marks_that_nobody_sees_is_the_same_message(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows, mark: str
) -> None:
    in_flight = InFlight(scope, unit, f"Ligue {mark}+55 11 3000-0000")
    in_flight.doubt()

    evolution.tell(("send.message", echo(ID, "Ligue +55 11 3000-0000", messageTimestamp=this_minute())))

    assert stands(rows) == {in_flight.id: (MessageStatus.SENT, ID)}


def test_an_echo_with_the_marks_that_nobody_sees_is_the_same_message(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    in_flight = InFlight(scope, unit, "Olá \u200eMaria")
    in_flight.doubt()

    evolution.tell(("send.message", echo(ID, "Olá \u200eMaria", messageTimestamp=this_minute())))

    assert stands(rows) == {in_flight.id: (MessageStatus.SENT, ID)}


def test_an_echo_finds_a_message_that_a_person_noted_as_arrived(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    in_flight.doubt()
    with acting_for(in_flight.scope):
        undelivered.decide(in_flight.scope, Decision.ARRIVED, [in_flight.id])

    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=this_minute())))

    assert stands(rows) == {in_flight.id: (MessageStatus.SENT, ID)}


def test_where_our_id_is_kept_an_echo_under_another_is_another_message(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    in_flight.doubt()
    in_flight.change(is_id_kept=True)

    evolution.tell(("send.message", echo(ID, "Olá", messageTimestamp=this_minute())))

    assert stands(rows)[in_flight.id] == (MessageStatus.UNCONFIRMED, None)
    assert [(m.external_id, m.source) for m in rows(Message) if m.id != in_flight.id] == [(ID, MessageSource.PHONE)]


def test_our_own_id_settles_a_doubt_under_an_address_we_did_not_know(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    in_flight.doubt()
    in_flight.change(is_id_kept=True)
    own_id = in_flight.proposed_id or ""

    evolution.tell(("send.message", echo(own_id, "Olá", chat=MARIA_LID, messageTimestamp=this_minute())))

    assert stands(rows) == {in_flight.id: (MessageStatus.SENT, own_id)}


def test_our_own_id_in_another_unit_settles_nothing(
    scope: TenantScope, in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    in_flight.doubt()
    other = make_connected_unit(scope, "praia", phone="5511999990007")
    in_flight.change(unit_id=other.id)

    evolution.tell(("send.message", echo(in_flight.proposed_id or "", "Oi", messageTimestamp=this_minute())))

    assert stands(rows)[in_flight.id] == (MessageStatus.UNCONFIRMED, None)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (MessageKind.DOCUMENT, {"documentMessage": {"fileName": "boleto.pdf"}}),
        (MessageKind.IMAGE, {"imageMessage": {"mimetype": "image/jpeg"}}),
    ],
)
def test_a_file_without_a_text_is_recognised_by_its_kind(
    in_flight: InFlight, evolution: Evolution, rows: Rows, kind: MessageKind, content: dict[str, Any]
) -> None:
    with acting_for(in_flight.scope), atomic():
        media_id = media.store(in_flight.scope, media.check(Upload("boleto.pdf", PDF)))
    in_flight.doubt()
    in_flight.change(kind=kind, body="", media_id=media_id)
    told = {"messageType": next(iter(content)), "message": content, "messageTimestamp": this_minute()}

    evolution.tell(("send.message", echo(ID, "", **told)))

    assert stands(rows) == {in_flight.id: (MessageStatus.SENT, ID)}


@pytest.mark.parametrize("status", ["SERVER_ACK", "DELIVERY_ACK", "READ"])
def test_a_receipt_before_the_answer_is_kept_for_it(
    in_flight: InFlight, evolution: Evolution, rows: Rows, status: str
) -> None:
    evolution.tell(("messages.update", receipt(ID, status)))
    in_flight.answer(ID)

    message = rows(Message)[0]
    assert message.external_id == ID
    assert message.accepted_at is not None
    assert (message.delivered_at is not None) == (status != "SERVER_ACK")
    assert (message.read_at is not None) == (status == "READ")


def test_an_echo_in_another_form_of_the_number_is_the_same_message(
    in_flight: InFlight, evolution: Evolution, rows: Rows
) -> None:
    in_flight.doubt()

    evolution.tell(
        ("send.message", echo(ID, "Olá", chat="551199990002@s.whatsapp.net", messageTimestamp=this_minute()))
    )

    assert stands(rows) == {in_flight.id: (MessageStatus.SENT, ID)}
