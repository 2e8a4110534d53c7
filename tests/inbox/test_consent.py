"""Who wants no more messages, as it comes in by webhooks: in any order, repeated, late, and at any unit."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.inbox import relay
from portal.models import (
    Connection,
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    Conversation,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
    Repair,
    RepairKind,
    Unit,
    WebhookEvent,
)
from portal.services import tenant_settings
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_message
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, message

Rows = Callable[..., list[Any]]
GROUP = "120363000000000011@g.us"
News = tuple[str, dict[str, Any]]


def wrote(text: str, *, ago_s: int = 60, id_: str | None = None, **more: Any) -> News:
    """Maria's message of so many seconds ago."""
    at = int(now().timestamp()) - ago_s
    return "messages.upsert", message(id_ or f"3A{at:018d}", text, messageTimestamp=at, **more)


def answers(rows: Rows) -> list[Message]:
    return [one for one in rows(Message) if one.source == MessageSource.AUTOMATIC]


@pytest.fixture
def maria(unit: Unit, evolution: Evolution, rows: Rows) -> Callable[[], Contact]:
    """The contact as it now is, who has written before."""
    evolution.tell(wrote("Bom dia", ago_s=7_200))
    return lambda: rows(Contact)[0]


def test_opt_out_is_noted_with_its_evidence(maria: Callable[[], Contact], evolution: Evolution, rows: Rows) -> None:
    evolution.tell(wrote("SAIR"))

    said = next(one for one in rows(Message) if one.body == "SAIR")
    (event,) = rows(ConsentEvent)
    assert maria().opted_out_at == said.occurred_at
    assert (event.kind, event.source, event.words) == (ConsentKind.OPTED_OUT, ConsentSource.MESSAGE, "SAIR")
    assert (event.contact_id, event.unit_id, event.message_id) == (maria().id, said.unit_id, said.id)
    assert event.happened_at == said.occurred_at


