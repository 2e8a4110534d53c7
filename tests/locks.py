"""Whether somebody waits for a lock."""

import time
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Boolean, Integer, String, column, func, select, table

from portal.db import db
from portal.tenancy import across_tenants


def wait_until_one_waits(for_: Future[Any]) -> None:
    """Until a connection to this database waits for another one's lock, or nothing waits any more."""
    locks = table("pg_locks", column("pid", Integer), column("granted", Boolean))
    activity = table("pg_stat_activity", column("pid", Integer), column("datname", String))
    waiting = select(func.count()).select_from(locks).join(activity, activity.c.pid == locks.c.pid)
    waiting = waiting.where(activity.c.datname == func.current_database(), ~locks.c.granted)
    ends_at = time.monotonic() + 10
    with across_tenants("a test looks"):
        while not for_.done() and db.session.scalar(waiting) == 0 and time.monotonic() < ends_at:
            db.session.rollback()
            time.sleep(0.02)
