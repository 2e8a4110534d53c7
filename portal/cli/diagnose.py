"""An operator's command for a unit that does not work: `flask --app wsgi diagnose TENANT/UNIT`."""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import click
from flask.cli import with_appcontext

from portal.cli.words import in_words
from portal.errors import Conflict
from portal.monitor.diagnose import Diagnosis, Finding, Fix, Incident, fixes, run
from portal.queries import units
from portal.tenancy import TenantScope, acting_for

TITLES = {
    Incident.UNCONNECTED: "The status stays unconnected",
    Incident.INBOUND: "Messages of customers are missing",
    Incident.OUTBOUND: "Messages do not leave",
    Incident.CAMPAIGN: "A campaign is stuck",
}
# The workers compare and restart within seconds, and what WhatsApp has to say to it comes some seconds later.
FIXED_WITHIN_S = 60.0
LOOK_S = 3.0


@click.command("diagnose")
@click.argument("unit", metavar="TENANT/UNIT")
@click.option("--fix", "is_fix", is_flag=True, help="Also do what can be done, wait for it, and look once more.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@with_appcontext
@in_words
def diagnose_unit(unit: str, is_fix: bool, as_json: bool) -> None:
    """Look for the causes of the four incidents at a unit: in the rows, and by asking Evolution.

    The unit alone is enough where no other tenant has one of that name. Ends with status 0 when nothing was found, or
    only what passes by itself or is as somebody wanted it, and with 1 otherwise.
    """
    tenant, found_unit = units.find_by_path(unit)
    with acting_for(TenantScope(tenant.id)) as scope:
        before = run(scope, found_unit.id)
        after = _fix(scope, found_unit.id, before) if is_fix and before.fixes else before
    _tell_json(unit, before, after) if as_json else _tell(before, after)
    sys.exit(1 if after.trouble else 0)


def _fix(scope: TenantScope, unit_id: UUID, found: Diagnosis) -> Diagnosis:
    """Do what can be done, until nothing is left to do or the time is over; what is done once may show the next."""
    done, until = set[Fix](), time.monotonic() + FIXED_WITHIN_S
    while True:
        for fix in [fix for fix in found.fixes if fix not in done]:
            done.add(fix)
            _apply(scope, unit_id, fix)
        if not found.offered or time.monotonic() > until:
            return found
        time.sleep(LOOK_S)
        # Somebody else looks just now: the next time will do.
        with suppress(Conflict):
            found = run(scope, unit_id)


def _apply(scope: TenantScope, unit_id: UUID, fix: Fix) -> None:
    try:
        fixes.apply(scope, unit_id, fix)
    except Conflict as e:
        click.echo(f"fix {fix}: not done: {e.message}", err=True)
    else:
        click.echo(f"fix {fix}: done", err=True)


def _tell(before: Diagnosis, after: Diagnosis) -> None:
    for incident, title in TITLES.items():
        click.echo(f"{title}:")
        for line in _lines(before.of(incident), after.of(incident)):
            click.echo(f"  {line}")
    left = [finding for finding in after.trouble if finding.fix is None]
    fixable = [finding for finding in after.trouble if finding.fix is not None]
    if fixable:
        click.echo(f"{len(fixable)} found that `--fix` may put right.")
    if left:
        click.echo(f"{len(left)} found that a person has to see to.")
    if not after.trouble:
        click.echo("Nothing is wrong." if not before.trouble else "All that was found is put right.")


def _lines(before: Sequence[Finding], after: Sequence[Finding]) -> list[str]:
    """What was found first, then what is fixed by now, then in one line what is in order."""
    found = [finding for finding in after if finding.is_found]
    unknown = [finding for finding in after if finding.is_found is None]
    still = {(finding.cause, finding.campaign_id) for finding in (*found, *unknown)}
    fixed = [one for one in before if one.is_found and (one.cause, one.campaign_id) not in still]
    lines = [_line(finding) for finding in found]
    lines += [f"fixed {finding.cause}: {finding.detail}" for finding in fixed]
    lines += [f"not known {finding.cause}: {finding.detail}" for finding in unknown]
    fine = list(dict.fromkeys(finding.cause for finding in after if finding.is_found is False))
    return [*lines, *([f"ok: {', '.join(fine)}"] if fine else [])] or ["ok: no campaign is under way"]


def _line(finding: Finding) -> str:
    if finding.passes:
        return f"waits {finding.cause}: {finding.detail}"
    return f"FOUND {finding.cause}: {finding.detail} → {finding.fix or 'a person'}"


def _tell_json(unit: str, before: Diagnosis, after: Diagnosis) -> None:
    still = {(finding.incident, finding.cause, finding.campaign_id) for finding in after.findings if finding.is_found}
    told = {
        "unit": unit,
        "at": after.at.isoformat(),
        "ok": not after.trouble,
        "findings": [_as_json(finding) for finding in after.findings],
        "fixed": [
            _as_json(finding)
            for finding in before.findings
            if finding.is_found and (finding.incident, finding.cause, finding.campaign_id) not in still
        ],
    }
    click.echo(json.dumps(told, ensure_ascii=False))


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "incident": finding.incident,
        "cause": finding.cause,
        "found": finding.is_found,
        "passes": finding.passes,
        "detail": finding.detail,
        "fix": finding.fix,
        "campaign_id": str(finding.campaign_id) if finding.campaign_id else None,
    }
