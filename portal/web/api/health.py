"""Whether this process answers, and whether the parts it stands on do."""

import time
from typing import Any

from marshmallow import fields

from portal import __version__
from portal.queries import health
from portal.web.access import public
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.fields import CamelSchema

bp = ApiBlueprint("health", title="Health", description="Whether the portal runs.", is_open=True)
STARTED_AT = time.monotonic()


class HealthAnswer(CamelSchema):
    status = fields.String()
    uptime = fields.Float(metadata={"description": "Seconds."})
    version = fields.String()


class CheckAnswer(CamelSchema):
    name = fields.String()
    ok = fields.Boolean(attribute="is_ok")
    detail = fields.String()


class ReadyAnswer(CamelSchema):
    status = fields.String(metadata={"enum": ["ready", "not_ready"]})
    checks = fields.List(fields.Nested(CheckAnswer))


@bp.call("GET", "/health", access=public, operation="getHealth", answer=HealthAnswer)
def alive() -> dict[str, Any]:
    """See whether the portal answers.

    Touches neither the database nor Redis.
    """
    return {"status": "ok", "uptime": round(time.monotonic() - STARTED_AT, 1), "version": __version__}


@bp.call("GET", "/ready", access=public, operation="getReadiness", answer=ReadyAnswer, also=(503,))
def ready() -> tuple[dict[str, Any], int]:
    """See whether all that the portal needs is there.

    Tells of the database, Redis, the worker, and Evolution as the units last found it. 503 when one is not well.
    """
    checks = health.check_parts()
    is_ready = all(check.is_ok for check in checks)
    return {"status": "ready" if is_ready else "not_ready", "checks": checks}, 200 if is_ready else 503
