"""One look at a unit at a time: what a second one would ask Evolution is being asked already."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import redis
from flask_babel import gettext as _

from portal.errors import Conflict
from portal.extensions import parts

# Longer than a look takes: a process that dies in one keeps the others out for no longer than this.
LONGEST_S = 20.0


@contextmanager
def of(unit_id: UUID) -> Iterator[None]:
    """Have the unit to oneself. Raises Conflict at once while somebody else has it.

    Without Redis everybody may look: a diagnosis is needed most while something is away.
    """
    turn = parts.redis.lock(f"diagnosis:{unit_id}", timeout=LONGEST_S, blocking=False)
    with suppress(redis.RedisError):
        if not turn.acquire():
            raise Conflict(_("Somebody is looking at this unit just now. Look again in a moment."))
    try:
        yield
    finally:
        # It may have ended by itself, or never begun.
        with suppress(redis.RedisError):
            turn.release()
