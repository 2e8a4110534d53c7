"""Edits and deletions of our own messages: sent once, refused in words, and shown as soon as they were made."""

from datetime import timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.db import db
from portal.evolution import errors
from portal.models import CHANGES, Contact, Direction, Message, MessageChange, MessageKind, MessageStatus
from portal.outbox import lanes, servers
from portal.outbox.relay import OutboxRelay
from portal.services import changing, undelivered
from portal.services.undelivered import Decision
from portal.tenancy import TenantScope, acting_for, tenant_transaction
from tests.evolution.conftest import said
from tests.evolution.little_servers import Asked, Scripted
from tests.factories import make_message
from tests.outbox.conftest import FINISH_S, Shop, rows_of
from tests.outbox.sending import OWNER

pytestmark = pytest.mark.commits

MARIA = "5511999990002@s.whatsapp.net"
KEY = {"id": "3EB0A", "remoteJid": MARIA, "fromMe": True}
TOLD_MS = 1_761_055_330_000


def made(text: str = "") -> dict[str, Any]:
    """The answer to a change that was made."""
    protocol = {
        "key": KEY,
        "type": 14,
        "editedMessage": {"extendedTextMessage": {"text": text}},
        "timestampMs": TOLD_MS,
    }
    key = {"remoteJid": MARIA, "fromMe": True, "id": "3EB00123456789ABCDEF01"}
    return {"key": key, "message": {"protocolMessage": protocol if text else {"key": KEY, "type": 0}}}


def answer(scripted: Scripted, status: int, body: object, *, stored_as: str | None = None) -> None:
    """Evolution is asked under which address it stored the message, and then to change it."""
    records = [{"key": {"remoteJid": stored_as, "fromMe": True, "id": "3EB0A"}}] if stored_as else []
    scripted.answer(200, {"messages": {"total": len(records), "pages": 1, "records": records}})
    scripted.answer(status, body)


def asked_of(scripted: Scripted) -> list[Asked]:
    """What was asked but for where the message is."""
    return [asked for asked in scripted.asked if not asked.path.startswith("/chat/findMessages/")]


@pytest.fixture
def target(shop: Shop) -> Message:
    ours = {"direction": Direction.OUTBOUND, "external_id": "3EB0A", "sent_at": now()}
    return make_message(shop.scope, shop.conversation, body="Fechamos às 18h", **ours)


def edit(shop: Shop, target: Message, text: str = "Fechamos às 19h") -> None:
    with acting_for(shop.scope):
        changing.edit(shop.scope, target.id, text=text)


def delete(shop: Shop, target: Message) -> None:
    with acting_for(shop.scope):
        changing.delete(shop.scope, target.id)


def changes_of(shop: Shop) -> list[Message]:
    return [message for message in rows_of(Message) if message.kind in CHANGES]


def send(relay: OutboxRelay) -> None:
    relay.drain()
    assert relay.finish(FINISH_S)


def test_an_edit_is_sent_once_and_shown(scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay) -> None:
    answer(scripted, 200, made("Fechamos às 19h"))
    edit(shop, target)

    send(relay)
    send(relay)

    [asked] = asked_of(scripted)
    assert (asked.method, asked.path.rsplit("/", 1)[0]) == ("POST", "/chat/updateMessage")
    assert asked.body == {"number": MARIA, "key": KEY, "text": "Fechamos às 19h"}
    [change], message = changes_of(shop), shop.message(target.id)
    assert (change.status, change.external_id) == (MessageStatus.SENT, "3EB00123456789ABCDEF01")
    assert (message.body, message.original_body) == ("Fechamos às 19h", "Fechamos às 18h")
    # By WhatsApp's own time, so that the echo is the same change.
    [kept] = rows_of(MessageChange)
    assert (kept.told_as, kept.changed_at) == (str(TOLD_MS), message.edited_at)
    assert shop.lane().message_id is None


def test_a_deletion_is_sent_once_and_shown(scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay) -> None:
    answer(scripted, 201, made())
    delete(shop, target)

    send(relay)

    [asked] = asked_of(scripted)
    assert (asked.method, asked.path.rsplit("/", 1)[0]) == ("DELETE", "/chat/deleteMessageForEveryone")
    assert asked.body == KEY
    message = shop.message(target.id)
    assert (message.deleted_at is not None, message.body) == (True, "Fechamos às 18h")
    assert [change.status for change in changes_of(shop)] == [MessageStatus.SENT]


