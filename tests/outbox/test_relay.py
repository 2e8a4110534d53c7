"""Sending: each answer of Evolution as it ends on the row, and how much is in flight at once."""

import base64
import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from portal.db import atomic, db
from portal.evolution import errors
from portal.models import EvolutionServer, MessageStatus, Relay
from portal.outbox import gates, lanes, outcomes, owners
from portal.outbox import relay as relay_module
from portal.outbox.relay import OutboxRelay
from portal.services import conversations
from portal.services.media import Upload
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.evolution.conftest import said
from tests.evolution.little_servers import Scripted, closed_port, read_request, talking
from tests.factories import make_server
from tests.files import PDF
from tests.outbox.conftest import FINISH_S, Shop, rows_of
from tests.outbox.desk import KEY
from tests.outbox.sending import SENT_BODY

pytestmark = pytest.mark.commits


ANSWERS = {
    "sent": (201, SENT_BODY, MessageStatus.SENT, None, 0),
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
    scripted.answer(201, SENT_BODY)
    shop = Shop(scope)
    message_id = shop.reply()
    with monkeypatch.context() as broken:
        broken.setattr(outcomes, "record", _fail)
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
    monkeypatch.setattr(gates, "MOST_IN_FLIGHT", 1)
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


@pytest.fixture
def with_file(scripted: Scripted, scope: TenantScope) -> tuple[Shop, UUID]:
    """A message that carries a file."""
    scripted.answer(201, SENT_BODY)
    shop = Shop(scope)
    with acting_for(scope):
        upload = Upload("boleto.pdf", PDF)
        queued = conversations.reply(scope, shop.conversation.id, text="O boleto", upload=upload)
    return shop, queued.message.id


def test_a_file_is_sent_with_its_content_and_its_text(
    scripted: Scripted, with_file: tuple[Shop, UUID], relay: OutboxRelay
) -> None:
    shop, message_id = with_file

    relay.drain()
    assert relay.finish(FINISH_S)

    asked = scripted.asked[0]
    assert asked.path.startswith("/message/sendMedia/")
    assert base64.b64decode(asked.body["media"]) == PDF
    assert (asked.body["caption"], asked.body["fileName"]) == ("O boleto", "boleto.pdf")
    assert shop.message(message_id).status == MessageStatus.SENT


def test_a_file_that_cannot_be_read_has_surely_not_left(
    scripted: Scripted, with_file: tuple[Shop, UUID], relay: OutboxRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, message_id = with_file

    def away(*args: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    monkeypatch.setattr(lanes, "load_media", away)
    relay.drain()
    assert relay.finish(FINISH_S)

    message = shop.message(message_id)
    assert (message.status, message.error_code) == (MessageStatus.QUEUED, errors.PREPARING_FAILED)
    assert scripted.asked == []


def test_each_servers_version_decides_whether_our_ids_are_kept(
    scripted: Scripted, scope: TenantScope, relay: OutboxRelay
) -> None:
    scripted.answer(201, SENT_BODY)
    newer_id = make_server(url=scripted.url + "/newer", key=KEY).id
    with across_tenants("a test tells versions"), atomic():
        db.session.get_one(EvolutionServer, newer_id).version = "2.4.0"
    old, new = Shop(scope, "velha"), Shop(scope, "nova", phone="5511999990003", server_id=newer_id)
    sent = [shop.reply() for shop in (old, new)]

    relay.drain()
    assert relay.finish(FINISH_S)

    assert [shop.message(id_).is_id_kept for shop, id_ in zip((old, new), sent, strict=True)] == [False, True]
