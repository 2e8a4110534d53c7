"""What can be done about a cause. Each may be done again and again, and nothing is ever sent twice by it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

from portal.clock import now
from portal.errors import Conflict
from portal.monitor.diagnose import campaigns
from portal.monitor.diagnose.facts import LATELY, failed_and_free, read
from portal.monitor.diagnose.findings import Fix
from portal.monitor.diagnose.outbound import FOR_NOW
from portal.outbox import campaign_watch, owners
from portal.queries.units import get_connection
from portal.services import campaign_states, connections, remedies, servers, webhook_secrets
from portal.tenancy import TenantScope, across_tenants


def apply(scope: TenantScope, unit_id: UUID, fix: Fix) -> None:
    """Do it now, or let a worker do it at once. Raises Conflict where the unit's state does not allow it any more."""
    _DO[fix](scope, unit_id)


def _check(scope: TenantScope, unit_id: UUID) -> None:
    remedies.check_now(scope, unit_id)


def _check_server(scope: TenantScope, unit_id: UUID) -> None:
    server_id = get_connection(scope, unit_id).evolution_server_id
    if server_id is not None:
        remedies.note(scope, unit_id, Fix.CHECK_SERVER)
        servers.request_check(server_id)


def _restart(scope: TenantScope, unit_id: UUID) -> None:
    connections.request_restart(scope, unit_id)


def _rotate(scope: TenantScope, unit_id: UUID) -> None:
    """A new secret in both places; where that has to wait, the present one is registered anew."""
    try:
        webhook_secrets.rotate(scope, unit_id)
    except Conflict:
        remedies.check_now(scope, unit_id)


def _fetch(scope: TenantScope, unit_id: UUID) -> None:
    remedies.fetch_missed(scope, unit_id)


def _replay(scope: TenantScope, unit_id: UUID) -> None:
    remedies.replay_parked(scope, unit_id)


def _wake(scope: TenantScope, unit_id: UUID) -> None:
    remedies.wake_lane(scope, unit_id)


def _settle(scope: TenantScope, unit_id: UUID) -> None:
    """What a dead worker was sending is in doubt from now on, and never sent again by itself."""
    remedies.note(scope, unit_id, Fix.SETTLE)
    owners.bury_dead()


def _requeue(scope: TenantScope, unit_id: UUID) -> None:
    """Those that surely did not leave, for a reason that is not their own; not where a campaign was stopped."""
    wanted = failed_and_free(unit_id, since=now() - LATELY)
    for reason in sorted(FOR_NOW):
        remedies.requeue(scope, unit_id, replace(wanted, reason=reason))


def _complete(scope: TenantScope, unit_id: UUID) -> None:
    remedies.note(scope, unit_id, Fix.COMPLETE)
    with across_tenants("campaigns of every tenant end when nobody is left"):
        campaign_watch.complete()


def _resume(scope: TenantScope, unit_id: UUID) -> None:
    for campaign in campaigns.resumable(read(scope, unit_id)):
        campaign_states.resume(scope, campaign.id)


_DO: Mapping[Fix, Callable[[TenantScope, UUID], None]] = {
    Fix.CHECK: _check,
    Fix.CHECK_SERVER: _check_server,
    Fix.RESTART: _restart,
    Fix.ROTATE: _rotate,
    Fix.FETCH: _fetch,
    Fix.REPLAY: _replay,
    Fix.WAKE: _wake,
    Fix.SETTLE: _settle,
    Fix.REQUEUE: _requeue,
    Fix.COMPLETE: _complete,
    Fix.RESUME: _resume,
}
