"""The units that the caller may see."""

from flask import g

from portal.permissions import Permission
from portal.services import operators
from portal.services.operators import VisibleUnit
from portal.web.access import requires
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.schemas import UnitAnswer

bp = ApiBlueprint(
    "units", title="Units", description="The branches of a company, each with its WhatsApp number.", url_prefix="/admin"
)


@bp.call(
    "GET",
    "/units",
    access=requires(Permission.VIEW_UNITS),
    operation="listUnits",
    answer=UnitAnswer(many=True),
)
def list_units() -> list[VisibleUnit]:
    """List the units that you may see: all of them, in one array."""
    return operators.list_units_for(g.account)
