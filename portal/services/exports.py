"""The note that somebody takes out a table of what the portal keeps: who, when, and which."""

from collections.abc import Mapping
from uuid import UUID

from portal.db import atomic
from portal.services import audit
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants


def note_recipients(scope: TenantScope, campaign_id: UUID) -> None:
    """The ledger of a campaign."""
    with atomic():
        audit.record(scope, "campaign.exported", ("campaign", campaign_id))


def note_undelivered(scope: TenantScope, bucket: str) -> None:
    """The list of messages that did not arrive."""
    with atomic():
        audit.record(scope, "message.exported", ("messages", None), after={"bucket": bucket})


def note_log(scope: TenantScope, wanted: Mapping[str, str]) -> None:
    """The company's log, by what it was filtered."""
    with atomic():
        audit.record(scope, "audit.exported", ("audit", None), after=wanted or None)


def note_whole_log(by: Actor, wanted: Mapping[str, str]) -> None:
    """The log of every company, by what it was filtered."""
    with across_tenants("the log of an operator's acts is no tenant's"), atomic():
        audit.record_for_operator(by, "audit.exported", ("audit", None), after=wanted or None)
