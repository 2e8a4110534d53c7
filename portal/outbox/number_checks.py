"""WhatsApp is asked which of a campaign's recipients it knows: a few numbers at a time, and each once a month.

Nobody waits for it: whose turn comes first is written to, and then the send says it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from portal.clock import now
from portal.db import atomic, db
from portal.evolution.errors import EvolutionError
from portal.evolution.types import CheckedNumber
from portal.models import Campaign
from portal.outbox import servers
from portal.outbox import watch_statements as statements
from portal.outbox.outcomes import confirmed_number
from portal.services import delivery
from portal.tenancy import TenantScope, across_tenants

log = structlog.get_logger(__name__)

NUMBERS_TOGETHER = 25
# Looking up many numbers in a hurry is what WhatsApp takes for spam.
NEXT_CHECK = timedelta(seconds=5)
KNOWN_FOR = timedelta(days=30)
# Longer than a check takes.
LEASE_S = 120
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
MOST_TOGETHER = 50
CHECKS_PER_SERVER = 2


@dataclass(frozen=True)
class NumberCheck:
    """A campaign of which some numbers are asked for; how often in a row that failed."""

    tenant_id: UUID
    campaign_id: UUID
    unit_id: UUID
    server_id: UUID
    instance_name: str
    failures: int
    # By then somebody else may take it for forgotten.
    leased_until: datetime


def claim(*, busy_servers: Collection[UUID] = ()) -> list[NumberCheck]:
    """The campaigns that this process, and no other, now asks for: of each unit one, of each server a few."""
    values = {
        "at": now(),
        "busy": list(busy_servers),
        "most": MOST_TOGETHER,
        "checks_each": CHECKS_PER_SERVER,
        "lease_s": LEASE_S,
    }
    with across_tenants("numbers of every tenant are checked"), atomic():
        rows = db.session.execute(statements.CLAIM_NUMBER_CHECKS, values).mappings()
        return [NumberCheck(**dict(row)) for row in rows]


def carry_out(check: NumberCheck) -> None:
    """Ask for the next numbers and note what comes back, or when to ask again."""
    wanted = _read_unchecked(check)
    if not wanted:
        _put_off(check, number_check_at=None, number_check_failures=0)
        return
    try:
        client = servers.client_for(check.server_id)
        found = client.check_numbers(check.instance_name, list(dict.fromkeys(wanted.values())))
    except EvolutionError as e:
        log.info("numbers not checked", unit_id=str(check.unit_id), code=e.code, failures=check.failures + 1)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(check.failures, 10))
        _put_off(check, number_check_at=now() + pause, number_check_failures=min(check.failures + 1, 100))
        return
    _note(check, wanted, found)


def _read_unchecked(check: NumberCheck) -> dict[UUID, str]:
    """Person -> the number to ask for."""
    values = {"campaign_id": check.campaign_id, "known_since": now() - KNOWN_FOR, "most": NUMBERS_TOGETHER}
    with across_tenants("the check names the campaign"), atomic():
        rows = db.session.execute(statements.READ_UNCHECKED, values)
        return {row.id: row.number for row in rows}


def _note(check: NumberCheck, wanted: Mapping[UUID, str], found: Mapping[str, CheckedNumber]) -> None:
    told = [found.get(number) for number in wanted.values()]
    values = {
        "people": list(wanted),
        "numbers": list(wanted.values()),
        "there": [one and one.is_there for one in told],
        "confirmed": [confirmed_number(one.jid) if one and one.is_there else None for one in told],
        "at": now(),
    }
    next_at = now() + NEXT_CHECK
    with across_tenants("the check names the unit"), atomic():
        delivery.lock_unit(TenantScope(check.tenant_id), check.unit_id)
        db.session.execute(statements.LOCK_PEOPLE, {"people": list(wanted)})
        db.session.execute(statements.NOTE_NUMBERS, values)
        db.session.execute(statements.SKIP_ABSENT, {"people": list(wanted), "unit_id": check.unit_id})
        _put_off_others(check, next_at)
        _put_off(check, number_check_at=next_at if len(wanted) == NUMBERS_TOGETHER else None, number_check_failures=0)


def _put_off_others(check: NumberCheck, next_at: datetime) -> None:
    """The pace is the number's: the other campaigns of the unit wait as well."""
    scope = TenantScope(check.tenant_id)
    others = scope.update(Campaign).where(
        Campaign.unit_id == check.unit_id, Campaign.id != check.campaign_id, Campaign.number_check_at < next_at
    )
    db.session.execute(others.values(number_check_at=next_at).execution_options(synchronize_session=False))


def _put_off(check: NumberCheck, **columns: Any) -> None:
    scope = TenantScope(check.tenant_id)
    with across_tenants("the check names the campaign"), atomic():
        # It may have been planned anew or cancelled meanwhile: then others decide about its numbers.
        this = scope.update(Campaign).where(
            Campaign.id == check.campaign_id, Campaign.number_check_at == check.leased_until
        )
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))
