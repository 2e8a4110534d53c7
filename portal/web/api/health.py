"""Whether this process answers, and whether the parts it stands on do."""

import time
from typing import Any

from marshmallow import fields

from portal import __version__
from portal.queries import health
from portal.web.access import public
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.fields import CamelSchema

bp = ApiBlueprint("health", is_open=True, description="Health")
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


@bp.call("GET", "/health", access=public, answer=HealthAnswer)
def alive() -> dict[str, Any]:
    return {"status": "ok", "uptime": round(time.monotonic() - STARTED_AT, 1), "version": __version__}


@bp.call("GET", "/ready", access=public, answer=ReadyAnswer, also=(503,))
def ready() -> tuple[dict[str, Any], int]:
    checks = health.check_parts()
    is_ready = all(check.is_ok for check in checks)
    return {"status": "ready" if is_ready else "not_ready", "checks": checks}, 200 if is_ready else 503
