"""After people, programs and Evolution have come and gone, Redis holds no secret, no number and no text."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from portal import queue
from portal.queue import QUEUES
from portal.services import api_tokens, connections
from portal.tenancy import acting_for
from tests.companies import Company, make_company
from tests.factories import PASSWORD, SECRET, connection_of
from tests.inbox.payloads import message, webhook

NUMBER = "11977776666"
TEXT = "Segue o boleto da Maria"
WRONG = "a-password-with-one-wrong-letter"


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


def everything(redis: "Redis[Any]") -> str:
    """All keys and all that they hold, whatever kind they are."""
    readers = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"stream": lambda key: redis.xrange(key),
    }
    return "\n".join(f"{key!r} {readers[redis.type(key)](key)!r}" for key in redis.keys("*"))


def test_nothing_that_anybody_gave_lies_in_redis(
    acme: Company, client: FlaskClient, redis_server: "Redis[Any]"
) -> None:
    with acting_for(acme.scope):
        _, token = api_tokens.create(acme.scope, name="CRM", kind="live", scopes=["read", "send"])
        scan_token = connections.create_scan_link(acme.scope, acme.unit.id)
    bearer, instance = {"Authorization": f"Bearer {token}"}, connection_of(acme.scope, acme.unit.id).instance_name

    client.post("/login", data={"email": acme.admin.email, "password": WRONG})
    client.post("/login", data={"email": acme.admin.email, "password": PASSWORD})
    with client.session_transaction() as session:
        cookie = session["_user_id"]
    client.get("/t/acme/")
    client.post("/admin/login", json={"email": acme.admin.email, "password": WRONG})
    signed_in = client.post("/admin/login", json={"email": acme.admin.email, "password": PASSWORD}).get_json()
    client.get("/api/units", headers=bearer)
    client.get("/api/units", headers={"Authorization": f"Bearer {WRONG}"})
    body = {"unitId": str(acme.unit.id), "phone": NUMBER, "message": TEXT}
    client.post("/messages", json=body, headers=bearer)
    client.get(f"/scan/{scan_token}")
    client.get(f"/scan/{WRONG}")
    client.post(f"/webhooks/whatsapp/evolution/{SECRET}", json=webhook("messages.upsert", message(), instance=instance))
    for name in QUEUES:
        queue.enqueue_relay(name)

    kept = everything(redis_server)
    secrets = (token, scan_token, cookie, PASSWORD, WRONG, SECRET, NUMBER, TEXT, *_strings(signed_in))
    assert "LIMITS" in kept.upper()
    assert "portal.jobs.drain_inbox" in kept
    assert [secret for secret in secrets if secret in kept] == []


def _strings(answer: dict[str, Any]) -> list[str]:
    """The long strings of an answer: its tokens."""
    return [value for value in answer.values() if isinstance(value, str) and len(value) > 20]
