"""All lines of a campaign's ledger, for a table that is read while it is sent."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from portal.db import db, end_read
from portal.models import CampaignRecipient, Contact
from portal.queries.campaigns import RecipientRow, list_recipients
from portal.tenancy import TenantScope

BATCH = 1_000
# The largest number that a position can be.
LAST_POSITION = 2**31 - 1


def iterate(scope: TenantScope, campaign_id: UUID, **conditions: Any) -> Iterator[RecipientRow]:
    """The lines that meet the conditions of `list_recipients`, in their order.

    No connection is held while the caller is at a batch.
    """
    after = 0
    while True:
        rows = list_recipients(scope, campaign_id, after=after, limit=BATCH, **conditions)
        # Detached, the rows stay readable.
        db.session.expunge_all()
        end_read()
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1].recipient.position


def list_skipped(scope: TenantScope, campaign_id: UUID) -> list[tuple[str | None, str]]:
    """The number as it was given, or else as it is known, and the reason, of each line that gets nothing."""
    statement = (
        scope.select(CampaignRecipient, CampaignRecipient.typed, Contact.phone, CampaignRecipient.reason)
        .select_from(CampaignRecipient)
        .outerjoin(
            Contact,
            (Contact.tenant_id == CampaignRecipient.tenant_id) & (Contact.id == CampaignRecipient.contact_id),
        )
        .where(CampaignRecipient.campaign_id == campaign_id, CampaignRecipient.reason.is_not(None))
        .order_by(CampaignRecipient.position)
    )
    return [(typed or phone, reason) for typed, phone, reason in db.session.execute(statement)]
