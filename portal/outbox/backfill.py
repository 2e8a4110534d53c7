"""Messages that no webhook brought: Evolution's stored ones are compared with ours, and what we lack goes in.

It goes in by the inbox's one door, oldest first, marked with the hole that it came out of. How far a unit is compared
stands on its row and moves page by page: whoever dies in the middle is followed by one who goes on there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, select, update

from portal import phone, queue
from portal.clock import now
from portal.db import STORAGE_DOWN, atomic, db, on_commit
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError
from portal.evolution.types import StoredPage
from portal.models import Connection, ConnectionStatus, Relay, Repair, RepairKind, Unit
from portal.outbox import look_ups, rounds, servers
from portal.outbox.missed import Difference, compare, told_at
from portal.outbox.rounds import Round
from portal.secrets import Unreadable
from portal.services import events, repairs
from portal.services.connections import lock_connection
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

COMPARISONS = Round(
    due_at=Connection.compare_at,
    whose=Connection.status == ConnectionStatus.CONNECTED,
    period_s=330.0,
    most_per_server=4,
)
# Evolution may store a message later than WhatsApp dates it.
OVERLAP = timedelta(minutes=2)
# What is younger than this may still come by itself.
SETTLED_AFTER = timedelta(seconds=20)
LONGEST = timedelta(days=7)
COME_BACK = timedelta(seconds=30)
DOWNTIME = timedelta(seconds=60)
GROUP, STORIES, BROADCAST = "@g.us", "status@broadcast", "@broadcast"
# What Evolution stores among the messages without being one.
NO_MESSAGES = frozenset({"protocolMessage", "senderKeyDistributionMessage", "messageContextInfo"})


@dataclass(frozen=True)
class Comparison:
    """One unit whose messages are to be compared: when it was last, the fixed span, and the chats that it wants."""

    tenant_id: UUID
    unit_id: UUID
    server_id: UUID
    instance_name: str
    # The unit's own number: it stands beside the customer's in what Evolution stored.
    phone: str | None
    compared_until: datetime
    since: datetime
    until: datetime
    chats: tuple[str, ...]
    # Nobody was there to compare when it was due.
    is_late: bool


@dataclass
class _Hole:
    """What was missed, once something was: after the last message we know, until we know them again."""

    known_at: datetime
    repair_id: UUID | None = None
    ended_at: datetime | None = None


def claim(*, busy_servers: Collection[UUID] = ()) -> list[Comparison]:
    """The connected units that this process, and no other, now compares: a few of each server."""
    with across_tenants("messages of every tenant are compared"), atomic():
        due = rounds.take(COMPARISONS, busy_servers=busy_servers)
        return [_comparison(connection, unit, due_at) for connection, unit, due_at in due]


def carry_out(comparison: Comparison) -> bool:
    """Read what Evolution stored in that time and let the inbox have what we lack; what fails is tried again soon."""
    if comparison.compared_until >= comparison.until:
        # Nothing is old enough yet.
        _come_back(comparison)
        return True
    try:
        _read(servers.client_for(comparison.server_id), comparison)
    except (EvolutionError, Unreadable) as e:
        code = e.code if isinstance(e, EvolutionError) else servers.UNREADABLE_KEY
        log.info("stored messages not read", unit_id=str(comparison.unit_id), code=code)
        _come_back(comparison)
    except STORAGE_DOWN:
        log.exception("stored messages not taken over", unit_id=str(comparison.unit_id))
        _come_back(comparison)
    return True


def outline(connection: Connection, unit: Unit, *, is_late: bool = False) -> Comparison:
    """What a comparison of the unit would look at now."""
    compared_until = connection.compared_until or now()
    chats = [phone.PERSON_SUFFIX, phone.LID_SUFFIX]
    kept = {GROUP: unit.keeps_groups, STORIES: unit.keeps_stories, BROADCAST: unit.keeps_broadcasts}
    return Comparison(
        tenant_id=connection.tenant_id,
        unit_id=connection.unit_id,
        server_id=connection.evolution_server_id or servers.default_server_id(),
        instance_name=connection.instance_name or "",
        phone=connection.phone,
        compared_until=compared_until,
        since=max(compared_until - OVERLAP, now() - LONGEST),
        until=now() - SETTLED_AFTER,
        chats=(*chats, *(ending for ending, is_kept in kept.items() if is_kept)),
        is_late=is_late,
    )


def look_through(scope: TenantScope, comparison: Comparison, page: StoredPage) -> tuple[int, int]:
    """How many messages of one page should be here and are not, and how many are of chats that the unit leaves out."""
    difference = compare(scope, comparison.unit_id, _wanted(comparison, page))
    left_out = [record for record in page.records if not _chat_of(record).endswith(comparison.chats)]
    return len(difference.missed), len(left_out)


def hurry_after_downtime() -> bool:
    """When no worker was at work just before, compare every connected unit at once, as late as that is."""
    since = func.now() - DOWNTIME
    at_work = select(Relay.id).where(Relay.started_at < since, Relay.heartbeat_at > since)
    # In one order: of two workers that begin now each would wait for the other.
    later = (
        select(Connection.id)
        .where(Connection.status == ConnectionStatus.CONNECTED, Connection.compare_at.is_not(None))
        .order_by(Connection.id)
        .with_for_update()
    )
    with across_tenants("a downtime is every tenant's"), atomic():
        if db.session.scalar(at_work.limit(1)) is not None:
            return False
        overdue = update(Connection).where(Connection.id.in_(later)).values(compare_at=func.now() - 2 * DOWNTIME)
        db.session.execute(overdue.execution_options(synchronize_session=False))
    return True


def _comparison(connection: Connection, unit: Unit, due_at: datetime) -> Comparison:
    # Whoever was never compared begins now.
    connection.compared_until = connection.compared_until or now()
    return outline(connection, unit, is_late=due_at < now() - DOWNTIME)


def _read(client: EvolutionClient, comparison: Comparison) -> None:
    """From the last page, the oldest, to the first; when the list changes meanwhile, the rest is left for later.

    Evolution lists the newest first: what it stores late moves all that is older towards the next page.
    """
    hole = _Hole(max(comparison.compared_until, comparison.since))
    newest = _find(client, comparison, 1)
    for number in range(newest.pages, 1, -1):
        page = _find(client, comparison, number)
        if page.total != newest.total or not page.records:
            _come_back(comparison)
            return
        _take(comparison, page, hole, until=told_at(page.records[0]))
    _take(comparison, newest, hole, until=comparison.until)


def _find(client: EvolutionClient, comparison: Comparison, number: int) -> StoredPage:
    return client.find_messages(comparison.instance_name, since=comparison.since, until=comparison.until, page=number)


def _come_back(comparison: Comparison) -> None:
    with tenant_transaction(TenantScope(comparison.tenant_id)) as scope:
        rounds.note(scope, comparison, {"compare_at": now() + COME_BACK})


def _take(comparison: Comparison, page: StoredPage, hole: _Hole, *, until: datetime) -> None:
    """Hand the inbox what we lack of one page, and note how far the unit is compared."""
    stored = _wanted(comparison, page)
    scope = TenantScope(comparison.tenant_id)
    with across_tenants("the comparison names the tenant"), atomic():
        # Before the hole: the inbox holds the connection while it counts what came out of it.
        lock_connection(scope, comparison.unit_id)
        difference = compare(scope, comparison.unit_id, stored)
        records = [payload["data"] for payload in stored.values()]
        _note_hole(scope, comparison, hole, records=records, missed=difference.missed)
        for id_, payload in stored.items():
            if id_ in difference.news:
                _store(comparison, payload, hole.repair_id if id_ in difference.missed else None)
        _note_progress(scope, comparison, difference, until)
        if difference.news:
            on_commit(queue.wake_inbox)


def _wanted(comparison: Comparison, page: StoredPage) -> dict[str, dict[str, Any]]:
    """WhatsApp's id -> the event, of those of which the inbox makes messages, oldest first."""
    records = (record for record in reversed(page.records) if _is_wanted(comparison, record))
    return {record["key"]["id"]: _event(comparison, record) for record in records}


