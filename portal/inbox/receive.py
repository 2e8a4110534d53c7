"""The one door: authenticate, store, and only then let the caller answer 200."""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import jwt
import structlog
from sqlalchemy import CompoundSelect, String, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from portal import counters, evolution_versions, queue
from portal.db import atomic, db, end_read, on_commit
from portal.extensions import parts
from portal.inbox.storing import Delivery, Line
from portal.models import Connection, CountedOutcome, EventState, EvolutionServer, WebhookEvent
from portal.secrets import fingerprint, matches, webhook_jwt_purpose
from portal.services import events, webhook_counts
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

LARGEST_BODY = 16 * 1024 * 1024
# A body is parsed before anybody knows whose it is, and JSON of empty lists takes 30 times its size.
LARGEST_BODY_OF_A_STRANGER = 256 * 1024
# Evolution makes the token once per event and lets it expire after 10 minutes, but retries for up to 24.
JWT_LEEWAY = timedelta(minutes=30)
# Anybody can post under a made-up name: what is kept of that is bounded in rows and bytes.
MOST_UNKNOWN_EVENTS = 1_000
LONGEST_UNKNOWN_BODY = 4_096
LONGEST_NAME = 255
LONGEST_EVENT = 60
# Other protocol messages of one's own phone carry key material (contract §11.8).
# By name, or by number.
KEPT_EDITS = frozenset({"MESSAGE_EDIT", "14", "REVOKE", "0"})
# JSON can spell characters that no column takes.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
# Of the threads of this process.
_line = Line()


class Reception(StrEnum):
    STORED = "stored"
    UNKNOWN_INSTANCE = "unknown_instance"
    REFUSED = "refused"


class Malformed(Exception):
    """The body can never be understood: a retry would bring the same one."""


@dataclass(frozen=True)
class _Sender:
    tenant_id: UUID
    unit_id: UUID
    secret_hash: str | None
    server_version: str | None


def largest_body(secret: str) -> int:
    """How large a delivery may be that bears this secret; whose it is, only the body says."""
    hashes = (Connection.webhook_secret_hash, Connection.previous_webhook_secret_hash)
    is_known = select(Connection.id).where(or_(*(column == fingerprint(secret) for column in hashes))).exists()
    with across_tenants("the secret is all that is known yet"):
        found = db.session.scalar(select(is_known))
    # The body may come slowly.
    end_read()
    return LARGEST_BODY if found else LARGEST_BODY_OF_A_STRANGER


def receive(secret: str, bearer: str | None, body: bytes) -> Reception:
    """Store one delivery of Evolution; it is on disk when this returns `stored`.

    `bearer` is the JWT of the Authorization header, if there was one. Raises Malformed.
    """
    payload = _parse(body)
    try:
        return Reception.STORED if _store_with_others(secret, bearer, payload) else _take(secret, bearer, payload)
    except RecursionError as e:
        raise Malformed("the body is nested too deeply") from e


def _store_with_others(secret: str, bearer: str | None, payload: dict[str, Any]) -> bool:
    """Store what is as it nearly always is: signed, worth keeping, and of a unit. `_take` is for all else."""
    instance_name, event = payload["instance"], payload["event"]
    if bearer is None or not _is_kept(event, payload) or not _is_signed_for(bearer, instance_name):
        return False
    body_hash, body = events.fingerprint(payload).hex(), events.kept_body(payload)
    return _line.store(Delivery(instance_name, fingerprint(secret), event, body_hash, body))


def _take(secret: str, bearer: str | None, payload: dict[str, Any]) -> Reception:
    instance_name, event = payload["instance"], payload["event"]
    with across_tenants("the instance's name decides the tenant"), atomic():
        senders = _find_senders(instance_name)
        if not senders:
            _keep_unknown(instance_name, event, payload)
            return Reception.UNKNOWN_INSTANCE
        sender = next((s for s in senders if matches(secret, s.secret_hash)), None)
        if sender is None or not _is_signed(bearer, instance_name, sender.server_version):
            log.warning("webhook refused", instance=instance_name, secret_is_right=sender is not None)
            webhook_counts.add(CountedOutcome.REFUSED, event)
            counters.count_refused(senders[0].unit_id)
            return Reception.REFUSED
        _store(sender, instance_name, event, payload)
        on_commit(queue.wake_inbox)
    return Reception.STORED


