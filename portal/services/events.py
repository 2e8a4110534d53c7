"""Webhook events as they are kept: each once, and without any key."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from portal.db import db
from portal.models import WebhookEvent

KEY_MATERIAL = frozenset({"mediaKey", "messageSecret"})


def store(tenant_id: UUID, unit_id: UUID, instance_name: str, event: str, payload: Mapping[str, Any]) -> None:
    """Keep one event of a unit for the inbox; the same body a second time changes nothing."""
    row = {
        "tenant_id": tenant_id,
        "unit_id": unit_id,
        "instance_name": instance_name,
        "event": event,
        "body_hash": fingerprint(payload),
        "body": json.dumps(without_keys(payload)),
    }
    db.session.execute(insert(WebhookEvent).values(row).on_conflict_do_nothing())


def fingerprint(payload: Mapping[str, Any]) -> bytes:
    """A repeated delivery is byte-identical; the key in it is left out, since it may not even be hashed into a row."""
    kept = {name: value for name, value in payload.items() if name != "apikey"}
    return hashlib.sha256(json.dumps(kept).encode()).digest()


def without_keys(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload without the instance's token, without our own secret in `destination`, without media keys."""
    kept = {name: value for name, value in payload.items() if name not in ("apikey", "destination")}
    return {name: _without_key_material(value) for name, value in kept.items()}


def _without_key_material(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_key_material(v) for k, v in value.items() if k not in KEY_MATERIAL}
    if isinstance(value, list):
        return [_without_key_material(item) for item in value]
    return value
