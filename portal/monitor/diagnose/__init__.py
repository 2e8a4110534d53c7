"""What is wrong with a unit: the causes of the four incidents, looked for in rows and at Evolution, and their fixes."""

from uuid import UUID

from portal.db import end_read
from portal.monitor.diagnose import asking, campaigns, facts, inbound, outbound, turns, unconnected
from portal.monitor.diagnose.findings import CAUSES_OF, FIX_OF, Cause, Diagnosis, Finding, Fix, Incident
from portal.tenancy import TenantScope

__all__ = ["CAUSES_OF", "FIX_OF", "Cause", "Diagnosis", "Finding", "Fix", "Incident", "run"]


def run(scope: TenantScope, unit_id: UUID) -> Diagnosis:
    """Look for every cause now. Evolution has ten seconds at most, and no connection is held while it is asked.

    The scope must be bound, outside any transaction. Raises NotFound, and Conflict while somebody else looks.
    """
    with turns.of(unit_id):
        found = facts.read(scope, unit_id)
        question = asking.prepare(found)
        end_read()
        answer = asking.ask(question)
        asking.look_through(scope, question, answer)
        end_read()
    findings = (
        *unconnected.look(found, answer),
        *inbound.look(found, answer),
        *outbound.look(found, answer),
        *campaigns.look(found),
    )
    return Diagnosis(found.at, findings)
