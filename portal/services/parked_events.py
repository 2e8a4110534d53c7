"""Giving parked webhook events back to the inbox, and forgetting what nobody here was meant by."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Delete, Update, delete, update

from portal import queue
from portal.db import atomic, db, on_commit
from portal.errors import Invalid, NotFound
from portal.models import Connection, EventState, WebhookEvent
from portal.queries import parked_events as queries
from portal.queries.parked_events import IS_UNKNOWN, Filter
from portal.services import audit
from portal.services.audit import Actor
from portal.tenancy import across_tenants

WHY = "an operator gives events of every tenant back to the inbox"
MOST_IDS_IN_LOG = 200
MOST_FIELDS = 40
LONGEST_FIELD = 60
JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
# What the inbox makes of an event that was never tried; its error stays until it is done.
AS_NEW = {"state": EventState.NEW, "attempts": 0, "retry_at": None}


@dataclass(frozen=True)
class Field:
    """One field at the top of a body: its name and its type, never its value."""

    name: str
    type: str


def replay(wanted: Filter, *, by: Actor) -> int:
    """Let the inbox apply these parked events again, in the order they were stored; how many they are.

    What was nobody's goes to the unit that has the instance now, and stays as it is when there is none.
    """
    with across_tenants(WHY), atomic():
        ids = [*_changed(_adopt(wanted)), *_changed(_put_back(wanted))]
        if ids:
            _note(by, "webhook_events.replayed", ids, wanted)
            on_commit(queue.wake_inbox)
    return len(ids)


def forget(instance: str, *, by: Actor) -> int:
    """Delete what was kept of an instance that is nobody's; how many events they were."""
    wanted = Filter(instance=instance, is_unknown=True)
    with across_tenants(WHY), atomic():
        ids = _changed(delete(WebhookEvent).where(*queries.conditions(wanted)))
        if ids:
            _note(by, "webhook_events.forgotten", ids, wanted)
    return len(ids)


def checked_choice(*, every: bool, ids: Collection[int], unit: str | None, event: str | None) -> Filter:
    """What was typed, understood. Raises Invalid without one clear choice, and NotFound for an unknown unit."""
    if sum((every, bool(ids), bool(unit or event))) != 1:
        raise Invalid({"choice": "Say which: --all, --id, or --unit and --event (these two may stand together)."})
    return Filter(ids=ids or None, unit_id=_unit_id(unit) if unit else None, event=event)


def checked_filter(*, unit: str | None, event: str | None) -> Filter:
    """As `checked_choice`, where nothing typed means everything."""
    return Filter(unit_id=_unit_id(unit) if unit else None, event=event)


def outline(body: str) -> list[Field] | None:
    """What the top of the body is made of; None when it is no whole object, since what is nobody's is kept cut short.

    Values stay hidden, and so do names further down: they may be what somebody wrote, or whom they wrote to.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict):
        return None
    fields = list(payload.items())[:MOST_FIELDS]
    return [Field(name[:LONGEST_FIELD], JSON_TYPES.get(type(value), "null")) for name, value in fields]


def _unit_id(path: str) -> Any:
    unit_id = queries.find_unit_id(path)
    if unit_id is None:
        raise NotFound(f"There is no unit {path}. Name it as TENANT/UNIT, by their short names.")
    return unit_id


def _adopt(wanted: Filter) -> Update:
    """What was nobody's, for the unit that has the instance now."""
    return (
        update(WebhookEvent)
        .where(*queries.conditions(wanted), IS_UNKNOWN)
        .where(queries.is_instance_of(Connection, WebhookEvent.instance_name))
        .values(tenant_id=Connection.tenant_id, unit_id=Connection.unit_id, **AS_NEW)
    )


def _put_back(wanted: Filter) -> Update:
    return update(WebhookEvent).where(*queries.conditions(wanted), ~IS_UNKNOWN).values(**AS_NEW)


def _changed(statement: Update | Delete) -> list[int]:
    told = statement.returning(WebhookEvent.id).execution_options(synchronize_session=False)
    return sorted(db.session.scalars(told))


def _note(by: Actor, action: str, ids: list[int], wanted: Filter) -> None:
    told = {"count": len(ids), "ids": ids[:MOST_IDS_IN_LOG], "instance": wanted.instance}
    audit.record_for_operator(by, action, ("webhook_events", None), after=told)
