"""The units that the caller may see."""

from flask import g

from portal.permissions import Permission
from portal.services import operators
from portal.services.operators import VisibleUnit
from portal.web.access import requires
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.schemas import UnitAnswer

bp = ApiBlueprint("units", url_prefix="/admin", description="Units")


@bp.call("GET", "/units", access=requires(Permission.VIEW_UNITS), answer=UnitAnswer(many=True))
def list_units() -> list[VisibleUnit]:
    return operators.list_units_for(g.account)