def test_an_edit_whose_answer_tells_no_time_is_newer_than_all_before(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    for id_ in ("3EB01", "3EB02"):
        answer(scripted, 200, {"key": {"remoteJid": MARIA, "fromMe": True, "id": id_}})
    for text in ("Fechamos às 19h", "Fechamos às 20h"):
        edit(shop, target, text)
        send(relay)

    message = shop.message(target.id)
    assert (message.body, message.original_body) == ("Fechamos às 20h", "Fechamos às 18h")


def test_a_change_goes_to_the_address_that_whatsapp_confirmed(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    answer(scripted, 200, made("Fechamos às 19h"))
    with tenant_transaction(shop.scope):
        this = shop.scope.update(Contact).where(Contact.id == shop.conversation.contact_id)
        db.session.execute(this.values(whatsapp_number="551199990002"))
    edit(shop, target)

    send(relay)

    body, address = asked_of(scripted)[0].body, "551199990002@s.whatsapp.net"
    assert (body["number"], body["key"]["remoteJid"]) == (address, address)


def test_a_change_goes_to_the_address_under_which_evolution_has_the_message(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    """One that was written on the phone is often stored under a LID."""
    lid = "123456789012345@lid"
    answer(scripted, 200, made("Fechamos às 19h"), stored_as=lid)
    edit(shop, target)

    send(relay)

    assert scripted.asked[0].body["where"] == {"key": {"id": "3EB0A"}}
    body = asked_of(scripted)[0].body
    assert (body["number"], body["key"]) == (lid, {**KEY, "remoteJid": lid})


def test_where_a_message_is_need_not_be_known(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    scripted.answer(502, "<html></html>")
    scripted.answer(201, made())
    delete(shop, target)

    send(relay)

    assert asked_of(scripted)[0].body == KEY
    assert shop.message(target.id).deleted_at is not None


def test_a_change_waits_while_evolution_is_away(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    scripted.answer(500, said(500, "Cannot read properties of undefined (reading 'fetchMessages')"))
    delete(shop, target)

    send(relay)

    assert asked_of(scripted) == []
    assert [change.status for change in changes_of(shop)] == [MessageStatus.QUEUED]


REFUSALS = {
    "not_stored": ("Message not compatible", errors.NOT_EDITABLE),
    "other_address": ("RemoteJid does not match", errors.OTHER_ADDRESS),
    "too_late": ("Message is older than 15 minutes", errors.TOO_LATE),
}


@pytest.mark.parametrize(("words", "code"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_edit_fails_and_says_why(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay, words: str, code: str
) -> None:
    answer(scripted, 400, said(400, [words]))
    edit(shop, target)

    send(relay)

    [change] = changes_of(shop)
    assert (change.status, change.error_code) == (MessageStatus.FAILED, code)
    assert shop.message(target.id).body == "Fechamos às 18h"


def test_a_change_that_may_have_been_made_is_in_doubt_and_not_sent_again(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    answer(scripted, 500, said(500, ["Error while deleting message for everyone", "Error: Timed Out"]))
    delete(shop, target)

    send(relay)
    send(relay)

    assert [change.status for change in changes_of(shop)] == [MessageStatus.UNCONFIRMED]
    assert (shop.message(target.id).deleted_at, len(asked_of(scripted))) == (None, 1)


def test_a_change_in_doubt_is_sent_again_on_a_persons_word(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    answer(scripted, 400, said(400, ["Error: Timed Out"]))
    answer(scripted, 200, made("Fechamos às 19h"))
    edit(shop, target)
    send(relay)

    with acting_for(shop.scope):
        undelivered.decide(shop.scope, Decision.SEND_AGAIN, [changes_of(shop)[0].id])
    send(relay)

    assert len(asked_of(scripted)) == 2
    assert shop.message(target.id).body == "Fechamos às 19h"
    # The first was the same: what the second made, the first may have made before.
    assert [change.status for change in changes_of(shop)] == [MessageStatus.SENT] * 2


@pytest.mark.parametrize(("change", "age"), [(edit, changing.EDITABLE_FOR), (delete, changing.DELETABLE_FOR)])
def test_a_change_that_comes_too_late_is_not_sent(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay, change: Any, age: timedelta
) -> None:
    """WhatsApp would take it, and every phone ignore it."""
    change(shop, target)
    shop.change_message(target.id, sent_at=now() - age)

    send(relay)

    [late] = changes_of(shop)
    assert (late.status, late.error_code, scripted.asked) == (MessageStatus.FAILED, errors.TOO_LATE, [])


def test_a_change_that_waited_too_long_says_so_in_its_own_words(shop: Shop, target: Message) -> None:
    edit(shop, target)
    shop.reply()
    for message in rows_of(Message):
        if message.status == MessageStatus.QUEUED:
            shop.change_message(message.id, expires_at=now() - timedelta(seconds=1))

    lanes.expire()

    failed = [(one.kind, one.error_code) for one in rows_of(Message) if one.status == MessageStatus.FAILED]
    assert failed == [(MessageKind.EDIT, errors.TOO_LATE), (MessageKind.TEXT, lanes.EXPIRED)]


def test_a_change_of_what_is_gone_fails_and_says_so(
    scripted: Scripted, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    edit(shop, target)
    shop.change_message(target.id, deleted_at=now())

    send(relay)

    [change] = changes_of(shop)
    assert (change.status, change.error_code, scripted.asked) == (MessageStatus.FAILED, errors.TARGET_GONE, [])


def test_a_server_that_keeps_our_ids_keeps_none_of_a_change(shop: Shop, target: Message) -> None:
    edit(shop, target)
    server_ids = [server.id for server in servers.list_servers()]

    [claimed] = lanes.claim(OWNER, free=dict.fromkeys(server_ids, 10), keeping_ids=server_ids)

    assert (claimed.kind, claimed.text, claimed.refers_to) == (MessageKind.EDIT, "Fechamos às 19h", "3EB0A")
    assert [change.is_id_kept for change in changes_of(shop)] == [False]


def test_scopes_keep_changes_apart(
    scripted: Scripted, scope: TenantScope, shop: Shop, target: Message, relay: OutboxRelay
) -> None:
    """Another unit has a message of the same id: WhatsApp's ids are not the world's."""
    other = Shop(scope, "norte", phone="5511999990003")
    theirs = {"direction": Direction.OUTBOUND, "external_id": "3EB0A", "sent_at": now()}
    same_id = make_message(scope, other.conversation, body="Outra", **theirs)
    answer(scripted, 201, made())
    delete(shop, target)

    send(relay)

    assert (shop.message(target.id).deleted_at is None, shop.message(same_id.id).deleted_at) == (False, None)
