"""Campaigns take their turn: of each unit whose pace allows it, the next recipient becomes a message.

Whoever waits for the next one is a time in the lane's row: thousands of units pace on one process.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from portal.clock import now
from portal.db import atomic, db
from portal.models import CAMPAIGN_PRIORITY
from portal.outbox import campaign_statements as statements
from portal.pacing import next_slot
from portal.queries.pacing import pace_of
from portal.services.conversations import LONGEST_PREVIEW
from portal.tenancy import across_tenants

# A turn comes this much before the message may leave, which the claim sees to: so nothing is early, and nothing late
# for the time between two looks.
AHEAD_S = 0.15
# As many lanes as one look takes: twenty looks a second let 2,000 recipients have their turn.
MOST = 100
# A window that never opens is looked at again, in case somebody changes it.
NEVER = timedelta(days=1)


@dataclass(frozen=True)
class _Turn:
    """A unit whose time has come: since when, the day that it is there, and until when today its window is open."""

    unit_id: UUID
    due_at: datetime
    day: date
    until: datetime


@dataclass(frozen=True)
class _Later:
    """A unit whose lane is to be looked at then, or not before a campaign begins there."""

    unit_id: UUID
    at: datetime | None = None
    until: datetime | None = None
    # The day on which the message that waits there counts.
    day: date | None = None


def feed(servers: Iterable[UUID]) -> int:
    """Let the next recipients of units of these servers become messages; returns how many had their turn."""
    at = now()
    with across_tenants("campaigns of every tenant take their turn"), atomic():
        due = {"servers": list(servers), "most": MOST, "ahead_s": AHEAD_S, "priority": CAMPAIGN_PRIORITY}
        units = list(db.session.scalars(statements.LOCK_DUE_UNITS, due))
        if not units:
            return 0
        reading = {"units": units, "priority": CAMPAIGN_PRIORITY, "ahead_s": AHEAD_S}
        turns, later = _judge(db.session.execute(statements.READ_TURNS, reading), at)
        fed = _feed(turns, at) if turns else set()
        # Nobody is left of the others: their lanes rest until a campaign begins, which must not cut the gap short.
        idle = (turn for turn in turns if turn.unit_id not in fed and turn.due_at <= at)
        _retime([*later, *(_Later(turn.unit_id) for turn in idle)])
    return len(fed)


def _judge(rows: Iterable[Any], at: datetime) -> tuple[list[_Turn], list[_Later]]:
    """Whose turn it is, and when the others are looked at again."""
    turns, later = [], []
    for row in rows:
        pace = pace_of(row)
        day = pace.day_of(at)
        slot = next_slot(pace, at, sent_today=_sent_on(day, row))
        if slot is None:
            later.append(_Later(row.id, at + NEVER, at))
        elif slot.opens > at:
            later.append(_Later(row.id, slot.opens, slot.closes))
        elif not row.is_waiting:
            turns.append(_Turn(row.id, row.campaign_at, day, slot.closes))
        elif (row.campaign_until, row.campaign_day) != (slot.closes, day):
            # The last message still waits, say behind replies, and the next day has begun.
            later.append(_Later(row.id, row.campaign_at, slot.closes, day))
    return turns, later


def _sent_on(day: date, row: Any) -> int:
    """How much of the day's share is used by what has left: not by what waits and is counted already."""
    counted: int = row.campaign_count if row.campaign_day == day else 0
    return max(0, counted - bool(row.is_waiting))


def _retime(later: list[_Later]) -> None:
    if later:
        values = {
            "units": [one.unit_id for one in later],
            "times": [one.at for one in later],
            "untils": [one.until for one in later],
            "days": [one.day for one in later],
            "priority": CAMPAIGN_PRIORITY,
        }
        db.session.execute(statements.RETIME, values)


def _feed(turns: list[_Turn], at: datetime) -> set[UUID]:
    values = {
        "units": [turn.unit_id for turn in turns],
        "messages": [uuid7() for _ in turns],
        "conversations": [uuid7() for _ in turns],
        "days": [turn.day for turn in turns],
        "untils": [turn.until for turn in turns],
        "at": at,
        "longest_preview": LONGEST_PREVIEW,
        "priority": CAMPAIGN_PRIORITY,
    }
    return {row.unit_id for row in db.session.execute(statements.FEED, values)}
