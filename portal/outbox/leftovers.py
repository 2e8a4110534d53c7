"""Instances that their units left behind, for a new pairing or for another server, and that have to go at Evolution.

The connection's row says what is left: its `previous_evolution_server_id` stands until the instance is gone there.
A server that is away is tried again for a day, since an instance that nobody removes stays linked to the phone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select

from portal.clock import now
from portal.db import db
from portal.evolution import errors
from portal.evolution.errors import EvolutionError
from portal.models import Connection, ConnectionAction
from portal.outbox import servers
from portal.secrets import Unreadable
from portal.services.connections import PREVIOUS_INSTANCE_ACCEPTED_FOR
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 4
# The connect that replaced it tries first.
AFTER = timedelta(seconds=30)
GIVEN_UP_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Leftover:
    """An instance that its unit does not use any more, and the server it is on."""

    tenant_id: UUID
    unit_id: UUID
    instance_name: str
    server_id: UUID


def of(connection: Connection) -> Leftover | None:
    """What the unit left behind, if that is not gone yet."""
    if connection.previous_evolution_server_id is None or connection.previous_instance_name is None:
        return None
    return Leftover(
        tenant_id=connection.tenant_id,
        unit_id=connection.unit_id,
        instance_name=connection.previous_instance_name,
        server_id=connection.previous_evolution_server_id,
    )


def due(*, limit: int, busy_servers: Collection[UUID]) -> list[Leftover]:
    """Some that are still there, by chance, so that those which fail do not hold up the others.

    Nobody owns them: removing one twice does no harm.
    """
    replaced_at = Connection.previous_accepted_until - PREVIOUS_INSTANCE_ACCEPTED_FOR
    # While the new one is not made, the old one still brings messages, as long as those are accepted.
    is_of_no_use = Connection.qr_updated_at.is_not(None) | (Connection.previous_accepted_until < func.now())
    left = (
        select(Connection)
        .where(
            Connection.previous_evolution_server_id.is_not(None),
            Connection.previous_evolution_server_id.not_in(busy_servers),
            Connection.action.is_distinct_from(ConnectionAction.CONNECT),
            replaced_at < func.now() - AFTER,
            is_of_no_use,
        )
        .order_by(func.random())
        .limit(min(limit, MOST_AT_ONCE))
        .execution_options(populate_existing=True)
    )
    with across_tenants("units of every tenant leave instances behind"):
        return [found for row in db.session.scalars(left) if (found := of(row)) is not None]


def remove(leftover: Leftover) -> None:
    """Remove it at Evolution. What fails stays on the row, to be tried again; after a day it is given up."""
    try:
        servers.client_for(leftover.server_id).delete_instance(leftover.instance_name)
    except (EvolutionError, Unreadable) as e:
        code = e.code if isinstance(e, EvolutionError) else servers.UNREADABLE_KEY
        if code != errors.INSTANCE_UNKNOWN:
            _note_failure(leftover, code)
            return
    _forget(leftover, replaced_before=None)


def _note_failure(leftover: Leftover, code: str) -> None:
    is_given_up = _forget(leftover, replaced_before=now() - GIVEN_UP_AFTER)
    what = "old instance given up" if is_given_up else "old instance not removed"
    log.warning(what, unit_id=str(leftover.unit_id), server_id=str(leftover.server_id), code=code)


def _forget(leftover: Leftover, *, replaced_before: object) -> bool:
    """Take it off the row, unless a newer one stands there meanwhile; only if it is that old, when a time is given."""
    with tenant_transaction(TenantScope(leftover.tenant_id)) as scope:
        this = scope.update(Connection).where(
            Connection.unit_id == leftover.unit_id, Connection.previous_instance_name == leftover.instance_name
        )
        if replaced_before is not None:
            this = this.where(Connection.previous_accepted_until - PREVIOUS_INSTANCE_ACCEPTED_FOR < replaced_before)
        gone = this.values(previous_evolution_server_id=None).returning(Connection.id)
        return db.session.scalar(gone.execution_options(synchronize_session=False)) is not None
