"""A unit that is diagnosed and put right, and what its worker does meanwhile."""

from datetime import timedelta
from typing import Any, Self

from local.evolution.model import Instance
from portal.clock import now
from portal.db import atomic, db
from portal.inbox import relay as inbox
from portal.models import Connection, ConnectionStatus, StatusReason, Unit
from portal.monitor import diagnose
from portal.monitor.diagnose import CAUSES_OF, Cause, Diagnosis, Finding, Fix, Incident, fixes
from portal.outbox import backfill, instances, reconcile, servers
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit
from tests.outbox.desk import OWNER, Desk, Evolution, link
from tests.outbox.rounds import instance_of


class Patient:
    """The unit, its instance at the simulator, and the steps from a complaint to its end."""

    def __init__(self, scope: TenantScope, unit: Unit, evolution: Evolution) -> None:
        self.scope, self.unit, self.evolution = scope, unit, evolution
        self.desk = Desk(scope, unit)

    def link(self) -> Self:
        """Connect and scan, and let the first round of the worker find all well."""
        link(self.desk, self.evolution)
        self.work()
        return self

    def link_again(self) -> None:
        """What Evolution tells once the connection is open again."""
        self.desk.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    def other_unit(self) -> Unit:
        """One more unit of the company, which is shown as connected."""
        return make_connected_unit(self.scope, "praia", phone="5511999990009")

    @property
    def instance(self) -> Instance:
        return instance_of(self.evolution, self.desk.name)

    def change(self, model: Any = Connection, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            this = self.scope.update(model).where(model.unit_id == self.unit.id)
            db.session.execute(this.values(columns).execution_options(synchronize_session=False))

    def set_unit(self, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            db.session.execute(self.scope.update(Unit).where(Unit.id == self.unit.id).values(columns))

    def look(self) -> Diagnosis:
        with acting_for(self.scope) as scope:
            found = diagnose.run(scope, self.unit.id)
        for incident in Incident:
            causes = list(dict.fromkeys(finding.cause for finding in found.of(incident)))
            assert causes == [cause for cause in CAUSES_OF[incident] if cause in causes]
        return found

    def trouble(self, incident: Incident) -> set[Cause]:
        """What somebody, or a fix, has to do something about."""
        return {finding.cause for finding in self.look().of(incident) if finding.is_trouble}

    def find(self, incident: Incident, cause: Cause) -> Finding:
        return next(finding for finding in self.look().of(incident) if finding.cause == cause)

    def apply(self, fix: Fix) -> None:
        with acting_for(self.scope) as scope:
            fixes.apply(scope, self.unit.id, fix)

    def fix(self, incident: Incident, cause: Cause) -> Finding:
        """Do what is proposed about that cause, let the worker work, and look for the cause again."""
        finding = self.find(incident, cause)
        assert finding.is_found
        assert finding.fix is not None
        self.apply(finding.fix)
        self.work()
        return self.find(incident, cause)

    def work(self) -> None:
        """One round of a worker."""
        for wish in instances.claim_actions(OWNER, limit=5):
            instances.carry_out(wish)
        for check in reconcile.claim():
            reconcile.carry_out(check)
        for comparison in backfill.claim():
            backfill.carry_out(comparison)
        for server_id in servers.claim_checks():
            servers.check(server_id)
        while inbox.drain():
            pass


def ago(**span: float) -> Any:
    return now() - timedelta(**span)