def _parse(body: bytes) -> dict[str, Any]:
    try:
        payload = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as e:
        raise Malformed("the body is not JSON") from e
    if not isinstance(payload, dict):
        raise Malformed("the body is not a JSON object")
    for name, longest in (("event", LONGEST_EVENT), ("instance", LONGEST_NAME)):
        value = payload.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= longest or _UNSTORABLE.search(value):
            raise Malformed(f"{name} is missing or is no text of 1 to {longest} characters")
    return payload


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


# As `json.loads` does it, which makes a new one for each text unless it is told nothing.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _find_senders(instance_name: str) -> list[_Sender]:
    """The connection of that instance, under its current and its previous secret."""
    return [_Sender(*row) for row in db.session.execute(_SENDERS, {"instance_name": instance_name})]


def _senders() -> CompoundSelect[UUID, UUID, str | None, str | None]:
    instance_name = bindparam("instance_name", type_=String())
    is_current = Connection.instance_name == instance_name
    is_previous = (Connection.previous_instance_name == instance_name) & (
        Connection.previous_accepted_until > func.now()
    )
    columns = (Connection.tenant_id, Connection.unit_id)
    current = select(*columns, Connection.webhook_secret_hash, EvolutionServer.version).where(is_current)
    previous = select(*columns, Connection.previous_webhook_secret_hash, EvolutionServer.version).where(is_previous)
    server_id = Connection.evolution_server_id
    previous_server_id = func.coalesce(Connection.previous_evolution_server_id, server_id)
    return current.outerjoin(EvolutionServer, EvolutionServer.id == server_id).union_all(
        previous.outerjoin(EvolutionServer, EvolutionServer.id == previous_server_id)
    )


# Built once: that alone took a tenth of what a webhook costs.
_SENDERS = _senders()


def _is_signed(bearer: str | None, instance_name: str, server_version: str | None) -> bool:
    if bearer is None:
        return not evolution_versions.signs_webhooks(evolution_versions.numbers(server_version))
    return _is_signed_for(bearer, instance_name)


def _is_signed_for(bearer: str, instance_name: str) -> bool:
    return any(_verifies(bearer, key) for key in parts.vault.derived(webhook_jwt_purpose(instance_name)))


def _verifies(bearer: str, key: str) -> bool:
    try:
        claims = jwt.decode(bearer, key, algorithms=["HS256"], leeway=JWT_LEEWAY, options={"require": ["exp"]})
    except jwt.InvalidTokenError:
        return False
    return bool(claims.get("app") == "evolution" and claims.get("action") == "webhook")


def _store(sender: _Sender, instance_name: str, event: str, payload: dict[str, Any]) -> None:
    if _is_kept(event, payload):
        events.store(sender.tenant_id, sender.unit_id, instance_name, event, payload)


def _is_kept(event: str, payload: dict[str, Any]) -> bool:
    return event != "messages.edited" or _edit_type(payload) in KEPT_EDITS


def _keep_unknown(instance_name: str, event: str, payload: dict[str, Any]) -> None:
    log.warning("webhook for an unknown instance", instance=instance_name)
    unknown = WebhookEvent.unit_id.is_(None)
    row = {
        "instance_name": instance_name,
        "event": event,
        "body_hash": events.fingerprint(payload),
        "body": json.dumps(events.without_keys(payload))[:LONGEST_UNKNOWN_BODY],
        "state": EventState.PARKED,
        "error": "unknown instance",
    }
    db.session.execute(insert(WebhookEvent).values(row).on_conflict_do_nothing())
    newest = select(WebhookEvent.id).where(unknown).order_by(WebhookEvent.id.desc()).limit(MOST_UNKNOWN_EVENTS)
    oldest_kept = select(func.min(newest.subquery().c.id)).scalar_subquery()
    db.session.execute(delete(WebhookEvent).where(unknown, WebhookEvent.id < oldest_kept))
    # Last, since all who post such things meet at one row.
    webhook_counts.add(CountedOutcome.UNKNOWN_INSTANCE, event)


def _edit_type(payload: dict[str, Any]) -> str:
    data = payload.get("data")
    return str(data.get("type") if isinstance(data, dict) else None)
