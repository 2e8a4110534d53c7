"""Sending: each answer of Evolution as it ends on the row, and how much is in flight at once."""

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from portal.evolution import errors
from portal.models import MessageStatus, Relay
from portal.outbox import owners
from portal.outbox import relay as relay_module
from portal.outbox.relay import OutboxRelay
from portal.tenancy import TenantScope
from tests.evolution.little_servers import Scripted, closed_port, read_request, talking
from tests.outbox.conftest import Shop, rows_of

pytestmark = pytest.mark.commits

SENT = {"key": {"remoteJid": "551199990002@s.whatsapp.net", "fromMe": True, "id": "3EB00123456789ABCDEF01"}}
FINISH_S = 10.0


@pytest.fixture
def relay(app: Flask, database: None) -> Iterator[OutboxRelay]:
    relay = OutboxRelay(app.app_context, owners.new_owner())
    yield relay
    assert relay.finish(FINISH_S)


def said(status: int, message: object) -> dict[str, object]:
    return {"status": status, "error": "Error", "response": {"message": message}}


ANSWERS = {
    "sent": (201, SENT, MessageStatus.SENT, None, 0),
    "key_refused": (401, said(401, "Unauthorized"), MessageStatus.QUEUED, None, 0),
    "unit_away": (500, said(500, "Connection Closed"), MessageStatus.QUEUED, None, 0),
    "slow_check": (500, said(500, "Timed Out"), MessageStatus.QUEUED, errors.TIMED_OUT, 1),
    "not_on_whatsapp": (400, said(400, [{"exists": False}]), MessageStatus.FAILED, errors.NOT_ON_WHATSAPP, 1),
    "slow_write": (400, said(400, ["Error: Timed Out"]), MessageStatus.UNCONFIRMED, errors.TIMED_OUT, 0),
    "gateway": (502, "Bad Gateway", MessageStatus.UNCONFIRMED, errors.UNCLEAR, 0),
}


@pytest.mark.parametrize(("status", "body", "outcome", "code", "attempts"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_ends_on_the_row(
    scripted: Scripted,
    scope: TenantScope,
    relay: OutboxRelay,
    status: int,
    body: object,
    outcome: MessageStatus,
    code: str | None,
    attempts: int,
) -> None:
    scripted.answer(status, body)
    shop = Shop(scope)
    message_id = shop.reply("Bom dia")

    relay.drain()
    assert relay.finish(FINISH_S)

    message = shop.message(message_id)
    assert (message.status, message.error_code, message.retry_count) == (outcome, code, attempts)
    assert [asked.body["text"] for asked in scripted.asked] == ["Bom dia"]
    assert scripted.asked[0].body["messageId"] == message.proposed_id
    assert shop.lane().message_id is None


def test_a_message_whose_worker_cannot_note_the_outcome_is_in_doubt(
    scripted: Scripted, scope: TenantScope, relay: OutboxRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answer(201, SENT)
    shop = Shop(scope)
    message_id = shop.reply()
    with monkeypatch.context() as broken:
        broken.setattr(relay_module.lanes, "record_sent", _fail)
        relay.drain()
        assert relay.finish(FINISH_S)
    monkeypatch.setattr(relay_module, "SETTLE_S", -1.0)

    relay.drain()

    assert shop.message(message_id).status == MessageStatus.UNCONFIRMED
    assert len(scripted.asked) == 1


def _fail(*args: object) -> None:
    raise RuntimeError("the database is away")


def test_no_more_is_claimed_than_there_are_free_threads(
    app: Flask, scope: TenantScope, point_to: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "SENDERS", 1)
    freed, may_end = threading.Event(), threading.Event()
    relay = OutboxRelay(app.app_context, owners.new_owner(), on_free=freed.set)
    with talking(lambda connection: (read_request(connection), may_end.wait(FINISH_S))) as url:
        point_to(url)
        shops = [Shop(scope, f"loja-{number}", phone=f"551199999000{number}") for number in range(2)]
        waiting = [shop.reply() for shop in shops]
        first, second = relay.drain(), relay.drain()
        held = [shop.message(message_id).status for shop, message_id in zip(shops, waiting, strict=True)]
        may_end.set()
        assert relay.finish(FINISH_S)

    assert (first, second) == (0.0, None)
    assert sorted(held) == [MessageStatus.QUEUED, MessageStatus.SENDING]
    assert freed.is_set()


def test_nothing_to_do_is_said_so(relay: OutboxRelay, point_to: Callable[..., None]) -> None:
    point_to(f"http://127.0.0.1:{closed_port()}")

    assert relay.drain() is None
    assert rows_of(Relay) == []
