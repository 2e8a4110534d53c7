"""Whether the parts that the portal stands on answer, as far as this process and the rows can tell."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import redis
from sqlalchemy import CompoundSelect, func, select
from sqlalchemy.exc import SQLAlchemyError

from portal.clock import now
from portal.db import db
from portal.extensions import parts
from portal.models import Connection, EvolutionServer, Lane, Relay, StatusReason
from portal.queue import QUEUES
from portal.tenancy import across_tenants

OLDEST_HEARTBEAT = timedelta(seconds=15)
EVOLUTION_TROUBLE = (
    StatusReason.EVOLUTION_UNREACHABLE,
    StatusReason.EVOLUTION_KEY_REFUSED,
    StatusReason.EVOLUTION_NOT_LICENSED,
)
# What a unit said longer ago than this tells nothing about now.
TROUBLE_COUNTS_FOR = timedelta(minutes=15)


@dataclass(frozen=True)
class PartCheck:
    """One part, whether it answers, and one line about it."""

    name: str
    is_ok: bool
    detail: str


def check_parts() -> list[PartCheck]:
    """Look at the database, Redis, the workers' heartbeats, and what units last learned about Evolution."""
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "database": _check_database,
        "redis": _check_redis,
        "worker": _check_workers,
        "evolution": _check_evolution,
    }
    return [_checked(name, check) for name, check in checks.items()]


def _checked(name: str, check: Callable[[], tuple[bool, str]]) -> PartCheck:
    try:
        return PartCheck(name, *check())
    except SQLAlchemyError:
        return PartCheck(name, False, "not known: the database does not answer")
    except redis.RedisError:
        return PartCheck(name, False, "Redis does not answer")


def _check_database() -> tuple[bool, str]:
    began_at = time.monotonic()
    with across_tenants("readiness asks for no tenant's rows"):
        db.session.scalar(select(func.now()))
    return True, f"answered in {_elapsed_ms(began_at)} ms"


def _check_redis() -> tuple[bool, str]:
    began_at = time.monotonic()
    parts.redis.ping()
    return True, f"answered in {_elapsed_ms(began_at)} ms"


def worker_ages_s() -> dict[str, float]:
    """Queue -> how long ago the worker of it that was heard last was heard; one that never was is left out."""
    # The database's own clock on both sides: the workers may run on other machines.
    age_s = func.extract("epoch", func.clock_timestamp() - func.max(Relay.heartbeat_at))
    with across_tenants("workers serve every tenant"):
        ages = db.session.execute(select(Relay.queue, age_s).group_by(Relay.queue))
        return {queue: float(age) for queue, age in ages}


def _check_workers() -> tuple[bool, str]:
    ages = worker_ages_s()
    lines = [f"{queue}: {_heard(ages.get(queue))}" for queue in QUEUES]
    is_ok = all(ages.get(queue, float("inf")) < OLDEST_HEARTBEAT.total_seconds() for queue in QUEUES)
    return is_ok, ", ".join(lines)


def _check_evolution() -> tuple[bool, str]:
    reported = _reported_trouble().subquery()
    reason = reported.c.status_reason
    paused = select(EvolutionServer.name, EvolutionServer.pause_reason).where(EvolutionServer.pause_reason.is_not(None))
    with across_tenants("readiness counts every unit and server"):
        troubles = [
            f"server {name} is paused: {why}"
            for name, why in db.session.execute(paused.order_by(EvolutionServer.name)).all()
        ]
        units = db.session.execute(select(reason, func.count()).group_by(reason).order_by(reason)).all()
    troubles += [f"{why}: {count} unit(s)" for why, count in units]
    if not troubles:
        minutes = int(TROUBLE_COUNTS_FOR.total_seconds() // 60)
        return True, f"no server is paused, and no unit reported trouble in the last {minutes} minutes"
    return False, ", ".join(troubles)


def _reported_trouble() -> CompoundSelect[StatusReason | None, UUID]:
    """(reason, unit) of those that could not connect, and of those that could not send."""
    since = now() - TROUBLE_COUNTS_FOR
    said_at = func.greatest(Connection.instance_made_at, Connection.disconnected_at, Connection.last_event_at)
    of_connections = select(Connection.status_reason, Connection.unit_id).where(
        Connection.status_reason.in_(EVOLUTION_TROUBLE), said_at > since
    )
    of_lanes = select(Lane.away_reason, Lane.unit_id).where(
        Lane.away_reason.in_(EVOLUTION_TROUBLE), Lane.is_open, Lane.next_send_at > since
    )
    return of_connections.union(of_lanes)


def _heard(age_s: float | None) -> str:
    return "never heard" if age_s is None else f"heard {age_s:.0f} s ago"


def _elapsed_ms(began_at: float) -> float:
    return round((time.monotonic() - began_at) * 1000, 1)
