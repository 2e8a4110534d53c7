"""Answers with a quote, and reactions: sent once, about the right message, and what becomes of them."""

from uuid import UUID

import pytest

from portal.clock import now
from portal.db import db
from portal.evolution import errors
from portal.models import Contact, ContactKind, Conversation, Direction, Message, MessageKind, MessageStatus
from portal.outbox import lanes, servers
from portal.outbox.relay import OutboxRelay
from portal.services import conversations, reactions, undelivered
from portal.services.media import Upload
from portal.services.undelivered import Decision
from portal.tenancy import TenantScope, acting_for, tenant_transaction
from tests.evolution.conftest import said
from tests.evolution.little_servers import Scripted
from tests.factories import make_message
from tests.files import PDF
from tests.outbox.conftest import FINISH_S, Shop, rows_of
from tests.outbox.sending import OWNER, SENT_BODY

pytestmark = pytest.mark.commits

MARIA = "5511999990002@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
TIMED_OUT = said(400, ["Error: Timed Out"])


@pytest.fixture
def taken(scripted: Scripted) -> Scripted:
    """An Evolution that takes everything."""
    scripted.answer(201, SENT_BODY)
    return scripted


def answer(shop: Shop, target: Message, text: str = "Sim", upload: Upload | None = None) -> UUID:
    with acting_for(shop.scope):
        queued = conversations.reply(shop.scope, target.conversation_id, text=text, upload=upload, answers_to=target.id)
        return queued.message.id


def react(shop: Shop, target: Message, sign: str = "👍") -> None:
    with acting_for(shop.scope):
        reactions.react(shop.scope, target.id, sign=sign)


def reactions_of(shop: Shop) -> list[Message]:
    return [message for message in rows_of(Message) if message.kind == MessageKind.REACTION]


def send(relay: OutboxRelay) -> None:
    relay.drain()
    assert relay.finish(FINISH_S)


def test_an_answer_is_sent_once_with_what_it_answers(taken: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    shop = Shop(scope)
    question = make_message(scope, shop.conversation, body="Abre hoje?", external_id="3A01")
    message_id = answer(shop, question)

    send(relay)

    assert (shop.message(message_id).status, shop.message(message_id).refers_to) == (MessageStatus.SENT, "3A01")
    assert [asked.path.split("/")[2] for asked in taken.asked] == ["sendText"]
    assert taken.asked[0].body["quoted"] == {
        "key": {"id": "3A01", "remoteJid": MARIA, "fromMe": False},
        "message": {"conversation": "Abre hoje?"},
    }


def test_a_file_answers_one_of_ours_without_words(taken: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    shop = Shop(scope)
    ours = make_message(
        scope, shop.conversation, body="", kind=MessageKind.IMAGE, direction=Direction.OUTBOUND, external_id="3EB0"
    )
    answer(shop, ours, "", Upload("boleto.pdf", PDF))

    send(relay)

    assert taken.asked[0].path.startswith("/message/sendMedia/")
    assert taken.asked[0].body["quoted"] == {
        "key": {"id": "3EB0", "remoteJid": MARIA, "fromMe": True},
        "message": {"conversation": "📷"},
    }


@pytest.mark.parametrize("end", ["deleted", "not_kept"])
def test_without_what_it_answers_an_answer_is_sent_all_the_same(
    taken: Scripted, scope: TenantScope, relay: OutboxRelay, end: str
) -> None:
    shop = Shop(scope)
    question = make_message(scope, shop.conversation)
    message_id = answer(shop, question)
    changes = {"deleted": {"deleted_at": now()}, "not_kept": {"external_id": "3AELSE"}}[end]
    shop.change_message(question.id, **changes)

    send(relay)

    assert shop.message(message_id).status == MessageStatus.SENT
    assert "quoted" not in taken.asked[0].body


def test_in_a_group_the_quote_names_who_wrote(scripted: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    shop = Shop(scope)
    for external_id in ("3EB0A", "3EB0B"):
        scripted.answer(201, {"key": {"remoteJid": GROUP, "fromMe": True, "id": external_id}})
    with tenant_transaction(scope):
        # WhatsApp knows this number without its ninth digit.
        scope.add(Contact(phone="5531999990003", whatsapp_number="553199990003"))
        group = scope.add(Contact(kind=ContactKind.GROUP, chat_jid=GROUP))
        db.session.flush()
        conversations.open_conversation(scope, shop.unit.id, group.id)
    conversation = next(one for one in rows_of(Conversation) if one.id != shop.conversation.id)
    senders = {"5531999990003": "553199990003@s.whatsapp.net", "123456789012345@lid": "123456789012345@lid"}
    for sender in senders:
        answer(shop, make_message(scope, conversation, details={"sender": sender}))
        send(relay)

    keys = [asked.body["quoted"]["key"] for asked in scripted.asked]
    assert [(key["participant"], key["remoteJid"]) for key in keys] == [(jid, GROUP) for jid in senders.values()]


def test_a_reaction_is_sent_once_and_recorded(taken: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    shop = Shop(scope)
    react(shop, make_message(scope, shop.conversation, external_id="3A01"))

    send(relay)

    [reaction] = reactions_of(shop)
    assert (reaction.status, reaction.external_id) == (MessageStatus.SENT, SENT_BODY["key"]["id"])
    assert [asked.body for asked in taken.asked] == [
        {"key": {"id": "3A01", "remoteJid": MARIA, "fromMe": False}, "reaction": "👍"}
    ]
    assert shop.lane().message_id is None


def test_a_reaction_to_what_is_gone_fails_and_says_so(taken: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    shop = Shop(scope)
    target = make_message(scope, shop.conversation)
    react(shop, target)
    shop.change_message(target.id, deleted_at=now())

    send(relay)

    [reaction] = reactions_of(shop)
    assert (reaction.status, reaction.error_code) == (MessageStatus.FAILED, errors.TARGET_GONE)
    assert taken.asked == []


def test_a_reaction_without_an_answer_is_in_doubt_and_not_sent_again(
    scripted: Scripted, scope: TenantScope, relay: OutboxRelay
) -> None:
    scripted.answer(400, TIMED_OUT)
    shop = Shop(scope)
    react(shop, make_message(scope, shop.conversation))

    send(relay)
    send(relay)

    [reaction] = reactions_of(shop)
    assert reaction.status == MessageStatus.UNCONFIRMED
    assert len(scripted.asked) == 1


def test_an_answer_that_is_sent_again_still_answers(scripted: Scripted, scope: TenantScope, relay: OutboxRelay) -> None:
    scripted.answer(400, TIMED_OUT)
    scripted.answer(201, SENT_BODY)
    shop = Shop(scope)
    message_id = answer(shop, make_message(scope, shop.conversation, external_id="3A01"))
    send(relay)

    with acting_for(scope):
        undelivered.decide(scope, Decision.SEND_AGAIN, [message_id])
    send(relay)

    assert [asked.body["quoted"]["key"]["id"] for asked in scripted.asked] == ["3A01", "3A01"]


def test_a_server_that_keeps_our_ids_keeps_none_of_a_reaction(shop: Shop) -> None:
    react(shop, make_message(shop.scope, shop.conversation, external_id="3A01"))
    server_ids = [server.id for server in servers.list_servers()]

    [claimed] = lanes.claim(OWNER, free=dict.fromkeys(server_ids, 10), keeping_ids=server_ids)

    assert (claimed.kind, claimed.text, claimed.refers_to) == (MessageKind.REACTION, "👍", "3A01")
    assert [reaction.is_id_kept for reaction in reactions_of(shop)] == [False]