def _is_wanted(comparison: Comparison, record: dict[str, Any]) -> bool:
    """Whether the inbox makes a message of it."""
    key, chat = record.get("key") or {}, _chat_of(record)
    if chat == STORIES and STORIES not in comparison.chats:
        return False
    return bool(key.get("id")) and chat.endswith(comparison.chats) and record.get("messageType") not in NO_MESSAGES


def _chat_of(record: dict[str, Any]) -> str:
    return str((record.get("key") or {}).get("remoteJid") or "")


def _event(comparison: Comparison, record: dict[str, Any]) -> dict[str, Any]:
    return look_ups.event_of(record, instance_name=comparison.instance_name, own_phone=comparison.phone)


def _store(comparison: Comparison, payload: dict[str, Any], repair_id: UUID | None) -> None:
    whose = (comparison.tenant_id, comparison.unit_id, comparison.instance_name)
    events.store(*whose, payload["event"], payload, repair_id=repair_id)


def _note_hole(
    scope: TenantScope,
    comparison: Comparison,
    hole: _Hole,
    *,
    records: Sequence[dict[str, Any]],
    missed: Collection[str],
) -> None:
    """Follow the messages in their order: where we know them, where we do not, and where we know them again."""
    for record in records:
        at = told_at(record)
        if record["key"]["id"] in missed:
            hole.repair_id = hole.repair_id or _begin(scope, comparison, began_at=min(hole.known_at, at))
            hole.ended_at = None
        elif hole.repair_id is None:
            hole.known_at = at
        else:
            hole.ended_at = hole.ended_at or at
    if hole.repair_id is not None:
        this = scope.update(Repair).where(Repair.id == hole.repair_id)
        ended = this.values(ended_at=hole.ended_at or comparison.until)
        db.session.execute(ended.execution_options(synchronize_session=False))


def _begin(scope: TenantScope, comparison: Comparison, *, began_at: datetime) -> UUID:
    hole = repairs.note(scope, comparison.unit_id, RepairKind.HOLE, began_at=began_at)
    log.warning("messages were missed", unit_id=str(comparison.unit_id), repair_id=str(hole.id))
    return hole.id


def _note_progress(scope: TenantScope, comparison: Comparison, difference: Difference, until: datetime) -> None:
    columns: dict[str, Any] = {"compared_until": func.greatest(Connection.compared_until, until)}
    if until < comparison.until:
        # There are more pages: nobody else is to begin meanwhile.
        columns["compare_at"] = now() + timedelta(seconds=COMPARISONS.period_s)
    if difference.missed:
        # Why did they not come? Their webhook may be gone.
        columns |= {"check_at": now(), "webhook_checked_at": None}
    if until == comparison.until and (difference.missed or comparison.is_late):
        # What is younger than was looked at may be missing too.
        columns["compare_at"] = now() + COME_BACK
    rounds.note(scope, comparison, columns)
