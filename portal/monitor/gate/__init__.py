"""The release gate: whether the code, its settings, its schema and what it stands on are fit to go live.

Each check is tried for real, on its own and within its own time: one that hangs, raises or finds its part away fails,
and the others go on.
"""

import ssl
import threading
import time
from collections.abc import Sequence

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from portal.db import STORAGE_DOWN
from portal.logs import mask
from portal.models import EvidenceItem
from portal.monitor.gate.checks import Answer, Application, Check, CheckResult, Outcome, Stage
from portal.monitor.gate.flows import CHECKS as FLOWS
from portal.monitor.gate.parts import CHECKS as PARTS
from portal.monitor.gate.schema import CHECKS as SCHEMA
from portal.monitor.gate.schema import HEAD
from portal.monitor.gate.settings import CHECKS as SETTINGS
from portal.monitor.gate.source import CHECKS as SOURCE
from portal.services.releases import record_evidence

__all__ = ["Answer", "Application", "CheckResult", "Stage", "checks_of", "record", "run", "summary"]

log = structlog.get_logger(__name__)

GROUPS: dict[str, tuple[Check, ...]] = {
    "schema": SCHEMA,
    "settings": SETTINGS,
    "parts": PARTS,
    "flows": FLOWS,
    "source": SOURCE,
}


def checks_of(stage: Stage) -> list[tuple[str, Check]]:
    """(group, check) of all that is looked at in that stage."""
    listed = [(group, check) for group, checks in GROUPS.items() for check in checks]
    return [(group, check) for group, check in listed if stage is Stage.FULL or not check.is_live]


def run(stage: Stage, application: Application) -> list[CheckResult]:
    """Try every check of the stage, one after the other."""
    return [_tried(group, check, application) for group, check in checks_of(stage)]


def summary(results: Sequence[CheckResult]) -> str:
    return f"{sum(result.is_ok for result in results)}/{len(results)} checks passed"


def record(stage: Stage, results: Sequence[CheckResult]) -> bool:
    """Keep what came out as evidence for the release; False when the database does not take it."""
    checks = [{"name": one.name, "group": one.group, "ok": one.is_ok, "detail": one.detail} for one in results]
    is_ok = all(one.is_ok for one in results)
    head = next(one for one in results if one.name == HEAD)
    try:
        record_evidence(
            EvidenceItem.GATE, is_ok=is_ok, detail=summary(results), record={"stage": stage.value, "checks": checks}
        )
        record_evidence(EvidenceItem.MIGRATION, is_ok=head.is_ok, detail=head.detail, record={"stage": stage.value})
    except STORAGE_DOWN as e:
        log.warning("gate not recorded", error=type(e).__name__)
        return False
    return True


def _tried(group: str, check: Check, application: Application) -> CheckResult:
    began_at = time.monotonic()
    outcomes: list[Outcome] = []
    # A thread, since what hangs in a library or a driver cannot be told to end. It dies with the command.
    thread = threading.Thread(target=lambda: outcomes.append(_look(check, application)), daemon=True)
    thread.start()
    thread.join(check.limit_s)
    is_ok, detail = outcomes[0] if outcomes else (False, f"nothing came of it within {check.limit_s:g} s")
    return CheckResult(check.name, group, is_ok, mask(detail), round((time.monotonic() - began_at) * 1000, 1))


def _look(check: Check, application: Application) -> Outcome:
    try:
        with application.context():
            return check.look(application)
    except SQLAlchemyError as e:
        return False, f"the database does not answer as it should ({type(e).__name__})"
    except redis.RedisError as e:
        if _is_untrusted(e):
            return False, "certificate not trusted: REDIS_TLS_VERIFY=off where the host of Redis makes its own"
        return False, f"Redis does not answer as it should ({type(e).__name__})"
    except Exception as e:
        # Its text may hold anything, an address with a password in it among that.
        return False, f"raised {type(e).__name__}"


def _is_untrusted(error: BaseException | None) -> bool:
    """Whether it came of a certificate that nobody vouches for."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None
