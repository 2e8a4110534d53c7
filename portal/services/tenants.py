"""Companies as the operator runs them: opened, suspended, let go on, closed for good, and erased in the end."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from portal import queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.errors import Conflict, Invalid, NotFound
from portal.models import Campaign, Connection, ConnectionStatus, Tenant
from portal.services import access_grants, audit, campaign_states, connections
from portal.services.audit import Actor
from portal.services.units import checked_name, checked_slug
from portal.tenancy import TenantScope, across_tenants, acting_for

# So long a closed company can still be exported, and taken back.
USUAL_DAYS = 30
FEWEST_DAYS, MOST_DAYS = 7, 90
WHY = "operators run every company"
UNLINKED = (ConnectionStatus.NOT_CONFIGURED, ConnectionStatus.DISCONNECTED)


def list_tenants() -> list[Tenant]:
    """Every company by name, those that were erased at the end."""
    with across_tenants(WHY):
        return list(db.session.scalars(select(Tenant).order_by(Tenant.erased_at.is_not(None), Tenant.name)))


def get_tenant(tenant_id: UUID) -> Tenant:
    """Raises NotFound."""
    with across_tenants(WHY):
        tenant = db.session.scalar(select(Tenant).where(Tenant.id == tenant_id))
    if tenant is None:
        raise NotFound("no such tenant")
    return tenant


def create_tenant(*, name: str, slug: str, by: Actor) -> Tenant:
    """Open a company. Raises Invalid."""
    tenant = Tenant(name=checked_name(name), slug=checked_slug(slug))
    try:
        with across_tenants("a new tenant is nobody's yet"), atomic():
            db.session.add(tenant)
            db.session.flush()
            _record(tenant, "tenant.created", by, after={"name": tenant.name, "slug": tenant.slug})
    except IntegrityError as e:
        raise Invalid({"slug": _("Another tenant already uses this short name.")}) from e
    return tenant


def suspend(tenant_id: UUID, *, by: Actor) -> None:
    """Let nobody of it in and nothing of it leave. What customers write is kept; what is in flight ends.

    Operators read no more either: what they were let read ends.

    Raises NotFound, and Conflict when it is suspended already.
    """
    with _held(tenant_id) as tenant:
        if tenant.suspended_at is not None:
            raise Conflict(_("This company is suspended already."))
        _suspend(tenant, by)


def resume(tenant_id: UUID, *, by: Actor) -> None:
    """Let it go on: what waited and is not too old yet is sent. Raises NotFound and Conflict."""
    with _held(tenant_id) as tenant:
        if tenant.closed_at is not None:
            raise Conflict(_("This company is closed. Take that back first."))
        if tenant.suspended_at is None:
            raise Conflict(_("This company is not suspended."))
        _record(tenant, "tenant.resumed", by, before={"suspended_at": tenant.suspended_at.isoformat()})
        tenant.suspended_at = None
        on_commit(queue.wake_outbox)


def close(tenant_id: UUID, *, days: int | None, by: Actor) -> None:
    """Suspend it for good, cancel its campaigns, unlink its numbers, and erase all it has after so many days.

    Raises NotFound, Conflict when it is closed already, and Invalid for an impossible number of days. Suspended first
    and closed last: whoever is interrupted in between has lost nothing, and closes it again.
    """
    days = _checked_days(days)
    with _held(tenant_id) as tenant:
        if tenant.closed_at is not None:
            raise Conflict(_("This company is closed already."))
        if tenant.suspended_at is None:
            _suspend(tenant, by)
    scope = TenantScope(tenant_id, user_id=by.user_id, address=by.address)
    _cancel_campaigns(scope)
    _unlink_numbers(scope)
    with _held(tenant_id) as tenant:
        # Somebody else may have been here while its numbers were unlinked.
        if tenant.closed_at is not None:
            raise Conflict(_("This company is closed already."))
        if tenant.suspended_at is None:
            _suspend(tenant, by)
        tenant.closed_at = now()
        tenant.erase_at = tenant.closed_at + timedelta(days=days)
        _record(tenant, "tenant.closed", by, after={"erase_at": tenant.erase_at.isoformat()})


def reopen(tenant_id: UUID, *, by: Actor) -> None:
    """Take the closing back, as long as nothing was erased. It stays suspended, and its numbers unlinked.

    Raises NotFound, and Conflict when it is not closed or when the erasure has begun.
    """
    with _held(tenant_id) as tenant:
        _check_closed(tenant)
        if _is_due(tenant):
            raise Conflict(_("The erasure has begun. It cannot be taken back."))
        _record(tenant, "tenant.reopened", by, before={"erase_at": _instant(tenant)})
        tenant.closed_at = tenant.erase_at = None


def erase_now(tenant_id: UUID, *, typed: str, by: Actor) -> None:
    """Do not wait for the end of its days. `typed` is its short name, by which a person shows which one they mean.

    Raises NotFound, Invalid when that is another one, and Conflict when it is not closed or being erased already.
    """
    with _held(tenant_id) as tenant:
        _check_closed(tenant)
        if typed.strip().lower() != tenant.slug:
            raise Invalid({"slug": _("This is not the company's short name.")})
        if _is_due(tenant):
            raise Conflict(_("Its data is being erased already."))
        _record(tenant, "tenant.erasure_hurried", by, before={"erase_at": _instant(tenant)})
        tenant.erase_at = now()
        on_commit(queue.wake_background)


@contextmanager
def _held(tenant_id: UUID) -> Iterator[Tenant]:
    """The company, changed by nobody else until the transaction ends."""
    with across_tenants(WHY), atomic():
        this = select(Tenant).where(Tenant.id == tenant_id).with_for_update()
        tenant = db.session.scalar(this.execution_options(populate_existing=True))
        if tenant is None:
            raise NotFound("no such tenant")
        if tenant.erased_at is not None:
            raise Conflict(_("The data of this company was erased."))
        yield tenant


def _suspend(tenant: Tenant, by: Actor) -> None:
    tenant.suspended_at = now()
    # Nobody of it gets in any more to end them.
    access_grants.end(_scope(tenant, by))
    _record(tenant, "tenant.suspended", by, after={"suspended_at": tenant.suspended_at.isoformat()})


def _cancel_campaigns(scope: TenantScope) -> None:
    with acting_for(scope):
        is_open = Campaign.state.in_(campaign_states.OPEN)
        ids = db.session.scalars(scope.select(Campaign, Campaign.id).where(is_open).order_by(Campaign.id)).all()
        for campaign_id in ids:
            # It may have come to its end by now.
            with suppress(Conflict):
                campaign_states.cancel(scope, campaign_id)


def _unlink_numbers(scope: TenantScope) -> None:
    with acting_for(scope):
        linked = scope.select(Connection, Connection.unit_id).where(Connection.status.not_in(UNLINKED))
        for unit_id in db.session.scalars(linked.order_by(Connection.unit_id)).all():
            with suppress(Conflict):
                connections.request_disconnect(scope, unit_id)


def _checked_days(days: int | None) -> int:
    if days is None or not FEWEST_DAYS <= days <= MOST_DAYS:
        message = _("Give a number of days from %(fewest)s to %(most)s.", fewest=FEWEST_DAYS, most=MOST_DAYS)
        raise Invalid({"days": message})
    return days


def _check_closed(tenant: Tenant) -> None:
    if tenant.closed_at is None:
        raise Conflict(_("This company is not closed."))


def _is_due(tenant: Tenant) -> bool:
    """By the database's clock, as whoever erases it: no two machines' clocks are the same."""
    due = select(Tenant.erase_at <= func.clock_timestamp()).where(Tenant.id == tenant.id)
    return bool(db.session.scalar(due))


def _instant(tenant: Tenant) -> str | None:
    return tenant.erase_at.isoformat() if tenant.erase_at else None


def _record(tenant: Tenant, action: str, by: Actor, **change: dict[str, object]) -> None:
    """In the company's own log and in that of the operators, which outlives it."""
    subject = ("tenant", tenant.id)
    audit.record(_scope(tenant, by), action, subject, **change)
    audit.record_for_operator(by, action, subject, **change)


def _scope(tenant: Tenant, by: Actor) -> TenantScope:
    return TenantScope(tenant.id, user_id=by.user_id, address=by.address)
