"""Releases, counts and looks as tests of the watch need them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert, update

from portal import counters
from portal.clock import now
from portal.counters import Counted
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import Alert, Checkpoint, Evidence, Level, MetricMinute, Relay, Release
from portal.monitor import flusher, metrics
from portal.monitor.metrics import METRICS, VERDICTS, Look, Reading
from portal.queries.releases import checkpoints_of, current
from portal.queue import QUEUES
from portal.tenancy import across_tenants

# As many as are critical, by the thresholds.
MANY = 200
DEFAULT_MINUTES = (10.0, 20.0, 30.0, 60.0)


def use_settings(patch: pytest.MonkeyPatch, **changes: object) -> None:
    patch.setattr(parts, "config", replace(parts.config, **changes))


def count(**counted: int) -> None:
    """Let it be counted so often by a process, and written down."""
    counters.take()
    for name, number in counted.items():
        counters.count(Counted(name), number)
    flusher.flush()


def start_workers(*queues: str, at: datetime | None = None, heard_at: datetime | None = None) -> None:
    """A process that lives for each of these queues, or for all of them."""
    times = {"started_at": at or now(), "heartbeat_at": heard_at or now()}
    with across_tenants("a test starts workers"), atomic():
        db.session.execute(insert(Relay), [{"id": uuid4(), "queue": queue, **times} for queue in queues or QUEUES])


def make_look(levels: Mapping[str, Level] | None = None, *, value: str = "7") -> Look:
    """A look at a portal that is well but for these metrics."""
    levels = levels or {}
    readings = [Reading(name, levels.get(name, Level.OK), value, "as counted") for name in METRICS if name != "overall"]
    overall = metrics.judge(readings)
    reasons = tuple(f"{one.metric} {one.value}" for one in readings if one.level != Level.OK)
    return Look(now(), now(), (*readings, overall), {}, VERDICTS[overall.level], reasons)


def pass_time(minutes: float) -> None:
    """Let everything about releases, alerts and counts have happened so much earlier."""
    by = timedelta(minutes=minutes)
    with across_tenants("a test lets time pass"), atomic():
        for column in (
            Release.registered_at,
            Checkpoint.due_at,
            Checkpoint.checked_at,
            Evidence.created_at,
            MetricMinute.minute,
            Alert.opened_at,
            Alert.acknowledged_at,
        ):
            earlier = update(column.class_).values({column.key: column - by})
            db.session.execute(earlier.execution_options(synchronize_session=False))
    db.session.expire_all()


def the_release() -> Release:
    release = current()
    assert release is not None
    return release


def checkpoint(number: int = 1) -> Checkpoint:
    """Of the newest release."""
    return checkpoints_of(the_release().id)[number - 1]
