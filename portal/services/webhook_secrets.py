"""A new secret for the webhooks that Evolution posts about a unit; the one before goes on for half an hour."""

from collections.abc import Iterator
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, select

from portal import queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.errors import Conflict, NotFound
from portal.extensions import parts
from portal.models import Connection, Tenant, Unit
from portal.secrets import fingerprint, new_secret
from portal.services import audit
from portal.services.connections import PREVIOUS_INSTANCE_ACCEPTED_FOR, lock_connection
from portal.tenancy import TenantScope, across_tenants, acting_for


def rotate(scope: TenantScope, unit_id: UUID) -> None:
    """Make it now; the check that is due at once registers it at Evolution (`outbox/reconcile.py`).

    Raises NotFound, and Conflict where there is nothing to renew or the one before the last is still accepted.
    """
    with atomic():
        connection = lock_connection(scope, unit_id)
        _refuse_too_early(connection)
        secret = new_secret()
        connection.previous_instance_name = connection.instance_name
        connection.previous_webhook_secret_hash = connection.webhook_secret_hash
        connection.previous_accepted_until = now() + PREVIOUS_INSTANCE_ACCEPTED_FOR
        connection.webhook_secret_hash = fingerprint(secret)
        connection.webhook_secret_encrypted = parts.vault.encrypt(secret)
        connection.check_at, connection.webhook_checked_at = func.now(), None
        audit.record(scope, "connection.webhook_secret_rotated", ("unit", unit_id))
        on_commit(queue.wake_outbox)


def rotate_many(*, tenant_slug: str | None = None, unit_slug: str | None = None) -> Iterator[tuple[str, str | None]]:
    """TENANT/UNIT of every unit with a connection, or of those that are named, and why it has no new secret."""
    found = (
        select(Tenant.slug, Unit.slug, Unit.tenant_id, Unit.id)
        .join(Unit, Unit.tenant_id == Tenant.id)
        .join(Connection, (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id))
        .where(Connection.instance_name.is_not(None), Unit.archived_at.is_(None))
        .order_by(Tenant.slug, Unit.slug)
    )
    if tenant_slug:
        found = found.where(Tenant.slug == tenant_slug)
    if unit_slug:
        found = found.where(Unit.slug == unit_slug)
    with across_tenants("an operator renews the secrets of every tenant"):
        rows = db.session.execute(found).all()
    if not rows:
        raise NotFound(_("There is no unit with a connection."))
    for tenant, unit, tenant_id, unit_id in rows:
        yield f"{tenant}/{unit}", _refusal(TenantScope(tenant_id), unit_id)


def _refusal(scope: TenantScope, unit_id: UUID) -> str | None:
    try:
        with acting_for(scope):
            rotate(scope, unit_id)
    except Conflict as e:
        return e.message
    return None


def _refuse_too_early(connection: Connection) -> None:
    """One secret of before is kept, and it says too which old instance is still to be removed at Evolution."""
    until = connection.previous_accepted_until
    if connection.instance_name is None:
        raise Conflict(_("This unit has no connection whose secret could be renewed."))
    if connection.previous_evolution_server_id is not None or (until is not None and until > now()):
        raise Conflict(_("The secret was renewed a short time ago, or another phone was linked. Wait half an hour."))
