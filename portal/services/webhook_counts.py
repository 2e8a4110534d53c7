"""How often something came in at the webhook that was not taken for what it said: for the operator's eyes."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from portal.clock import now
from portal.db import db
from portal.models import CountedOutcome, WebhookCount

# Anybody may post made-up names: of these only the first few of a day are told apart.
MOST_NAMES = 50
OTHER = "other"


def add(outcome: CountedOutcome, event: str) -> None:
    """Count one, in the transaction of whoever noticed it."""
    today = now().date()
    names = select(func.count()).select_from(WebhookCount)
    names = names.where(WebhookCount.day == today, WebhookCount.outcome == outcome)
    is_listed = select(WebhookCount.event).where(
        WebhookCount.day == today, WebhookCount.outcome == outcome, WebhookCount.event == event
    )
    if db.session.scalar(is_listed) is None and (db.session.scalar(names) or 0) >= MOST_NAMES:
        event = OTHER
    row = {"day": today, "outcome": outcome, "event": event, "count": 1}
    key = [WebhookCount.day, WebhookCount.outcome, WebhookCount.event]
    again = (
        insert(WebhookCount)
        .values(row)
        .on_conflict_do_update(index_elements=key, set_={"count": WebhookCount.count + 1})
    )
    db.session.execute(again)
