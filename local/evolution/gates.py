"""What stands before the whole API: a hanging server, a missing licence."""

from flask import Response, request

from local.evolution.errors import to_response
from local.evolution.faults import FaultName
from local.evolution.guards import simulator
from local.evolution.wires import hang

TOOL = ("/simulator", "/phone", "/static")
OPEN_WITHOUT_LICENCE = ("/manager", "/assets", "/license")
INSTALLATION_ID = "00000000-0000-4000-8000-000000000000"


def stand_before() -> Response | None:
    """Stop a request to Evolution before any guard; the simulator's own pages and API are never stopped."""
    if request.path.startswith(TOOL):
        return None
    faults = simulator().faults
    if faults.strikes(FaultName.HANG_ALL):
        return hang()
    if needs_licence(request.path) and faults.strikes(FaultName.LICENCE):
        return to_response(licence_json(), 503)
    return None


def needs_licence(path: str) -> bool:
    """Tell whether a route is closed until Evolution was activated."""
    return path != "/" and not path.startswith(OPEN_WITHOUT_LICENCE)


def licence_json() -> dict[str, str]:
    """Write the refusal of an Evolution that was not activated. Source: 2.4.0."""
    return {
        "error": "service not activated",
        "code": "LICENSE_REQUIRED",
        "register_url": f"{request.host_url}manager/login",
        "instance_id": INSTALLATION_ID,
        "docs_url": "https://docs.example.test/licensing",
        "message": "This service is not activated. Sign in to the manager to activate it.",
    }