@pytest.mark.usefixtures("maria")
def test_opt_out_is_answered_at_once_and_automatically(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(wrote("sair"))

    (answer,) = answers(rows)
    assert (answer.status, answer.is_cold, answer.sent_by_id) == (MessageStatus.QUEUED, False, None)
    assert "escrever VOLTAR" in answer.body
    assert rows(Lane)[0].has_work
    assert rows(Conversation)[0].last_message_preview == answer.body


@pytest.mark.usefixtures("maria")
def test_repeated_delivery_is_noted_and_answered_once(evolution: Evolution, rows: Rows) -> None:
    news = wrote("sair")

    evolution.tell(news, news)
    evolution.tell(news)
    evolution.replay()

    assert (len(rows(ConsentEvent)), len(answers(rows))) == (1, 1)


@pytest.mark.usefixtures("maria")
def test_second_opt_out_is_evidence_and_gets_no_second_answer(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(wrote("sair", ago_s=50))
    evolution.tell(wrote("não quero mais receber mensagens", ago_s=40))

    assert (len(rows(ConsentEvent)), len(answers(rows))) == (2, 1)


def test_opt_in_after_an_opt_out_is_answered_as_such(
    maria: Callable[[], Contact], evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(wrote("sair", ago_s=50))
    evolution.tell(wrote("Voltar", ago_s=40))

    assert maria().opted_out_at is None
    assert [event.kind for event in rows(ConsentEvent)] == [ConsentKind.OPTED_OUT, ConsentKind.OPTED_IN]
    assert [("de volta" in answer.body) for answer in answers(rows)] == [False, True]


def test_opt_in_word_of_somebody_who_never_opted_out_does_nothing(
    maria: Callable[[], Contact], evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(wrote("voltar"))

    assert (maria().opted_out_at, rows(ConsentEvent), answers(rows)) == (None, [], [])


SAID = {
    "out": ("sair", 50),
    "in": ("voltar", 40),
    "out again": ("pare", 30),
    "in again": ("quero receber", 20),
}


@pytest.mark.parametrize("is_batch", [True, False], ids=["together", "one_by_one"])
@pytest.mark.parametrize("order", list(permutations(["out", "in", "out again"])), ids="-".join)
def test_newest_wish_decides_in_whatever_order_they_come(
    maria: Callable[[], Contact], evolution: Evolution, order: tuple[str, ...], is_batch: bool
) -> None:
    news = {name: wrote(text, ago_s=ago_s) for name, (text, ago_s) in SAID.items()}

    for together in [list(order)] if is_batch else [[name] for name in order]:
        evolution.tell(*(news[name] for name in together))
    is_out_first = maria().opted_out_at is not None
    evolution.tell(news["in again"])

    assert (is_out_first, maria().opted_out_at) == (True, None)


@pytest.mark.usefixtures("maria")
def test_opt_out_that_was_taken_back_before_it_was_heard_is_not_answered(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(wrote("voltar", ago_s=40))
    evolution.tell(wrote("sair", ago_s=50))

    assert (len(rows(ConsentEvent)), answers(rows)) == (2, [])


def test_opt_out_holds_at_every_unit_and_is_answered_where_it_was_written(
    scope: TenantScope, maria: Callable[[], Contact], evolution: Evolution, rows: Rows
) -> None:
    other = make_connected_unit(scope, "praia", instance_name="unit_praia", phone="5511999990009")
    event, data = wrote("sair")
    evolution.post(event, data, instance="unit_praia")
    relay.drain()

    assert maria().opted_out_at is not None
    assert [answer.unit_id for answer in answers(rows)] == [other.id]


def test_history_counts_and_is_not_answered(maria: Callable[[], Contact], evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.set", [wrote("sair")[1]]))

    assert maria().opted_out_at is not None
    assert answers(rows) == []


@pytest.mark.parametrize(
    ("ago", "are_answered"),
    [(timedelta(hours=23), True), (timedelta(hours=25), False)],
    ids=["younger than a day", "older than a day"],
)
def test_message_found_in_a_hole_is_answered_while_it_is_young(
    unit: Unit, scope: TenantScope, evolution: Evolution, rows: Rows, ago: timedelta, are_answered: bool
) -> None:
    evolution.post(*wrote("sair", ago_s=int(ago.total_seconds())))
    with acting_for(scope), atomic():
        hole = scope.add(Repair(unit_id=unit.id, kind=RepairKind.HOLE, before="", after=""))
        db.session.flush()
        db.session.execute(
            scope.update(WebhookEvent).values(repair_id=hole.id).execution_options(synchronize_session=False)
        )
    relay.drain()

    assert rows(Contact)[0].opted_out_at is not None
    assert bool(answers(rows)) is are_answered


def test_what_is_written_in_a_group_is_nobodys_wish(
    unit: Unit, scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Unit).values(keeps_groups=True))
    event, data = wrote("sair", chat=GROUP)
    data["key"]["participant"] = MARIA

    evolution.tell((event, data))

    assert [one.body for one in rows(Message)] == ["sair"]
    assert (rows(ConsentEvent), answers(rows)) == ([], [])


@pytest.mark.usefixtures("maria")
def test_what_we_write_on_the_phone_is_no_wish(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(wrote("sair", from_me=True))

    assert (rows(ConsentEvent), rows(Contact)[0].opted_out_at) == ([], None)


def test_pressed_button_counts_as_what_stands_on_it(maria: Callable[[], Contact], evolution: Evolution) -> None:
    pressed = {"buttonsResponseMessage": {"selectedDisplayText": "Parar", "selectedButtonId": "stop"}}

    evolution.tell(wrote("", message=pressed, messageType="buttonsResponseMessage"))

    assert maria().opted_out_at is not None


def test_forwarded_words_are_somebody_elses(maria: Callable[[], Contact], evolution: Evolution, rows: Rows) -> None:
    forwarded = {"extendedTextMessage": {"text": "sair", "contextInfo": {"isForwarded": True}}}

    evolution.tell(wrote("", message=forwarded, messageType="extendedTextMessage"))

    assert maria().opted_out_at is None
    assert rows(Conversation)[0].doubted_at is not None


@pytest.mark.usefixtures("maria")
def test_doubt_flags_the_conversation_and_does_nothing_else(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(wrote("tem como parar a dor?"))

    asked = next(one for one in rows(Message) if one.body.startswith("tem como"))
    conversation = rows(Conversation)[0]
    assert (conversation.doubted_at, conversation.doubted_message_id) == (asked.occurred_at, asked.id)
    assert (rows(ConsentEvent), answers(rows), rows(Contact)[0].opted_out_at) == ([], [], None)


@pytest.mark.usefixtures("maria")
@pytest.mark.parametrize("is_reversed", [False, True], ids=["in order", "the older one late"])
def test_newest_doubt_is_the_one_to_settle(evolution: Evolution, rows: Rows, is_reversed: bool) -> None:
    news = [wrote("quero cancelar", ago_s=50), wrote("chega", ago_s=40)]

    for one in reversed(news) if is_reversed else news:
        evolution.tell(one)

    doubted = next(one for one in rows(Message) if one.body == "chega")
    assert rows(Conversation)[0].doubted_message_id == doubted.id


@pytest.mark.usefixtures("maria")
@pytest.mark.parametrize("is_doubt_first", [True, False], ids=["before", "afterwards"])
def test_whoever_opted_out_leaves_no_doubt(evolution: Evolution, rows: Rows, is_doubt_first: bool) -> None:
    news = [wrote("chega", ago_s=50), wrote("sair", ago_s=40)]

    for one in news if is_doubt_first else reversed(news):
        evolution.tell(one)

    assert rows(Conversation)[0].doubted_at is None


@pytest.mark.usefixtures("maria")
def test_doubts_of_long_ago_are_left_alone(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.set", [wrote("chega")[1]]))

    assert rows(Conversation)[0].doubted_at is None


def test_opt_out_holds_where_no_answer_can_be_queued(
    maria: Callable[[], Contact], scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Connection).values(connected_at=None))

    evolution.tell(wrote("sair"))

    assert maria().opted_out_at is not None
    assert answers(rows) == []
    assert {event.state for event in evolution.events()} == {"done"}


def test_company_decides_on_words_and_answers(
    maria: Callable[[], Contact], scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    with acting_for(scope):
        tenant_settings.change_consent(
            scope, opt_out_words="me esqueçam", opt_in_words="lembrem", opt_out_answer="", opt_in_answer="Oi de novo"
        )

    evolution.tell(wrote("Me esqueçam!", ago_s=50))
    is_out = maria().opted_out_at is not None
    evolution.tell(wrote("lembrem", ago_s=40))

    assert (is_out, maria().opted_out_at) == (True, None)
    assert [answer.body for answer in answers(rows)] == ["Oi de novo"]


@pytest.mark.usefixtures("maria")
def test_campaign_messages_that_wait_are_taken_back_with_the_opt_out(
    scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    conversation = rows(Conversation)[0]
    for source in (MessageSource.CAMPAIGN, MessageSource.API):
        make_message(scope, conversation, body=source, direction="outbound", status=MessageStatus.QUEUED, source=source)

    evolution.tell(wrote("sair"))

    waiting = {one.body: (one.status, one.error_code) for one in rows(Message) if one.body in ("campaign", "api")}
    assert waiting == {"campaign": ("cancelled", "opted_out"), "api": ("queued", None)}
