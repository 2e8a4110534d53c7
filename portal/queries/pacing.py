"""How fast each unit's campaigns may go, and what of today's share is used."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func

from portal.clock import now
from portal.db import db
from portal.models import Lane, Message, MessageSource, Unit
from portal.owners import owned_by
from portal.pacing import Pace
from portal.queries import units
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class DayUse:
    """What a unit did today, by its own clock: turns that its campaigns took, and what else it sent.

    Only campaigns are held to the cap.
    """

    campaigns: int
    replies: int
    api: int


def pace_of(unit: Any) -> Pace:
    """The pace that a unit says, or a row with the same columns."""
    return Pace(
        min_s=unit.pace_min_s,
        max_s=unit.pace_max_s,
        daily_cap=unit.daily_cap,
        window_from=unit.window_from,
        window_to=unit.window_to,
        window_days=frozenset(unit.window_days),
        skips_holidays=unit.skips_holidays,
        warm_up_from=unit.warm_up_from,
        zone=unit.time_zone,
    )


def count_today(scope: TenantScope, unit: Unit) -> DayUse:
    """Count what the unit did since its midnight. Automatic answers count among the replies."""
    lane = db.session.scalars(scope.select(Lane).where(Lane.unit_id == unit.id)).one()
    is_of_today = lane.campaign_day == pace_of(unit).day_of(now())
    midnight = func.date_trunc("day", func.now(), unit.time_zone)
    sent = scope.along_ids(Message, Message.source, func.count().label("number")).where(
        Message.id >= units.first_id_of_today([unit]),
        owned_by(Message.unit_id, unit.id),
        Message.sent_at >= midnight,
    )
    by_source = Counter({row.source: row.number for row in db.session.execute(sent.group_by(Message.source))})
    return DayUse(
        campaigns=lane.campaign_count if is_of_today else 0,
        replies=by_source[MessageSource.PERSON] + by_source[MessageSource.AUTOMATIC],
        api=by_source[MessageSource.API],
    )
