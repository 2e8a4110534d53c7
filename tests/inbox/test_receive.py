"""Store first: what is kept of a delivery, and from whom it is taken (contract §10)."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import func, select

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.inbox import receive as receive_module
from portal.inbox.receive import Malformed, Reception, receive
from portal.models import Connection, EventState, EvolutionServer, Unit, WebhookEvent
from portal.secrets import fingerprint, webhook_jwt_purpose
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import SECRET, make_connected_unit, make_tenant
from tests.inbox.payloads import MARIA, TOKEN, as_bytes, message, webhook

NAME = "unit_3f0c8c1e-0000-4000-8000-000000000001"
OLD_NAME = "unit_3f0c8c1e-0000-4000-8000-000000000000"
OLD_SECRET = "the-secret-of-the-instance-before"


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope, instance_name=NAME)


def delivery(instance: str = NAME, **more: Any) -> bytes:
    return as_bytes(webhook("messages.upsert", message(**more), instance=instance))


def bearer(instance: str = NAME, *, key: str | None = None, expired_for: timedelta = timedelta(), **claims: Any) -> str:
    key = key or parts.vault.derived(webhook_jwt_purpose(instance))[0]
    made_at = now() - timedelta(minutes=10) - expired_for
    told = {"iat": made_at, "exp": made_at + timedelta(minutes=10), "app": "evolution", "action": "webhook"}
    return jwt.encode({name: value for name, value in {**told, **claims}.items() if value}, key, algorithm="HS256")


def events() -> list[WebhookEvent]:
    with across_tenants("a test looks at what was stored"):
        return list(db.session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)))


def set_version(version: str | None) -> None:
    with across_tenants("a test changes the server"), atomic():
        db.session.scalars(select(EvolutionServer)).one().version = version


def change_connection(scope: TenantScope, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Connection).values(columns))


def test_a_delivery_is_stored_as_news_of_its_unit(scope: TenantScope, unit: Unit) -> None:
    reception = receive(SECRET, bearer(), delivery())

    stored = events()
    assert reception is Reception.STORED
    assert [(e.tenant_id, e.unit_id, e.instance_name) for e in stored] == [(scope.tenant_id, unit.id, NAME)]
    assert [(e.event, e.state) for e in stored] == [("messages.upsert", EventState.NEW)]
    assert json.loads(stored[0].body)["data"] == message()


def test_a_repeated_delivery_is_one_row(unit: Unit) -> None:
    receptions = [receive(SECRET, bearer(), delivery()) for _ in range(3)]

    assert receptions == [Reception.STORED] * 3
    assert len(events()) == 1


def test_a_repeat_with_another_apikey_is_a_repeat(unit: Unit) -> None:
    payload = webhook("messages.upsert", message(), instance=NAME)

    receive(SECRET, bearer(), as_bytes(payload))
    receive(SECRET, bearer(), as_bytes({**payload, "apikey": None}))

    assert len(events()) == 1


def test_the_same_news_at_another_time_is_no_repeat(unit: Unit) -> None:
    for told_at in ("2026-05-17T10:00:00.000Z", "2026-05-17T11:00:00.000Z"):
        receive(SECRET, bearer(), as_bytes(webhook("logout.instance", None, instance=NAME, told_at=told_at)))

    assert len(events()) == 2


def test_no_key_and_no_secret_is_in_a_row(unit: Unit) -> None:
    image = {"mediaKey": {"0": 171}, "jpegThumbnail": {"0": 1}, "caption": "Veja"}
    content = {"imageMessage": image, "messageContextInfo": {"messageSecret": "c2VjcmV0LW9mLWEtbWVzc2FnZQ=="}}
    quoted = {"quotedMessage": {"audioMessage": {"mediaKey": "bWVkaWEta2V5LW9mLWEtcXVvdGU="}}}
    payload = message(message=content, messageType="imageMessage", contextInfo=quoted)

    receive(SECRET, bearer(), as_bytes(webhook("messages.upsert", [payload], instance=NAME)))

    body = events()[0].body
    assert set(json.loads(body)) == {"event", "instance", "data", "date_time", "sender", "server_url"}
    for secret in (TOKEN, SECRET, "mediaKey", "bWVkaWEta2V5", "messageSecret", "c2VjcmV0", "171"):
        assert secret not in body
    assert "Veja" in body


def test_key_material_of_the_owners_phone_is_not_kept_at_all(unit: Unit) -> None:
    shared = {"type": "APP_STATE_SYNC_KEY_SHARE", "appStateSyncKeyShare": {"keys": ["a-private-key"]}}

    reception = receive(SECRET, bearer(), as_bytes(webhook("messages.edited", shared, instance=NAME)))

    assert reception is Reception.STORED
    assert events() == []


@pytest.mark.parametrize("kind", ["MESSAGE_EDIT", "REVOKE", 14, 0])
def test_edits_and_deletions_are_kept(unit: Unit, kind: str | int) -> None:
    edited = {"key": {"remoteJid": MARIA, "fromMe": True, "id": "3A01"}, "type": kind}

    receive(SECRET, bearer(), as_bytes(webhook("messages.edited", edited, instance=NAME)))

    assert len(events()) == 1


@pytest.mark.parametrize("name", ["Ma\x00ria", "Ma\ud83dria", "\udc00", "Maria \u202e🎉"], ids=ascii)
def test_any_push_name_can_be_stored(unit: Unit, name: str) -> None:
    payload = webhook("messages.upsert", message(pushName=name), instance=NAME)

    receive(SECRET, bearer(), json.dumps(payload).encode())

    assert json.loads(events()[0].body)["data"]["pushName"] == name


def test_an_unknown_instance_is_kept_for_the_operator(unit: Unit) -> None:
    reception = receive(SECRET, bearer(), delivery("unit_of_nobody"))

    stored = events()
    assert reception is Reception.UNKNOWN_INSTANCE
    assert [(e.tenant_id, e.unit_id, e.state, e.error) for e in stored] == [
        (None, None, EventState.PARKED, "unknown instance")
    ]
    assert TOKEN not in stored[0].body


def test_what_is_kept_of_an_unknown_instance_is_cut(unit: Unit) -> None:
    receive(SECRET, None, delivery("unit_of_nobody", text="x" * 100_000))

    assert len(events()[0].body) == receive_module.LONGEST_UNKNOWN_BODY


def test_at_most_so_many_events_of_unknown_instances_are_kept(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert receive_module.MOST_UNKNOWN_EVENTS == 1_000
    monkeypatch.setattr(receive_module, "MOST_UNKNOWN_EVENTS", 3)
    receive(SECRET, bearer(), delivery())

    for number in range(5):
        receive(SECRET, None, delivery(f"unit_of_nobody_{number}"))

    assert [e.instance_name for e in events()] == [NAME, *(f"unit_of_nobody_{number}" for number in (2, 3, 4))]


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x", "é", fingerprint(SECRET)])
def test_a_wrong_secret_is_refused_and_nothing_is_stored(unit: Unit, secret: str) -> None:
    assert receive(secret, bearer(), delivery()) is Reception.REFUSED
    assert events() == []


def test_the_secret_of_another_unit_is_refused(scope: TenantScope, unit: Unit) -> None:
    other = make_connected_unit(scope, "praia", instance_name="unit_other")
    with acting_for(scope), atomic():
        mine = scope.update(Connection).where(Connection.unit_id == other.id)
        db.session.execute(mine.values(webhook_secret_hash=fingerprint("the-secret-of-praia")))

    assert receive("the-secret-of-praia", bearer(), delivery()) is Reception.REFUSED


@pytest.fixture
def replaced(scope: TenantScope, unit: Unit) -> None:
    """The unit was just connected anew: the instance before this one may still have something to say."""
    change_connection(
        scope,
        previous_instance_name=OLD_NAME,
        previous_webhook_secret_hash=fingerprint(OLD_SECRET),
        previous_accepted_until=now() + timedelta(minutes=30),
    )


@pytest.mark.usefixtures("replaced")
def test_the_instance_before_is_still_heard(unit: Unit) -> None:
    reception = receive(OLD_SECRET, bearer(OLD_NAME), delivery(OLD_NAME))

    assert reception is Reception.STORED
    assert [(e.unit_id, e.instance_name) for e in events()] == [(unit.id, OLD_NAME)]


@pytest.mark.usefixtures("replaced")
@pytest.mark.parametrize(
    ("secret", "name"), [(OLD_SECRET, NAME), (SECRET, OLD_NAME)], ids=["old_for_new", "new_for_old"]
)
def test_each_secret_opens_its_own_instance_only(secret: str, name: str) -> None:
    assert receive(secret, bearer(name), delivery(name)) is Reception.REFUSED


@pytest.mark.usefixtures("replaced")
def test_the_instance_before_is_unknown_after_half_an_hour(scope: TenantScope) -> None:
    change_connection(scope, previous_accepted_until=now() - timedelta(seconds=1))

    assert receive(OLD_SECRET, bearer(OLD_NAME), delivery(OLD_NAME)) is Reception.UNKNOWN_INSTANCE


@pytest.mark.parametrize("minutes", [0, 24, 29])
def test_a_signature_expired_for_less_than_half_an_hour_counts(unit: Unit, minutes: int) -> None:
    token = bearer(expired_for=timedelta(minutes=minutes))

    assert receive(SECRET, token, delivery()) is Reception.STORED


def test_a_signature_expired_for_longer_does_not_count(unit: Unit) -> None:
    token = bearer(expired_for=timedelta(minutes=31))

    assert receive(SECRET, token, delivery()) is Reception.REFUSED


@pytest.mark.parametrize(
    "claims",
    [{"app": None}, {"app": "portal"}, {"action": None}, {"action": "login"}, {"exp": None}],
    ids=["no_app", "other_app", "no_action", "other_action", "no_expiry"],
)
def test_a_signature_under_other_claims_does_not_count(unit: Unit, claims: dict[str, Any]) -> None:
    assert receive(SECRET, bearer(**claims), delivery()) is Reception.REFUSED


@pytest.mark.parametrize("key", ["another-key-of-at-least-32-characters", NAME + SECRET])
def test_a_signature_by_another_key_does_not_count(unit: Unit, key: str) -> None:
    assert receive(SECRET, bearer(key=key), delivery()) is Reception.REFUSED
    assert events() == []


def test_a_signature_for_another_instance_does_not_count(unit: Unit) -> None:
    assert receive(SECRET, bearer(OLD_NAME), delivery()) is Reception.REFUSED


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "é", jwt.encode({"exp": 1 << 33, "app": "evolution"}, None, "none")]
)
def test_what_is_no_signature_does_not_count(unit: Unit, token: str) -> None:
    set_version("2.2.3")

    assert receive(SECRET, token, delivery()) is Reception.REFUSED


@pytest.mark.parametrize(
    ("version", "reception"),
    [
        ("2.1.2", Reception.STORED),
        ("2.2.3", Reception.STORED),
        ("2.3.0", Reception.REFUSED),
        ("2.3.6", Reception.REFUSED),
        ("2.4.0-rc2", Reception.REFUSED),
        ("", Reception.REFUSED),
        ("two", Reception.REFUSED),
        (None, Reception.REFUSED),
    ],
)
def test_no_signature_is_accepted_from_known_old_servers_only(
    unit: Unit, version: str | None, reception: Reception
) -> None:
    set_version(version)

    assert receive(SECRET, None, delivery()) is reception


def nested(depth: int) -> bytes:
    return delivery().replace(b'"contextInfo":null', b'"contextInfo":' + b"[" * depth + b"]" * depth)


MALFORMED = {
    "empty": b"",
    "no_json": b"not json",
    "cut_off": b'{"event": "messages.upsert", "instance": "' + NAME.encode(),
    "no_utf8": b'{"event": "\xff"}',
    "nan": delivery().replace(b'"contextInfo":null', b'"contextInfo":NaN'),
    "infinity": delivery().replace(b'"contextInfo":null', b'"contextInfo":-Infinity'),
    "array": b"[1]",
    "text": b'"messages.upsert"',
    "null": b"null",
    "bottomless": b"[" * 200_000,
    "too_deep": nested(100_000),
    "no_instance": b'{"event": "messages.upsert", "data": {}}',
    "no_event": b'{"instance": "unit_1", "data": {}}',
    "empty_instance": delivery(""),
    "instance_is_a_number": b'{"event": "messages.upsert", "instance": 1}',
    "instance_is_null": b'{"event": "messages.upsert", "instance": null}',
    "endless_instance": delivery("x" * 256),
    "zero_byte_in_the_instance": b'{"event": "messages.upsert", "instance": "unit\\u0000"}',
    "half_a_character_in_the_instance": b'{"event": "messages.upsert", "instance": "unit\\ud83d"}',
    "half_a_character_in_the_event": b'{"event": "x\\udc00", "instance": "unit"}',
    "endless_event": b'{"event": "' + b"x" * 61 + b'", "instance": "unit_1"}',
    "endless_number": delivery().replace(b'"contextInfo":null', b'"contextInfo":' + b"9" * 5_000),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_can_never_be_understood_is_malformed(unit: Unit, body: bytes) -> None:
    with pytest.raises(Malformed):
        receive(SECRET, bearer(), body)

    assert events() == []


@pytest.mark.parametrize("depth", [50, 300, 450, 600, 900, 1_200])
def test_a_nested_body_is_stored_or_malformed_and_nothing_else(unit: Unit, depth: int) -> None:
    try:
        reception = receive(SECRET, bearer(), nested(depth))
    except Malformed:
        reception = None

    assert len(events()) == (reception is Reception.STORED)
    assert depth > 50 or reception is Reception.STORED


def test_the_events_are_numbered_in_the_order_they_came(unit: Unit) -> None:
    for number in range(3):
        receive(SECRET, bearer(), delivery(id_=f"3A{number}"))

    with across_tenants("a test looks at what was stored"):
        assert db.session.scalar(select(func.count()).select_from(WebhookEvent)) == 3
    assert [json.loads(e.body)["data"]["key"]["id"] for e in events()] == ["3A0", "3A1", "3A2"]
