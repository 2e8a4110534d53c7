"""What was put right is kept with its unit."""

from portal.clock import now
from portal.models import Repair, RepairKind
from portal.services import repairs
from portal.tenancy import tenant_transaction
from tests.factories import make_tenant, make_unit


def test_a_repair_is_kept_with_what_was_found_and_when() -> None:
    scope = make_tenant()
    unit, at = make_unit(scope), now()

    with tenant_transaction(scope):
        state = repairs.note(scope, unit.id, RepairKind.STATE, before="connected", after="disconnected")
        hole = repairs.note(scope, unit.id, RepairKind.HOLE, began_at=at, ended_at=at)
        kept = [scope.get(Repair, one.id) for one in (state, hole)]

    assert [(one.kind, one.before, one.after) for one in kept] == [
        ("state", "connected", "disconnected"),
        ("hole", None, None),
    ]
    assert (kept[1].began_at, kept[1].ended_at, kept[1].found) == (at, at, 0)
    assert {one.tenant_id for one in kept} == {scope.tenant_id}
