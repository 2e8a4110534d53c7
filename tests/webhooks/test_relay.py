"""What waits is posted: signed, in order, with the message as it then stands; nobody's failure is another's."""

import json
import re
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import Conversation, DeliveryState, Direction, Message, MessageKind, MessageStatus
from portal.tenancy import TenantScope, acting_for
from portal.webhooks import claims
from portal.webhooks.relay import WebhookRelay
from tests.endpoints import (
    OLD_SECRET,
    SECRET,
    change,
    current,
    deliveries,
    let_time_pass,
    make_endpoint,
    tell,
    waiting,
)
from tests.factories import make_media, make_message
from tests.webhooks.receiver import OK, Receiver, Told

pytestmark = pytest.mark.commits
FINISH_S = 25.0
PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


def work(relay: WebhookRelay) -> None:
    """Post all that is due now, what gets due meanwhile included."""
    while relay.drain() is not None:
        assert relay.finish(FINISH_S)


def test_message_that_comes_in_is_told(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    endpoint = make_endpoint(scope, receiver.url)
    message = make_message(scope, conversation, body="Olá, à tarde? 😀", external_id="3A01")

    work(relay)

    (told,) = receiver.told
    body = told.read()
    assert (body["type"], datetime.fromisoformat(body["timestamp"])) == (
        "message.received",
        deliveries(endpoint)[0].created_at,
    )
    assert body["data"] == {
        "messageId": str(message.id),
        "unitId": str(conversation.unit_id),
        "conversationId": str(conversation.id),
        "campaignId": None,
        "clientMessageId": None,
        "externalId": "3A01",
        "direction": "inbound",
        "kind": "text",
        "chatKind": "person",
        "phone": "5511999990002",
        "name": "Maria",
        "body": "Olá, à tarde? 😀",
        "refersTo": None,
        "media": None,
        "status": "received",
        "errorCode": None,
        "occurredAt": message.occurred_at.isoformat(),
        "test": False,
        "late": False,
    }
    (delivery,) = deliveries(endpoint)
    assert (delivery.state, delivery.attempts, delivery.response_status, delivery.error_code) == (
        DeliveryState.DELIVERED,
        1,
        204,
        None,
    )
    assert delivery.delivered_at is not None


def test_headers_are_those_of_the_standard(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    endpoint = make_endpoint(scope, receiver.url)
    tell(scope, conversation, "oi")

    work(relay)

    headers = receiver.told[0].headers
    assert headers["webhook-id"] == str(deliveries(endpoint)[0].id)
    assert abs(int(headers["webhook-timestamp"]) - now().timestamp()) < 30
    assert headers["webhook-signature"].startswith("v1,")
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("evolution-portal/")
    assert not {"cookie", "authorization"} & set(headers)


def test_page_for_integrators_shows_how_to_verify_by_hand(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    make_endpoint(scope, receiver.url)
    tell(scope, conversation, "oi")
    work(relay)
    told, shown = receiver.told[0], dict[str, Any]()
    (code,) = re.findall(r"```python\n(import base64.*?)```", PAGE.read_text(), re.DOTALL)
    exec(code, shown)

    assert shown["is_genuine"](SECRET, told.headers, told.body)
    assert not shown["is_genuine"](SECRET, told.headers, told.body + b" ")
    assert not shown["is_genuine"](OLD_SECRET, told.headers, told.body)


def test_body_that_somebody_changed_is_not_verified(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    make_endpoint(scope, receiver.url)
    tell(scope, conversation, "oi")
    work(relay)
    told = receiver.told[0]

    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(told.body.replace(b"oi", b"ai"), told.headers)


@pytest.mark.parametrize(
    ("until_in", "verified_by"),
    [(timedelta(hours=1), {SECRET, OLD_SECRET}), (timedelta(hours=-1), {SECRET})],
    ids=["both sign for a while", "then only the new one"],
)
def test_secret_before_goes_on_signing_for_a_while(
    scope: TenantScope,
    conversation: Conversation,
    receiver: Receiver,
    relay: WebhookRelay,
    until_in: timedelta,
    verified_by: set[str],
) -> None:
    previous = {"previous_secret_encrypted": parts.vault.encrypt(OLD_SECRET), "previous_until": now() + until_in}
    make_endpoint(scope, receiver.url, **previous)
    tell(scope, conversation, "oi")

    work(relay)

    assert {secret for secret in (SECRET, OLD_SECRET) if verifies(receiver.told[0], secret)} == verified_by


def verifies(told: Told, secret: str) -> bool:
    try:
        told.read(secret)
    except WebhookVerificationError:
        return False
    return True


def test_message_is_told_as_it_stands_when_it_is_told(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    make_endpoint(scope, receiver.url)
    message = make_message(scope, conversation, body="ois")
    with acting_for(scope), atomic():
        scope.get(Message, message.id).body = "oi"

    work(relay)

    assert receiver.texts() == ["oi"]


def test_status_told_is_the_one_of_its_event(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    make_endpoint(scope, receiver.url)
    queued = {"direction": Direction.OUTBOUND, "status": MessageStatus.QUEUED, "client_message_id": "order-7"}
    message = make_message(scope, conversation, **queued)  # type: ignore[arg-type]
    for status, code in (("sent", None), ("failed", "refused_by_whatsapp")):
        with acting_for(scope), atomic():
            found = scope.get(Message, message.id)
            found.status, found.error_code = MessageStatus(status), code

    work(relay)

    told = [told.read()["data"] for told in receiver.told]
    assert {(one["status"], one["errorCode"], one["clientMessageId"]) for one in told} == {
        ("sent", None, "order-7"),
        ("failed", "refused_by_whatsapp", "order-7"),
    }


def test_reaction_names_the_message_that_it_was_given_to(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    make_endpoint(scope, receiver.url)
    make_message(scope, conversation, kind=MessageKind.REACTION, body="👍", refers_to="3A01")

    work(relay)

    told = receiver.told[0].read()["data"]
    assert (told["kind"], told["body"], told["refersTo"]) == ("reaction", "👍", "3A01")


def test_file_is_described_and_not_sent(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    make_endpoint(scope, receiver.url)
    media_id = make_media(scope, name="boleto.pdf")
    make_message(scope, conversation, kind=MessageKind.DOCUMENT, media_id=media_id)

    work(relay)

    assert receiver.told[0].read()["data"]["media"].keys() == {"fileName", "mimeType", "size"}
    assert len(receiver.told[0].body) < 1_000


def test_news_are_told_in_the_order_in_which_they_happened(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    endpoint = make_endpoint(scope, receiver.url)
    tell(scope, conversation, *(f"{number}" for number in range(12)))

    batches = []
    while waiting(endpoint):
        before = len(receiver.told)
        relay.drain()
        assert relay.finish(FINISH_S)
        batches.append(sorted(int(text) for text in receiver.texts()[before:]))

    assert [number for batch in batches for number in batch] == list(range(12))
    assert {len(batch) for batch in batches} == {claims.EACH}


def test_endpoint_that_is_switched_off_is_told_when_it_is_on_again(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    endpoint = make_endpoint(scope, receiver.url)
    tell(scope, conversation, "antes")
    change(endpoint, disabled_at=now())
    tell(scope, conversation, "depois")

    work(relay)
    told_while_off = receiver.texts()
    change(endpoint, disabled_at=None)
    work(relay)

    assert (told_while_off, receiver.texts()) == ([], ["antes"])


def test_what_another_worker_posts_is_left_to_it_until_its_lease_is_over(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    endpoint = make_endpoint(scope, receiver.url)
    tell(scope, conversation, "oi")
    (lost,) = claims.claim(most=1, most_probes=1)

    work(relay)
    told_within_lease = receiver.texts()
    let_time_pass(endpoint)
    work(relay)

    assert (told_within_lease, receiver.texts()) == ([], ["oi"])
    assert [told.id for told in receiver.told] == [str(lost.id)]
    assert deliveries(endpoint)[0].attempts == 2


def test_message_deleted_before_it_was_told_is_not_told(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    make_endpoint(scope, receiver.url)
    (first, _) = tell(scope, conversation, "apagada", "fica")
    with acting_for(scope), atomic():
        db.session.execute(scope.delete(Message).where(Message.id == first))

    work(relay)

    assert receiver.texts() == ["fica"]


def test_worker_that_is_asked_to_end_waits_for_its_posts(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    endpoint = make_endpoint(scope, receiver.url)
    tell(scope, conversation, "oi")
    may_end = threading.Event()
    receiver.answer = lambda told: (may_end.wait(10), OK)[1]
    relay.drain()

    is_done_early = relay.finish(0.2)
    may_end.set()

    assert (is_done_early, relay.finish(FINISH_S)) == (False, True)
    assert deliveries(endpoint)[0].state == DeliveryState.DELIVERED


def test_nothing_in_the_log_tells_address_secret_or_text(
    scope: TenantScope,
    conversation: Conversation,
    receiver: Receiver,
    relay: WebhookRelay,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint = make_endpoint(scope, f"{receiver.url}?key=only-for-the-receiver")
    refused = make_endpoint(scope, "http://10.0.0.1/only-for-the-receiver")
    receiver.say(500)
    tell(scope, conversation, "um segredo")

    work(relay)

    said = caplog.text
    assert str(endpoint.id) in said
    assert str(refused.id) in said
    assert "bad_status" in said
    assert "refused_address" in said
    for secret in ("only-for-the-receiver", "10.0.0.1", SECRET, "um segredo"):
        assert secret not in said
    assert json.loads(receiver.told[0].body)["data"]["body"] == "um segredo"
    assert current(endpoint).failures == 1
