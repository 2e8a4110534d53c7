"""Webhook events as they are kept: each once, and without any key."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert

from portal.db import db
from portal.models import WebhookEvent

KEY_MATERIAL = frozenset({"mediaKey", "messageSecret"})
# Date and time to the second. An instance that cannot reach WhatsApp says `connecting` dozens of times in each
# (contract §16, 36): that is kept once.
TO_THE_SECOND = 19
_KEEP = insert(cast(Table, WebhookEvent.__table__)).on_conflict_do_nothing().inline()


def store(
    tenant_id: UUID,
    unit_id: UUID,
    instance_name: str,
    event: str,
    payload: Mapping[str, Any],
    *,
    repair_id: UUID | None = None,
) -> None:
    """Keep one event of a unit for the inbox; the same body a second time changes nothing.

    `repair_id`: it was not delivered, but found while that hole was filled.
    """
    row = {
        "tenant_id": tenant_id,
        "unit_id": unit_id,
        "instance_name": instance_name,
        "event": event,
        "body_hash": fingerprint(payload),
        "body": kept_body(payload),
        "repair_id": repair_id,
    }
    db.session.execute(_KEEP, row)


def kept_body(payload: Mapping[str, Any]) -> str:
    return json.dumps(without_keys(payload))


def fingerprint(payload: Mapping[str, Any]) -> bytes:
    """A repeated delivery is byte-identical; the key in it is left out, since it may not even be hashed into a row."""
    kept = {name: value for name, value in payload.items() if name != "apikey"}
    if _is_connecting(payload):
        kept["date_time"] = str(payload.get("date_time"))[:TO_THE_SECOND]
    return hashlib.sha256(json.dumps(kept).encode()).digest()


def _is_connecting(payload: Mapping[str, Any]) -> bool:
    data = payload.get("data")
    return payload.get("event") == "connection.update" and isinstance(data, dict) and data.get("state") == "connecting"


def without_keys(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload without the instance's token, without our own secret in `destination`, without media keys."""
    kept = {name: value for name, value in payload.items() if name not in ("apikey", "destination")}
    return {name: _without_key_material(value) for name, value in kept.items()}


def _without_key_material(value: Any) -> Any:
    if isinstance(value, dict):
        # Bytes as an object with a key for each (contract §11.3): ten times as long as they need be.
        if (content := _bytes_of(value)) is not None:
            return base64.b64encode(content).decode("ascii")
        return {k: _without_key_material(v) for k, v in value.items() if k not in KEY_MATERIAL}
    if isinstance(value, list):
        return [_without_key_material(item) for item in value]
    return value


def _bytes_of(value: dict[str, Any]) -> bytes | None:
    if "0" not in value or list(value) != [str(place) for place in range(len(value))]:
        return None
    try:
        return bytes(value.values())
    except (TypeError, ValueError):
        return None
